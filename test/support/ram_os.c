/* ram_os.c - a break and mappings over one region of address space. */
#include "ram_os.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

enum { PAGE = 4096, BY_HAND = 16 << 20 }; /* bytes up to which zeros are written, not asked for */
static const size_t HEAP_LEN = (size_t)2 << 30, MAP_LEN = (size_t)128 << 30;

static void zero(char *p, size_t len)
{
	if (len > BY_HAND)
		madvise(p, len, MADV_DONTNEED);
	else
		memset(p, 0, len);
}

static void *ram_brk_get(void *ctx)
{
	const struct ram_os *r = ctx;
	return r->brk;
}

static int ram_brk_set(void *ctx, void *to)
{
	struct ram_os *r = ctx;
	char *const want = to;

	if (want < r->base || want > r->heap_end)
		return -ENOMEM;
	if (want < r->brk) { /* the kernel keeps the rest of the last page as it is: be worse */
		memset(want, 0xdb, round_up((uintptr_t)want, PAGE) - (uintptr_t)want);
		char *const page = (char *)round_up((uintptr_t)want, PAGE);
		if (page < r->brk)
			zero(page, round_up(ptr_diff(r->brk, page), PAGE));
	}
	r->owned += ptr_diff(want, r->brk);
	r->brk = want;
	return 0;
}

static void *ram_map(void *ctx, size_t len, size_t align)
{
	struct ram_os *r = ctx;
	const size_t pages = len / PAGE;
	char *p = pages < RAM_LENGTHS ? r->gone[pages] : NULL;

	if (p != NULL && is_aligned(p, align)) {
		r->gone[pages] = *(void **)p;
		*(void **)p = NULL;
	} else {
		p = (char *)round_up((uintptr_t)r->top, align);
		char *const end = r->window != NULL ? r->window : r->end;
		if (p > end || ptr_diff(end, p) < len)
			return NULL;
		r->top = p + len;
	}
	r->owned += len;
	return p;
}

/* The upper end of the region: one window at a time, all of it readable from the start. */
static void *ram_window(void *ctx, size_t len, size_t align)
{
	struct ram_os *r = ctx;

	if (len > ptr_diff(r->end, r->top))
		return NULL;
	char *const p = (char *)round_down((uintptr_t)(r->end - len), align);
	if (p < r->top)
		return NULL;
	r->window = r->window_top = p;
	r->window_end = p + len;
	return p;
}

static int ram_map_at(void *ctx, void *at, size_t len)
{
	struct ram_os *r = ctx;
	char *const p = at;

	if (r->window == NULL || p < r->window || p > r->window_end ||
	    ptr_diff(r->window_end, p) < len)
		return -EEXIST;
	if (p + len > r->window_top)
		r->window_top = p + len;
	r->owned += len;
	return 0;
}

static int ram_unmap(void *ctx, void *p, size_t len)
{
	struct ram_os *r = ctx;
	const size_t pages = len / PAGE;

	zero(p, len);
	r->owned -= len;
	if (r->window != NULL && (char *)p >= r->window)
		return 0;
	if (pages < RAM_LENGTHS) {
		*(void **)p = r->gone[pages];
		r->gone[pages] = p;
	}
	return 0;
}

static void *ram_remap(void *ctx, void *p, size_t old_len, size_t len)
{
	if (len == old_len)
		return p;
	if (len < old_len) {
		ram_unmap(ctx, (char *)p + len, old_len - len);
		return p;
	}
	void *const q = ram_map(ctx, len, PAGE);
	if (q == NULL)
		return NULL;
	memcpy(q, p, old_len);
	ram_unmap(ctx, p, old_len);
	return q;
}

static int ram_protect(void *ctx, void *p, size_t len, enum dmm_protect how)
{
	(void)ctx, (void)p, (void)len, (void)how;
	return 0;
}

static int ram_purge(void *ctx, void *p, size_t len)
{
	(void)ctx;
	zero(p, len);
	return 0;
}

static int ram_advise(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	(void)ctx, (void)p, (void)len, (void)what;
	return 0;
}

static uint64_t ram_now_ns(void *ctx)
{
	(void)ctx;
	return 0;
}

int ram_os_open(struct ram_os *r)
{
	char *const base = mmap(NULL, HEAP_LEN + MAP_LEN, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return -errno;
	*r = (struct ram_os){.os = {.name = "ram", .ctx = r, .page = PAGE, .brk_get = ram_brk_get,
	    .brk_set = ram_brk_set, .map = ram_map, .reserve = ram_map, .unmap = ram_unmap,
	    .remap = ram_remap, .protect = ram_protect, .purge = ram_purge, .advise = ram_advise,
	    .now_ns = ram_now_ns, .window = ram_window, .map_at = ram_map_at},
	    .base = base, .brk = base, .heap_end = base + HEAP_LEN, .top = base + HEAP_LEN,
	    .end = base + HEAP_LEN + MAP_LEN};
	return 0;
}

void ram_os_reset(struct ram_os *r)
{
	zero(r->base, round_up(ptr_diff(r->brk, r->base), PAGE));
	zero(r->heap_end, ptr_diff(r->top, r->heap_end));
	if (r->window != NULL)
		zero(r->window, ptr_diff(r->window_top, r->window));
	r->window = NULL;
	memset(r->gone, 0, sizeof r->gone);
	r->brk = r->base;
	r->top = r->heap_end;
	r->owned = 0;
}
