/* rules.c - each rule: what must hold, and the mistakes that usually break it. */
#include "lesson/rules.h"

#include <ctype.h>
#include <string.h>

const struct rule rules[] = {
    {"S1 aligned", "an address is not aligned",
        "Every address that malloc gives is a multiple of 16, and aligned_alloc's of what was "
        "asked. "
        "Programs keep long double and vectors in such memory; an instruction that loads one from "
        "an "
        "odd address ends the program.",
        "The header has 8 bytes and the payload begins right behind it. The size was not rounded "
        "up "
        "before a chunk was split. The break was not aligned before its first use."},
    {"S2 disjoint", "two live objects share bytes",
        "No two live objects share a byte. Two variables of the program would be one, and each "
        "would "
        "change when the other is written.",
        "A chunk was split, and the rest begins too early. A chunk stays in the free list, or in "
        "two "
        "lists, after it was given out. Two chunks were merged, but one of them stayed in its "
        "list. "
        "usable() tells more bytes than the payload has."},
    {"S3 contents", "an object lost what was written into it",
        "A live object holds what the program wrote into it, until the program frees it. realloc "
        "keeps the bytes up to the smaller of both sizes.",
        "realloc copied too few bytes, or from the wrong place. A header, a footer or a link was "
        "written into a chunk that is live, often that of a neighbour. memset of a whole chunk."},
    {"S4 zeroed", "memory of calloc is not 0",
        "calloc gives memory that is zero in every byte, also where the chunk was used before.",
        "The operating system's pages are zero only the first time. count times size was not "
        "computed as one number."},
    {"S5 errno", "a refused request does not say ENOMEM",
        "A request that cannot be met gives NULL, sets errno to ENOMEM and changes nothing. free "
        "never changes errno: a program may free between a failure and its report.",
        "A system call inside free failed, and its errno stayed. NULL came without an errno."},
    {"S6 usable", "an object's usable size is wrong",
        "malloc_usable_size tells at least what was asked, and the same number for as long as the "
        "object lives. Programs write all of these bytes, and realloc copies them.",
        "The size of the whole chunk was told instead of the payload's, or the other way round. "
        "The "
        "header of a live chunk was written to."},
    {"S7 partition", "the walk does not cover the heap",
        "walk() reports each byte that was obtained from the operating system exactly once, in "
        "order "
        "of address. What is missing there was lost, or belongs to two chunks.",
        "A chunk's size does not lead to its neighbour's header. Memory was obtained and not "
        "entered "
        "into any structure. walk() leaves out a header, a footer or a table."},
    {"S8 live", "the walk disagrees with the program about what is live",
        "Each live object lies in one live piece of the walk, which has all its usable bytes, and "
        "nothing else is live.",
        "free did not mark the chunk as free, or malloc did not mark it as live. The mark was set "
        "in "
        "the wrong header. usable() tells more than the chunk has."},
    {"S9 strangers", "bytes at the break that belong to somebody else were changed",
        "Others may move the program break too: a library may call sbrk. Their bytes are not the "
        "heap's.",
        "The break was taken for where the heap left it. Ask for it before each growth, and begin "
        "a "
        "new chunk if it moved."},
    {"S10 memory", "a request was refused though there was memory",
        "malloc gives NULL only if the operating system refused to give more.",
        "A size overflowed or was compared with the wrong sign. The search ended at a chunk that "
        "is "
        "too small instead of growing the heap. A table of fixed size was full."},
    {"S11 reuse", "freed memory is not used again",
        "A design that frees gives freed memory out again: its heap does not outgrow the most that "
        "was live. Otherwise a program that runs for long uses all memory of its machine.",
        "free does not enter the chunk into a list, or enters it where malloc never looks. Free "
        "neighbours are not merged, so that no chunk is large enough. The rest of a split is "
        "lost."},
    {"own", "a rule of the design itself is broken",
        "The design's own check() found it; the head of its source says what must hold.",
        "See the rule of that name in the design's source."},
    {"crash", "a call crashes",
        "No sequence of calls that C allows may end the program.",
        "A pointer was read from a header or a link that was never written, or overwritten. NULL "
        "was "
        "not expected: the end of a list, an empty heap, a size of 0, a refused request."},
    {"inside", "check() or walk() crashes or does not end",
        "check() and walk() must end for every heap that the design can make.",
        "A list has a circle, or a size leads behind the end of the heap."},
    {"hang", "a call does not return",
        "Every call ends.",
        "A chunk was entered into a list twice, so that the list leads back into itself. A loop "
        "goes "
        "on until a chunk fits that never comes. A lock was taken twice."},
    {"exit", "a call ends the program",
        "No sequence of calls that C allows may end the program: malloc says that there is no "
        "memory, "
        "and the program decides.",
        "A check of the design's own calls exit or abort instead of giving NULL."},
    {0},
};

const struct rule *rule_find(const char *id)
{
	const struct rule *own = rules;

	for (const struct rule *r = rules; r->id != NULL; r++) {
		if (strcmp(r->id, id) == 0)
			return r;
		own = strcmp(r->id, "own") == 0 ? r : own;
	}
	return own;
}

/* As the common renderers of Markdown make it of a heading. */
static const char *anchor(char buf[RULE_LINK], const char *id)
{
	size_t n = 0;

	for (; *id != '\0' && n < RULE_LINK - 1; id++)
		buf[n++] = *id == ' ' ? '-' : (char)tolower((unsigned char)*id);
	buf[n] = '\0';
	return buf;
}

const char *rule_link(char buf[RULE_LINK], const struct rule *rule)
{
	char name[RULE_LINK];

	snprintf(buf, RULE_LINK, "docs/book/rules.md#%.40s", anchor(name, rule->id));
	return buf;
}

void rules_print(FILE *out)
{
	for (const struct rule *r = rules; r->id != NULL; r++)
		fprintf(out, "## %s\n\n*%c%s.* %s\n\n**Usual mistakes.** %s\n\n", r->id,
		    toupper((unsigned char)r->title[0]), r->title + 1, r->words, r->causes);
}
