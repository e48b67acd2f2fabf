/* narrate.c - facts from two pictures, and the lecture's words for them. */
#include "draw/narrate.h"

#include <stdarg.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"

/* ---- facts -------------------------------------------------------------------------------- */

static bool same_chunk(const struct picture_chunk *a, const struct picture_chunk *b)
{
	return a != NULL && b != NULL && a->addr == b->addr && a->len == b->len &&
	    a->live == b->live;
}

static bool is_free(const struct picture_chunk *c)
{
	return c != NULL && !c->live;
}

/* A free neighbour of `used` that was not there before is what a split left. */
static bool is_remainder(const struct picture *before, const struct picture_chunk *c)
{
	return is_free(c) && !same_chunk(c, picture_find(before, c->addr));
}

static void measure_free(struct tell *t, const struct picture *before)
{
	for (size_t i = 0; i < before->chunk_count; i++) {
		const struct picture_chunk *const c = &before->chunks[i];
		if (c->live)
			continue;
		t->free_bytes += c->usable;
		t->free_largest = max_size(t->free_largest, c->usable);
	}
}

/* How many chunks of its list were looked at: up to the one found, or all of an only list. */
static size_t count_searched(const struct tell *t, const struct picture *before)
{
	size_t all = 0;

	if (t->found != NULL && t->grew == 0)
		return t->found->rank == PICTURE_UNLISTED ? 0 : t->found->rank + 1;
	for (size_t i = 0; i < before->chunk_count; i++) {
		if (before->chunks[i].bin > 0)
			return 0; /* bins: those of smaller sizes were not looked at */
		all += !before->chunks[i].live && before->chunks[i].rank != PICTURE_UNLISTED;
	}
	return all;
}

/* The bin of chunks of a length, as the free chunks tell the rule: one of that length, or all of
 * them one unit a bin.  What lies in the last bin is of any length, and tells nothing. */
static int32_t proper_bin(const struct picture *before, size_t len, int32_t last)
{
	size_t unit = 0;

	for (size_t i = 0; i < before->chunk_count; i++) {
		const struct picture_chunk *const c = &before->chunks[i];
		if (c->live || c->bin <= 0 || c->bin >= last)
			continue;
		if (c->len == len)
			return c->bin;
		if (c->len % (size_t)c->bin != 0 || (unit != 0 && c->len / (size_t)c->bin != unit))
			return 0;
		unit = c->len / (size_t)c->bin;
	}
	const size_t bin = unit != 0 ? len / unit : 0;
	return bin < (size_t)last ? (int32_t)bin : 0;
}

static void compare_malloc(struct tell *t, const struct picture *before,
    const struct picture *after)
{
	const uintptr_t p = (uintptr_t)t->call.p;
	const struct picture_chunk *const u = picture_find(after, p);

	CHECK(u != NULL && u->live);
	const struct picture_chunk *const was = picture_find(before, p);
	const struct picture_chunk *const prev = picture_prev(after, u),
	    *const next = picture_next(after, u);
	t->used = u;
	t->found = is_free(was) ? was : NULL;
	t->tail_end = is_remainder(before, prev);
	t->split = t->tail_end || is_remainder(before, next);
	t->reused = t->found != NULL && t->grew == 0 &&
	    strcmp(before->pieces[was->first].what, "pad") != 0;
	t->waste = u->usable - min_size(u->usable, t->call.n);
	measure_free(t, before);
	t->searched = count_searched(t, before);
	if (t->found != NULL && t->found->bin > 0)
		t->first_bin = proper_bin(before, u->len, t->found->bin);

	/* New memory that joined a free chunk: one from before has changed, or was used. */
	for (size_t i = 0; t->grew != 0 && i < before->chunk_count; i++) {
		const struct picture_chunk *const c = &before->chunks[i];
		if (!c->live && !same_chunk(c, picture_find(after, c->addr)))
			t->merged_growth = true;
	}
}

static void compare_free(struct tell *t, const struct picture *before, const struct picture *after)
{
	const struct picture_chunk *const c = picture_find(before, (uintptr_t)t->call.p);

	CHECK(c != NULL && c->live);
	const struct picture_chunk *const now = picture_find(after, c->mem);
	t->used = c;
	t->unmapped = now == NULL && t->shrank != 0;
	if (!is_free(now))
		return;
	t->freed = now;
	t->merged_prev = now->addr < c->addr;
	t->merged_next = now->addr + now->len > c->addr + c->len;
	t->merged = 1;
	for (size_t i = 0; i < before->chunk_count; i++) {
		const struct picture_chunk *const f = &before->chunks[i];
		t->merged += !f->live && f->addr >= now->addr && f->addr < now->addr + now->len;
	}
	const struct picture_chunk *const prev = picture_prev(after, now),
	    *const next = picture_next(after, now);
	t->hole = prev != NULL && prev->live && next != NULL && next->live;
}

struct tell tell_compare(const struct tell_call *call, const struct picture *before,
    const struct picture *after)
{
	struct tell t = {.call = *call};

	if (after->owned_bytes > before->owned_bytes)
		t.grew = after->owned_bytes - before->owned_bytes;
	else
		t.shrank = before->owned_bytes - after->owned_bytes;
	if (call->is_malloc)
		compare_malloc(&t, before, after);
	else
		compare_free(&t, before, after);
	return t;
}

/* ---- words -------------------------------------------------------------------------------- */

static const char *caption(const struct tell *t)
{
	if (t->call.is_malloc)
		return t->reused ? "DMM system reused previously freed chunk" : NULL;
	if (t->merged >= 3)
		return "DMM system coalesced three free chunks";
	if (t->merged == 2)
		return "DMM system coalesced two free chunks";
	return t->hole ? "External fragmentation!" : NULL;
}

void tell_captions(FILE *out, const struct draw_style *s, const struct tell *t)
{
	char a[DRAW_SIZE_TEXT], b[DRAW_SIZE_TEXT], c[DRAW_SIZE_TEXT];
	const char *const one = caption(t);

	if (one != NULL)
		draw_caption(out, s, "* %s", one);
	if (t->call.is_malloc && t->grew != 0 && t->free_bytes >= t->call.n &&
	    t->free_largest < t->call.n)
		draw_caption(out, s, "* External fragmentation! %s available, but not contiguously "
		    "(at most %s)",
		    draw_size(a, s, t->free_bytes), draw_size(b, s, t->free_largest));
	if (t->call.is_malloc && t->waste != 0)
		draw_caption(out, s, "* Internal fragmentation! asked %s, provided %s: %s wasted",
		    draw_size(a, s, t->call.n), draw_size(b, s, t->call.n + t->waste),
		    draw_size(c, s, t->waste));
}

/* How the slides of one system say it.  The last line serves systems from elsewhere. */
static const struct words {
	const char *system, *search, *fits, *split, *insert;
} all_words[] = {
    {"list", "Search free list for big-enough chunk", "remove from list, return payload",
        "split chunk, return payload of tail end",
        "Search list for proper insertion spot, insert chunk into list"},
    {"dlist", "Search free list for big-enough chunk", "remove, set status, use",
        "remove, split, insert tail, set status, use front",
        "Set status, insert chunk into free list, at front"},
    {"bins", "Search proper bin(s) for big-enough chunk", "remove, set status, use",
        "remove, split, insert tail, set status, use front",
        "Set status, insert chunk into proper bin"},
    {"gnu", "Search proper bin(s) for big-enough chunk", "remove, set status, use",
        "remove, split, insert tail, set status, use front",
        "Set status, insert chunk into proper bin"},
    {"segdata", "Look in the bin of the size", "use the bin's first chunk", "",
        "Examine address, infer virtual memory page, infer bin, insert into that bin"},
    {"segmeta", "Look up in bins array", "use first element of linked list", "",
        "Find the size in the page's hash table entry, put back at head of that bin's list"},
    {NULL, "Search for big-enough chunk", "use it", "split it", "Insert chunk among the free ones"},
};

static const struct words *words_of(const struct dmm_system *sys)
{
	const struct words *w = all_words;
	while (w->system != NULL && strcmp(w->system, sys->name) != 0)
		w++;
	return w;
}

/* One sentence. */
struct speaker {
	FILE *out;
	const struct draw_style *s;
	const struct words *words;
	const struct dmm_system *sys;
};

#define line(speaker, ...) draw_say((speaker)->out, (speaker)->s, 4, __VA_ARGS__)

struct size_text {
	char buf[DRAW_SIZE_TEXT];
};
#define SIZE(bytes) draw_size((struct size_text){0}.buf, k->s, bytes)

static void tell_growth(const struct speaker *k, const struct tell *t)
{
	const bool maps = t->call.mapped;
	const bool searches = k->sys->next_free != NULL;

	if (maps && t->split && !(k->sys->traits & DMM_COALESCES))
		line(k, "None left %s map new virtual memory pages, cut into chunks of equal size",
		    draw_then(k->s));
	else if (maps)
		line(k, "%s%s%sall mmap(): %s new", searches ? "None found " : "",
		    searches ? draw_then(k->s) : "",
		    searches ? " c" : "C", SIZE(t->grew));
	else
		line(k, "%s%s%sall brk() to increase heap size by %s",
		    searches ? "None found " : "",
		    searches ? draw_then(k->s) : "", searches ? " c" : "C", SIZE(t->grew));
	if (t->merged_growth && !maps && (k->sys->traits & DMM_COALESCES))
		line(k, "Previous chunk in memory is free %s remove both, coalesce, insert",
		    draw_then(k->s));
}

static void tell_search(const struct speaker *k, const struct tell *t)
{
	if (t->searched != 0 && t->found != NULL && t->first_bin != 0)
		line(k, "%s: bins %d to %d, found in bin %d, %zu looked at", k->words->search,
		    t->first_bin,
		    t->found->bin, t->found->bin, t->searched);
	else if (t->searched != 0 && t->found != NULL && t->found->bin > 0)
		line(k, "%s: found in bin %d, %zu looked at", k->words->search, t->found->bin,
		    t->searched);
	else if (t->searched != 0)
		line(k, "%s: %zu looked at", k->words->search, t->searched);
	else
		line(k, "%s", k->words->search);
}

static void tell_pad(const struct speaker *k, const struct tell *t)
{
	if (t->grew != 0) {
		line(k, "At least n bytes between pPad and pBrk? No!");
		line(k, "Call brk() to allocate (more than) enough additional memory: %s",
		    SIZE(t->grew));
	} else {
		line(k, "At least n bytes between pPad and pBrk? Yes!");
	}
	line(k, "Save pPad as p; add n to pPad; return p");
}

static void tell_malloc(const struct speaker *k, const struct tell *t)
{
	const uint32_t traits = k->sys->traits;

	if (strcmp(k->sys->name, "pad") == 0) {
		tell_pad(k, t);
		return;
	}
	if (traits & DMM_FREES && k->sys->next_free != NULL)
		tell_search(k, t);
	if (t->grew != 0)
		tell_growth(k, t);
	if (traits & DMM_COALESCES)
		line(k, "%s & %s %s %s", t->grew != 0 ? "New chunk" : "Found",
		    t->split ? "too big" : "reasonable size", draw_then(k->s),
		    t->split ? k->words->split : k->words->fits);
	else if (t->grew == 0 && traits & DMM_FREES)
		line(k, "Found %s %s", draw_then(k->s), k->words->fits);
}

static void tell_free(const struct speaker *k, const struct tell *t)
{
	if (t->unmapped)
		line(k, "Call munmap(): %s given back", SIZE(t->shrank));
	else if (t->freed == NULL)
		line(k, "Do nothing!");
	else
		line(k, "%s", k->words->insert);
	if (t->merged_next)
		line(k, "Next chunk in memory also free %s remove both, coalesce, insert",
		    draw_then(k->s));
	if (t->merged_prev)
		line(k, "Prev chunk in memory free %s remove both, coalesce, insert",
		    draw_then(k->s));
	if (t->freed != NULL && t->shrank != 0)
		line(k, "High end of heap is free %s call brk() to decrease heap size by %s",
		    draw_then(k->s),
		    SIZE(t->shrank));
}

void tell_steps(FILE *out, const struct draw_style *s, const struct dmm_system *sys,
    const struct tell *t)
{
	const struct speaker k = {out, s, words_of(sys), sys};

	if (t->call.is_malloc)
		tell_malloc(&k, t);
	else
		tell_free(&k, t);
}
