/* predict.c - see predict.h. */
#include "slab/predict.h"

#include "base/bits.h"

static bool is_past(uint64_t then, uint64_t now, uint64_t within)
{
	return now - then > within;
}

static void set(size_t *at, size_t to)
{
	__atomic_store_n(at, to, __ATOMIC_RELAXED);
}

/* What the last fall gave back and was not asked for again, as long as it may teach something. */
static size_t gone(const struct predictor *p, uint64_t now, uint64_t within)
{
	return is_past(p->fell_at, now, within) ? 0 : p->gone;
}

void predict_gave(struct predictor *p, size_t n, uint64_t now, uint64_t within)
{
	const size_t before = gone(p, now, within);

	if (before == 0) {
		p->fell = 0;
		p->fell_at = now;
	}
	p->fell += n;
	set(&p->gone, before + n);
}

size_t predict_fell(const struct predictor *p, uint64_t now, uint64_t within)
{
	return is_past(p->fell_at, now, within) ? 0 : p->fell;
}

void predict_asked(struct predictor *p, size_t n, uint64_t now, uint64_t within)
{
	const size_t could_be = gone(p, now, within), early = min_size(n, could_be);

	set(&p->gone, could_be - early);
	set(&p->keep, p->keep + early);
}

void predict_forget(struct predictor *p, size_t unused)
{
	set(&p->keep, p->keep - min_size(p->keep, unused));
}

size_t low_water_unused(struct low_water *w, size_t level, size_t limit, uint64_t now,
    uint64_t within)
{
	low_water_note(w, level);
	if (!is_past(w->since, now, within))
		return 0;
	const size_t unused = w->low > limit ? w->low - limit : 0;
	w->low = level - unused;
	w->since = now;
	return unused;
}

size_t predict_unused(struct predictor *p, size_t level, size_t limit, uint64_t now,
    uint64_t within)
{
	const size_t unused = low_water_unused(&p->level, level, limit, now, within);

	predict_forget(p, unused);
	return unused;
}
