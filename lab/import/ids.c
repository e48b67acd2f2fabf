/* ids.c - events of objects that are named by numbers. */
#include "import/ids.h"

#include <inttypes.h>

bool ids_open(struct ids *ids, struct import *im)
{
	*ids = (struct ids){.im = im};
	return live_open(&ids->objects);
}

void ids_close(struct ids *ids)
{
	live_close(&ids->objects);
}

/* Entries of a struct live are 16 apart for its hash, and 0 is none. */
static uint64_t key_of(uint64_t id)
{
	return (id + 1) << 4;
}

static bool allocate(struct ids *ids, enum trace_op op, uint64_t id, uint64_t size,
    unsigned align_log2)
{
	const size_t before = ids->objects.count;
	struct live_object *const o = live_add(&ids->objects, key_of(id));
	struct trace_event ev = {.op = (uint8_t)op, .thread = 1, .size = size,
	    .align_log2 = (uint8_t)align_log2, .addr = import_place(ids->im, size),
	    .tick = import_tick(ids->im, 0)};

	if (o == NULL)
		return import_fail(ids->im, "no memory for %zu live objects", ids->objects.count);
	if (ids->objects.count == before)
		return import_fail(ids->im, "id %" PRIu64 " is given out while it is live", id);
	o->user = ev.addr;
	o->size = size;
	if (ev.addr != 0)
		import_event(ids->im, &ev, NULL, 0);
	return ev.addr != 0;
}

bool ids_allocate(struct ids *ids, enum trace_op op, uint64_t id, uint64_t size)
{
	return allocate(ids, op, id, size, 0);
}

bool ids_allocate_aligned(struct ids *ids, uint64_t id, uint64_t size, unsigned align_log2)
{
	return allocate(ids, TRACE_OP_MEMALIGN, id, size, align_log2);
}

bool ids_refuse(struct ids *ids, enum trace_op op, uint64_t size)
{
	struct trace_event ev = {.op = (uint8_t)op, .thread = 1, .size = size,
	    .tick = import_tick(ids->im, 0)};
	import_event(ids->im, &ev, NULL, 0);
	return true;
}

/* The object o, known as `from`, is known as `to` from now on. */
static struct live_object *rename_object(struct ids *ids, struct live_object *o, uint64_t from,
    uint64_t to)
{
	if (from == to)
		return o;
	live_remove(&ids->objects, o);
	const size_t before = ids->objects.count;
	struct live_object *const renamed = live_add(&ids->objects, key_of(to));
	if (renamed == NULL)
		import_fail(ids->im, "no memory for %zu live objects", before);
	else if (ids->objects.count == before)
		import_fail(ids->im, "id %" PRIu64 " is given out while it is live", to);
	return ids->im->error[0] == '\0' ? renamed : NULL;
}

bool ids_resize(struct ids *ids, uint64_t from, uint64_t to, uint64_t size)
{
	struct live_object *o = live_slot(&ids->objects, key_of(from));
	struct trace_event ev = {.op = TRACE_OP_REALLOC, .thread = 1, .size = size, .old = o->user};

	if (o->addr == 0)
		return ids_allocate(ids, TRACE_OP_REALLOC, to, size); /* realloc(NULL, size) */
	if (size != 0 || ev.old == 0) {
		ev.addr = ev.old != 0 && size <= o->size ? ev.old : import_place(ids->im, size);
		if (ev.addr == 0)
			return false;
	}
	o = rename_object(ids, o, from, to);
	if (o == NULL)
		return false;
	ev.tick = import_tick(ids->im, 0);
	o->user = ev.addr;
	o->size = size;
	import_event(ids->im, &ev, NULL, 0);
	return true;
}

bool ids_release(struct ids *ids, uint64_t id)
{
	struct live_object *const o = live_slot(&ids->objects, key_of(id));
	struct trace_event ev = {.op = TRACE_OP_FREE, .thread = 1, .addr = o->user,
	    .tick = import_tick(ids->im, 0)};

	if (o->addr == 0)
		return import_fail(ids->im, "id %" PRIu64 " is freed, but not live", id);
	live_remove(&ids->objects, o);
	import_event(ids->im, &ev, NULL, 0);
	return true;
}

bool ids_release_null(struct ids *ids)
{
	struct trace_event ev = {.op = TRACE_OP_FREE, .thread = 1, .tick = import_tick(ids->im, 0)};
	import_event(ids->im, &ev, NULL, 0);
	return true;
}
