/* phase.c - what a phase is like: its sizes, its order of frees, and its next operation. */
#include "base/bits.h"
#include "torture/inside.h"

enum { PHASE_OPS = 8000 };

/* A size near the interesting ones: powers of two, pages, and either of them plus or minus a
 * header. */
static size_t near(struct rng *r, size_t n)
{
	return n + 24 - min_size(n + 24, rng_below(r, 49));
}

static size_t draw_size(struct rng *r, const struct phase *p)
{
	switch (p->sizes) {
	case SIZES_TINY:
		return rng_below(r, 65);
	case SIZES_SMALL:
		return rng_below(r, 1025);
	case SIZES_FEW: /* four sizes of the phase: many exact fits */
		return p->few[rng_below(r, 4)];
	case SIZES_POWERS:
		return near(r, (size_t)1 << rng_below(r, 17));
	case SIZES_PAGES:
		return near(r, 4096 * rng_below(r, 9));
	case SIZES_LARGE:
		return rng_below(r, 8) == 0 ? rng_below(r, (size_t)4 << 20) : rng_below(r, 200000);
	default: /* each doubling as likely as the next */
		return rng_below(r, (size_t)2 << rng_below(r, 15));
	}
}

void phase_draw(struct phase *p, struct rng *r, bool strangers, size_t live_max)
{
	static const size_t targets[] = {4, 20, 100, 400, 400, 4000};
	const size_t kinds = sizeof targets / sizeof *targets;

	*p = (struct phase){.sizes = rng_below(r, SIZES_KINDS), .left = 1 + rng_below(r, PHASE_OPS),
	    .target = min_size(targets[rng_below(r, kinds)], live_max),
	    .order = rng_below(r, ORDERS), .strangers = strangers,
	    .refusals = rng_below(r, 4) == 0};
	for (size_t i = 0; i < 4; i++)
		p->few[i] = 1 + rng_below(r, 300);
	if (p->sizes == SIZES_LARGE)
		p->target = min_size(p->target, 100);
}

/* Which live object is next to be freed or resized. */
static size_t draw_object(struct rng *r, const struct phase *p, const struct shadow *s)
{
	switch (p->order) {
	case ORDER_HIGHEST:
		return s->count - 1;
	case ORDER_LOWEST:
		return 0;
	case ORDER_NEIGHBOURS: /* runs of neighbours, so that three merge into one */
		return (p->left / 3 + rng_below(r, 3)) % s->count;
	default:
		return rng_below(r, s->count);
	}
}

static bool draw_aligned(struct shadow *s, struct rng *r, size_t n)
{
	return shadow_aligned(s, (size_t)1 << rng_below(r, 15), min_size(n, 50000));
}

/* One that no heap can meet. */
static bool draw_absurd(struct shadow *s, struct rng *r)
{
	switch (rng_below(r, 4)) {
	case 0:
		return shadow_malloc(s, DMM_SIZE_MAX + 1 + rng_below(r, DMM_SIZE_MAX));
	case 1:
		return shadow_malloc(s, DMM_SIZE_MAX - rng_below(r, 8192));
	case 2:
		return shadow_aligned(s, (size_t)1 << 40, DMM_SIZE_MAX - rng_below(r, 100));
	default:
		return s->count == 0 || shadow_realloc(s, 0, SIZE_MAX - rng_below(r, 8192));
	}
}

bool phase_operation(const struct phase *p, struct rng *r, struct shadow *s)
{
	const size_t n = draw_size(r, p);
	const uint64_t dice = rng_below(r, 100);
	/* Hover around the target: below it two of three give, above it two of three take. */
	const bool give = s->count == 0 || rng_below(r, 3) < (s->count < p->target ? 2 : 1);

	if (dice == 0 && rng_below(r, 8) == 0)
		return draw_absurd(s, r);
	if (dice < 20 && s->count > 0)
		return shadow_realloc(s, draw_object(r, p, s), max_size(n, 1));
	if (!give || s->count == s->cap)
		return shadow_free(s, draw_object(r, p, s));
	if (dice < 35)
		return shadow_calloc(s, 1 + rng_below(r, 4), n / 3);
	return dice < 42 ? draw_aligned(s, r, n) : shadow_malloc(s, n);
}
