/* accounting.c - a walk, sorted into parts. */
#include "accounting.h"

#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

const char *const part_names[PARTS] = {"payload", "padding", "headers", "bins", "caches", "tails",
    "retained"};

/* Free memory that is in no bin, by the word that walks have for it; everything else free is. */
static const struct {
	const char *what;
	enum part part;
} free_words[] = {
    {"waiting", PART_CACHES},
    {"cache", PART_CACHES},
    {"pad", PART_RETAINED},
    {"kept", PART_RETAINED},
    {"top", PART_RETAINED},
    {"run", PART_RETAINED},
};

struct sums {
	uint64_t part[PARTS]; /* PART_PAYLOAD: what is live, with its padding */
	uint64_t reserved, live_count;
};

static enum part free_part(const char *what)
{
	for (size_t i = 0; i < sizeof free_words / sizeof *free_words; i++)
		if (strcmp(what, free_words[i].what) == 0)
			return free_words[i].part;
	return PART_BINS;
}

/* Bytes of [addr, addr + len) that have memory behind them: slab reserves tables for the largest heap
 * there can be, and touches what the present one needs. */
static uint64_t resident(uintptr_t addr, size_t len)
{
	enum { PAGE = 4096, STEP = 1 << 14 };
	unsigned char page[STEP];
	uint64_t bytes = 0;

	for (size_t at = 0; at < len; at += (size_t)STEP * PAGE) {
		const size_t part = min_size(len - at, (size_t)STEP * PAGE);
		if (mincore((void *)(addr + at), part, page) != 0)
			return len;
		for (size_t i = 0; i * PAGE < part; i++)
			bytes += (page[i] & 1) != 0 ? min_size(PAGE, part - i * PAGE) : 0;
	}
	return bytes;
}

static void add_meta(struct sums *s, const struct dmm_piece *p)
{
	const uint64_t bytes = strcmp(p->what, "tables") == 0 ? resident(p->addr, p->len) : p->len;

	s->part[PART_HEADERS] += bytes;
	s->reserved += p->len - bytes;
}

static int visit(void *arg, const struct dmm_piece *p)
{
	struct sums *const s = arg;

	switch (p->kind) {
	case DMM_LIVE:
		s->part[PART_PAYLOAD] += p->len;
		s->live_count++;
		break;
	case DMM_META:
		add_meta(s, p);
		break;
	case DMM_PAD:
		s->part[PART_TAILS] += p->len;
		break;
	case DMM_FREE:
		if (strcmp(p->what, "reserve") == 0)
			s->reserved += p->len; /* addresses without memory */
		else
			s->part[free_part(p->what)] += p->len;
	}
	return 0;
}

bool accounting_take(struct accounting *a, struct heap *h, const struct os_arena *arena,
    uint64_t payload)
{
	struct sums s = {0};

	heap_walk(h, visit, &s);
	memcpy(a->part, s.part, sizeof a->part);
	a->live_count = s.live_count;
	a->part[PART_HEADERS] += heap_own_bytes(h);
	a->part[PART_PADDING] = s.part[PART_PAYLOAD] - payload;
	a->part[PART_PAYLOAD] = payload;
	a->footprint = arena->heap_bytes + arena->map_bytes - s.reserved;

	uint64_t sum = 0;
	for (int i = 0; i < PARTS; i++)
		sum += a->part[i];
	return sum == a->footprint && payload <= s.part[PART_PAYLOAD];
}
