/* fresh_os.c - see fresh_os.h. */
#include "fresh_os.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "slab/root.h"

static const size_t SPACE = (size_t)2 << 30, MAPPED = (size_t)16 << 20;
static struct {
	struct dmm_os os;
	char *base;
	size_t mapped; /* bytes behind it */
} ground;

static void *ground_window(void *ctx, size_t len, size_t align)
{
	(void)ctx, (void)align;
	return len <= SPACE ? ground.base : NULL;
}

/* Where the pool continues when it is full: after the window, and given back all at once. */
static void *ground_map(void *ctx, size_t len, size_t align)
{
	(void)ctx, (void)align;
	char *const p = ground.base + SPACE + ground.mapped;
	ground.mapped += len;
	return ground.mapped <= MAPPED ? p : NULL;
}

static int ground_map_at(void *ctx, void *p, size_t len)
{
	(void)ctx, (void)p, (void)len;
	return 0;
}

/* Payload stays untouched here. */
static int ground_unmap(void *ctx, void *p, size_t len)
{
	(void)ctx;
	if ((uintptr_t)p < root.base || (char *)p >= ground.base + SPACE)
		memset(p, 0, len);
	if ((char *)p >= ground.base + SPACE)
		ground.mapped = 0;
	return 0;
}

static int ground_protect(void *ctx, void *p, size_t len, enum dmm_protect how)
{
	(void)ctx, (void)p, (void)len, (void)how;
	return 0;
}

static int ground_purge(void *ctx, void *p, size_t len)
{
	(void)ctx;
	if ((uintptr_t)p < root.base || (char *)p >= ground.base + SPACE)
		memset(p, 0, len);
	else
		ground_gives_back(p, len);
	if ((char *)p >= ground.base + SPACE)
		ground.mapped = 0;
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
	char *const p = mmap(NULL, 2 * SPACE + MAPPED, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		abort();
	ground.base = (char *)round_up((uintptr_t)p, HUGE_PAGE_SIZE);
	ground.os = (struct dmm_os){.name = "ground",
	    .page = 4096,
	    .map = ground_map,
	    .window = ground_window,
	    .map_at = ground_map_at,
	    .unmap = ground_unmap,
	    .protect = ground_protect,
	    .purge = ground_purge,
	    .advise = ground_advise,
	    .now_ns = ground_now_ns};
}

const struct dmm_os *ground_os(void)
{
	return &ground.os;
}
