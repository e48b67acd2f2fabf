/* faulty_system.c - what a student may hand in: a heap that only grows, and one fault, chosen by
 * -DFAULT=N. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dmm_system.h"

enum { FINE, CRASHES, HANGS, OVERLAPS, MISALIGNED, OUTSIDE, WRITES_OUTSIDE, LOSES, GIVES_NULL,
    EXITS, CHATTERS };

struct heap {
	const struct dmm_os *os;
	char *end;
	size_t calls;
};

static int open_heap(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	(void)params;
	*(struct heap *)st = (struct heap){.os = os, .end = os->brk_get(os->ctx)};
	return 0;
}

static void close_heap(void *st)
{
	(void)st;
}

static void *alloc(void *st, size_t n, size_t align)
{
	struct heap *const h = st;
	const size_t size = (n + 31) / 16 * 16;
	char *const p = h->end + 16;
	(void)align;

	h->calls++;
	if (FAULT == CRASHES && h->calls == 3)
		*(volatile char *)NULL = 1;
	for (volatile int x = FAULT == HANGS && h->calls == 3; x;)
		;
	if (FAULT == GIVES_NULL && h->calls == 3)
		return NULL;
	if (FAULT == EXITS && h->calls == 3)
		exit(0);
	while (FAULT == CHATTERS && h->calls == 3 && write(STDERR_FILENO, "chatter\n", 8) > 0)
		;
	if (h->os->brk_set(h->os->ctx, p + size) != 0)
		return NULL;
	*(size_t *)(p - 16) = n;
	h->end = p + size - (FAULT == OVERLAPS && h->calls == 3 && size > 96 ? 96 : 0);
	if (FAULT == WRITES_OUTSIDE && h->calls > 3)
		memset(p - 40, 0, 16);
	if (FAULT == OUTSIDE && h->calls == 3)
		return p + ((size_t)1 << 20);
	return FAULT == MISALIGNED && h->calls == 3 ? p + 8 : p;
}

static void free_it(void *st, void *p)
{
	(void)st, (void)p;
}

static void *resize(void *st, void *p, size_t n)
{
	void *const q = alloc(st, n, 16);

	if (q != NULL && FAULT != LOSES)
		memcpy(q, p, ((size_t *)p)[-2] < n ? ((size_t *)p)[-2] : n);
	return q;
}

static size_t usable(void *st, const void *p)
{
	(void)st;
	return ((const size_t *)p)[-2];
}

static int walk(void *st, dmm_visit *visit, void *arg)
{
	(void)st, (void)visit, (void)arg;
	return 0;
}

static bool check(void *st, struct dmm_fault *why)
{
	(void)st, (void)why;
	return true;
}

const struct dmm_system *dmm_system_entry(void)
{
	static const struct dmm_system system = {.abi = DMM_SYSTEM_ABI, .name = "faulty",
	    .doc = "one fault",
	    .align = DMM_ALIGN_MIN, .state_size = sizeof(struct heap), .open = open_heap,
	    .close = close_heap,
	    .alloc = alloc, .free = free_it, .resize = resize, .usable = usable, .walk = walk,
	    .check = check};
	return &system;
}
