/* guarded.c - see guarded.h.  Beside root.c and slab.c, it alone knows slab's
 * records. */
#include "inspect/guarded.h"
#include "cli/plain.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "slab/guarded.h"

enum { SLOTS_MAX = 1 << 16 };

/* The notes, to be freed; NULL: there are none.  *slots: the first slot's address. */
static struct guarded *read_notes(struct outside *o, size_t *count, uint64_t *slots)
{
	struct slab_root r;

	if (!memory_read(&o->memory, o->root, &r, sizeof r) || r.version != ROOT_VERSION ||
	    r.guarded_count == 0 || r.guarded_count > SLOTS_MAX ||
	    r.guarded_bytes != sizeof(struct guarded))
		return NULL;
	struct guarded *const notes = calloc(r.guarded_count, sizeof *notes);
	CHECK(notes != NULL);
	if (!memory_read(&o->memory, (uintptr_t)r.guarded_notes, notes,
	        r.guarded_count * sizeof *notes)) {
		free(notes);
		return NULL;
	}
	*count = r.guarded_count;
	*slots = (uintptr_t)r.guarded_slots;
	return notes;
}

void outside_count_guarded(struct outside *o, struct outside_view *v)
{
	size_t count = 0;
	uint64_t slots;
	struct guarded *const notes = read_notes(o, &count, &slots);

	v->guarded_slots = count;
	for (size_t i = 0; i < count; i++) {
		v->guarded_live += notes[i].state == GUARDED_LIVE;
		v->guarded_freed += notes[i].state == GUARDED_FREED;
		v->guarded_bytes += notes[i].state == GUARDED_LIVE ? notes[i].n : 0;
	}
	free(notes);
}

/* ---- a core ---------------------------------------------------------------------------------- */

static const char *bytes(uint64_t n)
{
	return n == 1 ? "byte" : "bytes";
}

/* As base/where.h writes it: inside the call that returns there. */
static void put_place(FILE *out, const struct memory *m, uint64_t return_address)
{
	const uint64_t call = return_address - 1;
	const struct memory_mapping *const at = memory_mapping(m, call);
	uint64_t base = UINT64_MAX;

	if (at == NULL || at->path[0] != '/') {
		fprintf(out, "    0x%llx\n", (unsigned long long)call);
		return;
	}
	for (size_t i = 0; i < m->map_count; i++) /* where the file's first bytes lie */
		if (strcmp(m->maps[i].path, at->path) == 0 &&
		    m->maps[i].start - m->maps[i].offset < base)
			base = m->maps[i].start - m->maps[i].offset;
	fprintf(out, "    %s+0x%llx\n", plain(at->path), (unsigned long long)(call - base));
}

static void put_stack(FILE *out, const struct memory *m, const char *what,
    const struct guarded_stack *s)
{
	fprintf(out, "  %s in thread %u:\n", what, s->thread);
	for (uint32_t i = 0; i < s->count && i < GUARDED_FRAMES; i++)
		put_place(out, m, (uintptr_t)s->at[i]);
}

static void put_fault(FILE *out, const struct memory *m, const struct guarded *s)
{
	const uint64_t start = (uintptr_t)s->p, end = start + s->n, gap = guarded_gap(s, m->fault);
	const char *const what = s->state == GUARDED_FREED ? "after free" :
	    m->fault < start ? "before the start" : "past the end";

	fprintf(out, "ended by an access %s: 0x%llx (%u bytes)\n  at 0x%llx, ", what,
	    (unsigned long long)start, s->n, (unsigned long long)m->fault);
	if (gap == 0)
		fprintf(out, "byte %llu of it\n", (unsigned long long)(m->fault - start));
	else
		fprintf(out, "%llu %s %s\n", (unsigned long long)gap, bytes(gap),
		    m->fault < end ? "before the start" : "past the end");
	put_stack(out, m, "allocated", &s->allocated);
	if (s->state == GUARDED_FREED)
		put_stack(out, m, "freed", &s->freed);
}

bool outside_tell_guarded(FILE *out, struct outside *o)
{
	size_t count = 0;
	uint64_t slots = 0;

	if (o->memory.fault == 0)
		return false;
	struct guarded *const notes = read_notes(o, &count, &slots);
	const struct guarded *const s = guarded_nearest(notes, count, slots, o->memory.fault);
	const bool told =
	    s != NULL && (s->state != GUARDED_LIVE || guarded_gap(s, o->memory.fault) != 0);
	if (told)
		put_fault(out, &o->memory, s);
	free(notes);
	return told;
}
