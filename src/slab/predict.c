/* predict.c - see predict.h. */
#include "slab/predict.h"

#include "base/bits.h"

static bool is_past(uint64_t then, uint64_t now, uint64_t within)
{
	return now - then > within;
}

void predict_gave(struct predictor *p, size_t n, uint64_t now, uint64_t within)
{
	if (is_past(p->gone_at, now, within))
		p->gone = 0;
	p->gone += n;
	p->gone_at = now;
}

void predict_asked(struct predictor *p, size_t n, uint64_t now, uint64_t within)
{
	if (is_past(p->gone_at, now, within))
		p->gone = 0;
	const size_t early = min_size(n, p->gone);
	p->gone -= early;
	p->keep += early;
}

size_t predict_unused(struct predictor *p, size_t level, size_t limit, uint64_t now,
    uint64_t within)
{
	predict_level(p, level);
	if (!is_past(p->window_at, now, within))
		return 0;
	const size_t unused = p->low > limit ? p->low - limit : 0;
	p->keep -= min_size(p->keep, unused);
	p->low = level - unused;
	p->window_at = now;
	return unused;
}
