/* walk.c - every byte that slab obtained from the system, in address order.
 *
 * Metadata alone describes the whole heap: an object is live exactly if both its bits say so.
 * The heap must be at rest: no other thread allocates meanwhile.
 */
#include "slab/guarded.h"
#include "slab/mapped.h"
#include "slab/settings.h"
#include "slab/slab.h"
#include "slab/system.h"

struct walk {
	dmm_visit *visit;
	void *arg;
	struct dmm_piece last; /* neighbours of one kind and text are shown as one, unless live */
};

static int flush(struct walk *w)
{
	const struct dmm_piece piece = w->last;
	w->last.len = 0;
	return piece.len != 0 ? w->visit(w->arg, &piece) : 0;
}

static int tell(struct walk *w, const void *p, size_t len, enum dmm_kind kind, const char *what,
    int bin)
{
	if (len == 0)
		return 0;
	if (kind != DMM_LIVE && w->last.len != 0 && w->last.kind == kind && w->last.what == what &&
	    w->last.bin == bin && w->last.addr + w->last.len == (uintptr_t)p) {
		w->last.len += len;
		return 0;
	}
	const int r = flush(w);
	w->last = (struct dmm_piece){(uintptr_t)p, len, kind, what, bin};
	return r;
}

static int walk_slab(struct walk *w, const struct slab *s)
{
	char *p = slab_start(s);
	char *const end = p + ((size_t)s->granules << GRANULE_SHIFT);
	const size_t step = s->size;
	const bool orphan = heap_of(s)->orphan;
	int r = 0;

	for (unsigned i = 0; i < s->count && r == 0; i++, p += step) {
		const bool live = orphan ? (free_word(p) & bit_of(p)) == 0 : object_live(p);
		r = tell(w, p, step, live ? DMM_LIVE : DMM_FREE, live ? "object" : "slab", s->cls);
	}
	return r != 0 ? r : tell(w, p, ptr_diff(end, p), DMM_PAD, "slab tail", s->cls);
}

/* Classify the piece that begins at a granule, and count its granules. */
static int walk_granule(struct walk *w, uint32_t granule, uint32_t *count)
{
	const struct slab_chunk *c = chunk_at(granule / CHUNK_GRANULES);
	const struct slab *s = slab_at(granule);
	char *const p = granule_address(granule);

	*count = 1;
	if (c->free[granule % CHUNK_GRANULES / 64] >> granule % 64 & 1)
		return tell(w, p, GRANULE, DMM_FREE, "run", -1);
	if (kind_of(s) == GRANULE_RUN) {
		*count = s->run;
		return tell(w, p, (size_t)s->run << GRANULE_SHIFT, DMM_LIVE, "run", -1);
	}
	if (kind_of(s) == GRANULE_SLAB) {
		*count = s->granules;
		return walk_slab(w, s);
	}
	return tell(w, p, GRANULE, DMM_PAD, "lost", -1); /* neither free nor in use */
}

/* Payload that is mapped. */
static int walk_payload(struct walk *w)
{
	int r = 0;

	for (uint32_t g = 1, n; r == 0 && g < root.chunk_count * CHUNK_GRANULES; g += n) {
		const struct slab_chunk *const c = chunk_at(g / CHUNK_GRANULES);
		if (c->state == CHUNK_HERE && g % CHUNK_GRANULES < c->mapped)
			r = walk_granule(w, g, &n);
		else
			n = CHUNK_GRANULES - g % CHUNK_GRANULES;
	}
	return r;
}

/* ---- in address order ------------------------------------------------------------------------ */

/* What lies together. */
struct area {
	enum { NOTHING, TABLE, PAYLOAD, GUARDED, MAPPED_OBJECT, REFUSED } is;
	uintptr_t at;
	size_t len; /* of a table, or an object */
};

static void look(struct area *best, uintptr_t from, struct area a)
{
	if (a.at >= from && (best->is == NOTHING || a.at < best->at))
		*best = a;
}

/* The first one that begins at `from` or after it. */
static struct area next_area(uintptr_t from)
{
	struct area best = {.is = NOTHING};

	for (enum table_kind t = 0; t < TABLES; t++)
		if (root.table[t].mapped != 0)
			look(&best, from,
			    (struct area){TABLE, table_address(t), root.table[t].mapped});
	for (const struct pool_segment *s = root.segments; s != NULL; s = s->next)
		look(&best, from, (struct area){TABLE, (uintptr_t)s, s->len});
	look(&best, from, (struct area){PAYLOAD, root.base, 0});
	if (root.mapped_room != 0)
		look(&best, from,
		    (struct area){
		        TABLE, (uintptr_t)root.mapped, root.mapped_room * sizeof *root.mapped});
	for (uint32_t i = 0; i < root.mapped_count; i++)
		look(&best, from,
		    (struct area){MAPPED_OBJECT, root.mapped[i].start, root.mapped[i].len});
	const struct mapped_object *o;
	for (unsigned i = 0; (o = mapped_refused(i)) != NULL; i++)
		look(&best, from, (struct area){REFUSED, o->start, o->len});
	if (guarded_address() != 0)
		look(&best, from, (struct area){GUARDED, guarded_address(), 0});
	return best;
}

/* Show it with its guards, which are pages of it. */
static int walk_mapped(struct walk *w, const struct area *a)
{
	char *const p = (char *)a->at;
	const size_t guard = hardening.guard_large ? root.os->page : 0;
	int r = tell(w, p - guard, guard, DMM_META, "guard", -1);

	if (r == 0)
		r = tell(w, p, a->len, DMM_LIVE, "run", -1);
	return r != 0 ? r : tell(w, p + a->len, guard, DMM_META, "guard", -1);
}

int slab_walk(dmm_visit *visit, void *arg)
{
	struct walk w = {.visit = visit, .arg = arg};
	int r = 0;

	if (root.base == 0)
		return 0;
	for (struct area a = next_area(0); r == 0 && a.is != NOTHING; a = next_area(a.at + 1)) {
		if (a.is == TABLE)
			r = tell(&w, (void *)a.at, a.len, DMM_META, "tables", -1);
		else if (a.is == MAPPED_OBJECT)
			r = walk_mapped(&w, &a);
		else if (a.is == REFUSED)
			r = tell(&w, (void *)a.at, a.len, DMM_PAD, "lost", -1);
		else if (a.is == PAYLOAD)
			r = walk_payload(&w);
		else if ((r = flush(&w)) == 0)
			r = guarded_walk(visit, arg);
	}
	return r != 0 ? r : flush(&w);
}
