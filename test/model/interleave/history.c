/* history.c - see history.h. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler.h"

enum { WORDS = 1 << 14 }; /* that all schedules may touch, and some room */

struct word {
	const volatile void *at;
	uint64_t schedule; /* in which it was touched last: others are forgotten */
	uint64_t changed;  /* hash of the last operation that changed it */
	uint64_t loads;    /* since then, a sum, since their order does not matter */
	/* in any schedule: bits of the threads that touched it, and whether one changed it */
	uint32_t threads;
	bool changes;
};

static struct {
	struct word words[WORDS];
	size_t used, shared;
	uint64_t schedule, sum, last[SCHED_THREADS]; /* operation of each thread */
} h;

uint64_t hash_more(uint64_t hash, uint64_t value)
{
	uint64_t x = (hash ^ value) * 0x9e3779b97f4a7c15; /* as splitmix64 (Steele, 2014) */

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

void history_begin(void)
{
	h.schedule++;
	h.sum = 0;
	memset(h.last, 0, sizeof h.last);
}

static struct word *word_at(const volatile void *at)
{
	size_t i = hash_more(0, (uintptr_t)at) % WORDS;

	while (h.words[i].at != NULL && h.words[i].at != at)
		i = (i + 1) % WORDS;
	return &h.words[i];
}

static struct word *touch(const volatile void *at)
{
	struct word *const w = word_at(at);

	if (w->at == NULL && ++h.used > WORDS / 2)
		sched_fail("too many words are touched: make WORDS larger");
	w->at = at;
	if (w->schedule != h.schedule) {
		w->schedule = h.schedule;
		w->changed = w->loads = 0;
	}
	return w;
}

static bool is_shared(const struct word *w)
{
	return w->changes && (w->threads & (w->threads - 1)) != 0;
}

bool history_is_private(const volatile void *at)
{
	return !is_shared(word_at(at));
}

size_t history_shared(void)
{
	return h.shared;
}

void history_forget(void)
{
	memset(&h, 0, sizeof h);
}

void history_note(unsigned who, const volatile void *at, bool changes)
{
	struct word *const w = touch(at);
	const bool was_shared = is_shared(w);
	uint64_t hash = hash_more(hash_more(h.last[who], who * 2 + changes), (uintptr_t)at);

	hash = hash_more(hash, w->changed);
	if (changes) {
		hash = hash_more(hash, w->loads);
		w->changed = hash;
		w->loads = 0;
	} else {
		w->loads += hash;
	}
	h.last[who] = hash;
	h.sum += hash;
	w->threads |= 1u << who;
	w->changes = w->changes || changes;
	h.shared += is_shared(w) && !was_shared;
}

uint64_t history_sum(uint64_t where)
{
	return hash_more(h.sum, where);
}

/* ---- what was seen */

static const size_t ROOM_FIRST = 1 << 12, ROOM_MOST = (size_t)1 << 26; /* a GiB */

static struct seen_entry *find(const struct seen *s, uint64_t key)
{
	size_t i = key & (s->room - 1);

	while (s->entries[i].key != 0 && s->entries[i].key != key)
		i = (i + 1) & (s->room - 1);
	return &s->entries[i];
}

static bool make_room(struct seen *s)
{
	struct seen more = {.room = s->room == 0 ? ROOM_FIRST : 2 * s->room, .count = s->count};

	if (more.room > ROOM_MOST)
		return false;
	more.entries = calloc(more.room, sizeof *more.entries);
	if (more.entries == NULL)
		return false;
	for (size_t i = 0; i < s->room; i++)
		if (s->entries[i].key != 0)
			*find(&more, s->entries[i].key) = s->entries[i];
	free(s->entries);
	*s = more;
	return true;
}

uint64_t *seen_at(struct seen *s, uint64_t key, uint64_t value, bool *is_new)
{
	key += key == 0;
	const bool full = s->count >= s->room / 2 && !make_room(s);
	struct seen_entry *const e = s->room == 0 ? NULL : find(s, key);

	*is_new = e == NULL || e->key == 0;
	if (*is_new && full)
		return NULL;
	if (*is_new) {
		*e = (struct seen_entry){key, value};
		s->count++;
	}
	return &e->value;
}

void seen_forget(struct seen *s)
{
	free(s->entries);
	*s = (struct seen){0};
}
