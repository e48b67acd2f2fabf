/* region.c - growth of a section from below and of mappings from above, within one range. */
#include "heaps/region.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "os/os.h"

static size_t page_of(const struct region *r, const void *p)
{
	return ptr_diff(p, r->base) / REGION_PAGE;
}

static bool is_used(const struct region *r, size_t page)
{
	return r->used[page / 64] >> page % 64 & 1;
}

static void mark(struct region *r, const void *p, size_t len, bool used)
{
	for (size_t i = page_of(r, p), end = i + len / REGION_PAGE; i < end; i++)
		if (used)
			r->used[i / 64] |= (uint64_t)1 << i % 64;
		else
			r->used[i / 64] &= ~((uint64_t)1 << i % 64);
}

/* ---- pages ----------------------------------------------------------------------------------- */

size_t region_map_bytes(size_t len)
{
	return round_up(len / REGION_PAGE + 1, 64) / 8;
}

void *region_reserve(size_t len)
{
	const int saved = errno;
	void *const p =
	    mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	errno = saved;
	return p == MAP_FAILED ? NULL : p;
}

bool region_commit(void *p, size_t len)
{
	const int saved = errno;
	const bool done = mprotect(p, len, PROT_READ | PROT_WRITE) == 0;
	errno = saved;
	return done;
}

/* Zeroed pages, if the limit and the kernel permit. */
static bool take(struct region *r, void *p, size_t len)
{
	if (len > r->limit - r->owned || (!r->fixed && !region_commit(p, len)))
		return false;
	if (r->fixed)
		memset(p, 0, len);
	r->owned += len;
	r->peak = max_size(r->peak, r->owned);
	return true;
}

/* A new mapping in their place also gives back what was committed; where the kernel has no room for
 * one more, the memory alone goes back. */
static void give(struct region *r, void *p, size_t len)
{
	const int saved = errno;

	r->owned -= len;
	if (!r->fixed &&
	    mmap(p, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
	        0) == MAP_FAILED)
		madvise(p, len, MADV_DONTNEED);
	errno = saved;
}

static void *refuse(struct region *r)
{
	r->refused++;
	return NULL;
}

/* ---- the heap section ------------------------------------------------------------------------ */

static void *region_brk_get(void *ctx)
{
	return ((struct region *)ctx)->brk;
}

static int region_brk_set(void *ctx, void *to)
{
	struct region *const r = ctx;
	char *const have = (char *)round_up((uintptr_t)r->brk, REGION_PAGE);
	char *const want = (char *)round_up((uintptr_t)to, REGION_PAGE);

	if ((char *)to < r->base || want > r->top ||
	    (want > have && !take(r, have, ptr_diff(want, have)))) {
		refuse(r);
		return -ENOMEM;
	}
	if (want < have)
		give(r, want, ptr_diff(have, want));
	r->brk = to;
	return 0;
}

/* ---- mappings -------------------------------------------------------------------------------- */

/* Pages of [top, end) that no mapping has: the highest that fit; NULL: none. */
static char *find_hole(const struct region *r, size_t len, size_t align)
{
	const size_t wanted = len / REGION_PAGE, least = page_of(r, r->top);
	size_t run = 0;

	if (ptr_diff(r->end, r->top) +
	        ptr_diff((char *)round_up((uintptr_t)r->brk, REGION_PAGE), r->base) ==
	    r->owned)
		return NULL; /* there is no hole */
	for (size_t i = page_of(r, r->end); i-- > least;) {
		run = is_used(r, i) ? 0 : run + 1;
		if (run >= wanted && is_aligned(r->base + i * REGION_PAGE, align))
			return r->base + i * REGION_PAGE;
	}
	return NULL;
}

static char *find_below(const struct region *r, size_t len, size_t align)
{
	char *const bottom = (char *)round_up((uintptr_t)r->brk, REGION_PAGE);

	if (ptr_diff(r->top, bottom) < len)
		return NULL;
	char *const p = (char *)((uintptr_t)(r->top - len) & ~(align - 1));
	return p >= bottom ? p : NULL;
}

static void *region_map(void *ctx, size_t len, size_t align)
{
	struct region *const r = ctx;
	char *p = find_hole(r, len, align);

	if (p == NULL)
		p = find_below(r, len, align);
	if (p == NULL || !take(r, p, len))
		return refuse(r);
	mark(r, p, len, true);
	if (p < r->top)
		r->top = p;
	return p;
}

static int region_unmap(void *ctx, void *p, size_t len)
{
	struct region *const r = ctx;

	give(r, p, len);
	mark(r, p, len, false);
	while (r->top < r->end && !is_used(r, page_of(r, r->top)))
		r->top += REGION_PAGE;
	return 0;
}

/* In place only: the caller copies otherwise. */
static void *region_remap(void *ctx, void *p, size_t old_len, size_t len)
{
	struct region *const r = ctx;
	char *const tail = (char *)p + old_len;

	if (len <= old_len) {
		if (len < old_len)
			region_unmap(r, (char *)p + len, old_len - len);
		return p;
	}
	if (ptr_diff(r->end, p) < len)
		return refuse(r);
	for (size_t i = page_of(r, tail), end = page_of(r, (char *)p + len); i < end; i++)
		if (is_used(r, i))
			return NULL;
	if (!take(r, tail, len - old_len))
		return refuse(r);
	mark(r, tail, len - old_len, true);
	return p;
}

static int region_purge(void *ctx, void *p, size_t len)
{
	const struct region *const r = ctx;
	const int saved = errno;

	if (r->fixed)
		memset(p, 0, len);
	else
		madvise(p, len, MADV_DONTNEED);
	errno = saved;
	return 0;
}

/* ---- what designs do without ----------------------------------------------------------------- */

static void *no_reserve(void *ctx, size_t len, size_t align)
{
	(void)ctx, (void)len, (void)align;
	return NULL;
}

static int no_protect(void *ctx, void *p, size_t len, enum dmm_protect how)
{
	(void)ctx, (void)p, (void)len, (void)how;
	return -ENOTSUP;
}

static int no_advice(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	(void)ctx, (void)p, (void)len, (void)what;
	return -ENOTSUP;
}

static uint64_t region_now_ns(void *ctx)
{
	(void)ctx;
	return os_linux.now_ns(os_linux.ctx);
}

void region_open(struct region *r, char *base, char *end, uint64_t *used, bool fixed, size_t limit)
{
	*r = (struct region){.base = base,
	    .brk = base,
	    .top = end,
	    .end = end,
	    .used = used,
	    .fixed = fixed,
	    .limit = limit,
	    .os = {.name = "region",
	        .ctx = r,
	        .page = REGION_PAGE,
	        .brk_get = region_brk_get,
	        .brk_set = region_brk_set,
	        .map = region_map,
	        .reserve = no_reserve,
	        .unmap = region_unmap,
	        .remap = region_remap,
	        .protect = no_protect,
	        .purge = region_purge,
	        .advise = no_advice,
	        .now_ns = region_now_ns}};
}
