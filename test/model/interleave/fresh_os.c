/* fresh_os.c - what slab stands on here: see fresh_os.h. */
#include "fresh_os.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "slab/root.h"

enum { RANGES = 64 };
static const size_t SPACE = (size_t)2 << 30;
static struct {
	struct dmm_os os;
	char *base;
	struct {
		char *p;
		size_t len;
	} dirty[RANGES];
	size_t count;
} ground;

static void *ground_reserve(void *ctx, size_t len, size_t align)
{
	(void)ctx, (void)align;
	return len <= SPACE ? ground.base : NULL;
}

static int ground_unmap(void *ctx, void *p, size_t len)
{
	(void)ctx, (void)p, (void)len;
	for (size_t i = 0; i < ground.count; i++)
		memset(ground.dirty[i].p, 0, ground.dirty[i].len);
	ground.count = 0;
	return 0;
}

/* Metadata that may be written to from now on; payload stays untouched here. */
static int ground_protect(void *ctx, void *p, size_t len, enum dmm_protect how)
{
	(void)ctx;
	if (how != DMM_PROTECT_RW || (root.base != 0 && (uintptr_t)p >= root.base))
		return 0;
	if (ground.count == RANGES)
		abort();
	ground.dirty[ground.count].p = p;
	ground.dirty[ground.count++].len = len;
	return 0;
}

static int ground_purge(void *ctx, void *p, size_t len)
{
	(void)ctx;
	if ((uintptr_t)p < root.base)
		memset(p, 0, len);
	return 0;
}

static int ground_advise(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	(void)ctx, (void)p, (void)len, (void)what;
	return 0;
}

static uint64_t ground_now_ns(void *ctx)
{
	(void)ctx;
	return 0;
}

void ground_open(void)
{
	char *const p = mmap(NULL, 2 * SPACE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		abort();
	ground.base = (char *)round_up((uintptr_t)p, HUGE_PAGE_SIZE);
	ground.os = (struct dmm_os){.name = "ground", .page = 4096, .reserve = ground_reserve,
	    .unmap = ground_unmap, .protect = ground_protect, .purge = ground_purge,
	    .advise = ground_advise, .now_ns = ground_now_ns};
}

const struct dmm_os *ground_os(void)
{
	return &ground.os;
}
