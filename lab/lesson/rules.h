/* rules.h - the rules that dmm torture holds a heap to, in words: the book's page of them. */
#ifndef LAB_LESSON_RULES_H
#define LAB_LESSON_RULES_H

#include <stdio.h>

struct rule {
	const char *id;     /* "S2 disjoint", as shadow.h has it; NULL ends the list */
	const char *title;  /* what is wrong, in a few words */
	const char *words;  /* what must hold, and why */
	const char *causes; /* the mistakes that usually break it */
};

extern const struct rule rules[];

/* The rule of that id; one that a design names itself, a crash and a hang have entries as well
 * ("own", "crash", "hang", "inside").  Never NULL. */
const struct rule *rule_find(const char *id);

/* The place of a rule on the book's page, "docs/book/rules.md#s2-disjoint", into buf. */
enum { RULE_LINK = 80 };
const char *rule_link(char buf[RULE_LINK], const struct rule *rule);

/* All of them, as Markdown. */
void rules_print(FILE *out);

#endif
