/* pins.c - sparse memory, and whose survivors keep it.
 *
 *   a stretch of 4 KiB   [..a.......a......]   all that lives is of call site a: if these two go,
 *                                              the page comes free; it counts as a's alone
 *                        [..a....b.........]   a and b hold it together: shared by both
 *                        [aaaaaaaaaaaa.....]   more than a quarter lives: not sparse
 *
 * One walk in address order, beside the live objects sorted by address, serves all three scales.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "report/report.h"

const size_t pin_bytes[PIN_SCALES] = {4096, 65536, 2 << 20};
const char *const pin_moment_names[PIN_MOMENTS] = {"peak", "worst", "end"};

enum { SPARSE_PART = 4, HOLDERS =
    64 /* call sites in one stretch; more than these share it anyway */ };

struct holder {
	uint32_t stack;
	uint64_t count, bytes;
};

struct stretch { /* the one that the walk is in, at one scale */
	uint64_t number;
	uint64_t owned, live;
	const struct live_entry *first, *last; /* of those that reach into it */
	size_t count;
	struct holder holder[HOLDERS];
};

struct pinning {
	struct live_order order;
	struct stretch now[PIN_SCALES];
	/* the last one of the sparse stretch before */
	const struct live_entry *counted[PIN_SCALES];
	struct report_pin *sites[PIN_SCALES]; /* by stack */
	size_t site_cap;
	struct report_pins *pins;
};

static int by_address(const void *a, const void *b)
{
	const uint64_t x = ((const struct live_entry *)a)->addr;
	const uint64_t y = ((const struct live_entry *)b)->addr;
	return x < y ? -1 : x > y;
}

void order_open(struct live_order *o, const struct model_view *v)
{
	size_t count = 0;

	for (size_t i = 0; i < v->slots; i++)
		count += v->cell[i].p != NULL;
	*o = (struct live_order){.object = malloc((count + 1) * sizeof *o->object)};
	CHECK(o->object != NULL);
	for (size_t i = 0; i < v->slots; i++)
		if (v->cell[i].p != NULL)
			o->object[o->count++] = (struct live_entry){
			    (uintptr_t)v->cell[i].p, v->life[i].stack};
	qsort(o->object, o->count, sizeof *o->object, by_address);
}

const struct live_entry *order_find(struct live_order *o, uint64_t addr, uint64_t len)
{
	while (o->next < o->count && o->object[o->next].addr < addr)
		o->next++;
	return o->next < o->count && o->object[o->next].addr < addr + len ? &o->object[o->next]
	    : NULL;
}

void order_close(struct live_order *o)
{
	free(o->object);
}

static int by_hold(const void *a, const void *b)
{
	const struct report_pin *const x = a, *const y = b;

	if (x->alone != y->alone)
		return x->alone > y->alone ? -1 : 1;
	if (x->shared != y->shared)
		return x->shared > y->shared ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

static void finish_stretch(struct pinning *p, enum pin_scale k)
{
	struct stretch *const s = &p->now[k];
	struct report_pins *const all = &p->pins[k];

	if (s->live != 0 && s->live * SPARSE_PART <= s->owned) {
		all->sparse_bytes += s->owned;
		all->sparse_live += s->live;
		all->sparse_count++;
		for (size_t i = 0; i < s->count; i++) {
			struct report_pin *const site = &p->sites[k][s->holder[i].stack];
			const bool again = s->first == p->counted[k] &&
			    s->first->stack == s->holder[i].stack;
			site->survivors += s->holder[i].count - again;
			site->survivor_bytes += s->holder[i].bytes;
			*(s->count == 1 ? &site->alone : &site->shared) += s->owned;
		}
		p->counted[k] = s->last;
	}
	*s = (struct stretch){.number = s->number};
}

static void hold(struct stretch *s, const struct live_entry *o, uint64_t bytes)
{
	size_t i = 0;

	while (i < s->count && s->holder[i].stack != o->stack)
		i++;
	if (i == HOLDERS)
		i--; /* crowded: it is shared, whichever other sites are counted */
	else if (i == s->count)
		s->holder[s->count++] = (struct holder){.stack = o->stack};
	s->first = s->first == NULL ? o : s->first;
	s->last = o;
	s->holder[i].count++;
	s->holder[i].bytes += bytes;
}

/* The stretches that lie wholly inside one live piece are full, so only its two ends matter. */
static void add(struct pinning *p, enum pin_scale k, uint64_t addr, uint64_t len,
    const struct live_entry *o)
{
	struct stretch *const s = &p->now[k];
	const uint64_t end = addr + len;

	for (uint64_t at = addr; at < end;) {
		const uint64_t number = at / pin_bytes[k];
		const uint64_t next = min_size(end, (number + 1) * pin_bytes[k]);
		if (number != s->number) {
			finish_stretch(p, k);
			s->number = number;
		}
		s->owned += next - at;
		if (o != NULL) {
			s->live += next - at;
			hold(s, o, next - at);
		}
		at = next == end || end / pin_bytes[k] == number + 1 ? next
		    : (end / pin_bytes[k]) * pin_bytes[k];
	}
}

static int visit(void *arg, const struct dmm_piece *piece, uintptr_t addr, size_t len)
{
	struct pinning *const p = arg;
	const struct live_entry *const o =
	    piece->kind == DMM_LIVE ? order_find(&p->order, piece->addr, piece->len) : NULL;
	for (enum pin_scale k = 0; k < PIN_SCALES; k++)
		add(p, k, addr, len, o);
	return 0;
}

static void keep_largest(struct report_pins *pins, struct report_pin *sites, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < cap; i++)
		if (sites[i].survivors != 0 || sites[i].alone != 0) {
			sites[i].stack = (uint32_t)i;
			sites[n++] = sites[i];
		}
	qsort(sites, n, sizeof *sites, by_hold);
	pins->sites = n;
	pins->count = min_size(n, REPORT_PINS);
	memcpy(pins->pin, sites, pins->count * sizeof *sites);
}

void report_pins(struct report_pins pins[PIN_SCALES], const struct model_view *v)
{
	static struct pinning p;

	p = (struct pinning){.pins = pins, .site_cap = 1};
	order_open(&p.order, v);
	for (size_t i = 0; i < p.order.count; i++)
		p.site_cap = max_size(p.site_cap, (size_t)p.order.object[i].stack + 1);
	for (enum pin_scale k = 0; k < PIN_SCALES; k++) {
		pins[k] = (struct report_pins){.event = v->now->events,
		    .footprint = v->now->footprint,
		    .payload = v->payload};
		p.sites[k] = calloc(p.site_cap, sizeof *p.sites[k]);
		CHECK(p.sites[k] != NULL);
	}
	held_walk(v->heap, v->arena, visit, &p);
	for (enum pin_scale k = 0; k < PIN_SCALES; k++) {
		finish_stretch(&p, k);
		keep_largest(&pins[k], p.sites[k], p.site_cap);
		free(p.sites[k]);
	}
	order_close(&p.order);
}
