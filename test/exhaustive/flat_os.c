/* flat_os.c - a break and a page bitmap over one buffer. */
#include "flat_os.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"

static char *page_at(const struct flat_os *f, unsigned page)
{
	return f->base + FLAT_HEAP + (size_t)page * FLAT_PAGE;
}

static void *flat_brk_get(void *ctx)
{
	const struct flat_os *f = ctx;
	return f->base + f->now.brk;
}

static int flat_brk_set(void *ctx, void *to)
{
	struct flat_os *f = ctx;
	const size_t brk = ptr_diff(to, f->base);

	if ((char *)to < f->base || brk > f->heap_len)
		return -ENOMEM;
	f->now.owned += brk - f->now.brk;
	if (brk < f->now.brk) /* as if the pages had been given back */
		memset(f->base + brk, 0, f->now.brk - brk);
	f->now.brk = brk;
	return 0;
}

static uint32_t pages_mask(unsigned first, size_t len)
{
	return (uint32_t)((((uint64_t)1 << len / FLAT_PAGE) - 1) << first);
}

static void *flat_map(void *ctx, size_t len, size_t align)
{
	struct flat_os *f = ctx;

	for (unsigned page = 0; len <= FLAT_PAGES * FLAT_PAGE &&
	    page + len / FLAT_PAGE <= FLAT_PAGES; page++) {
		const uint32_t mask = pages_mask(page, len);
		if ((f->now.mapped & mask) != 0 || !is_aligned(page_at(f, page), align))
			continue;
		f->now.mapped |= mask;
		f->now.owned += len;
		memset(page_at(f, page), 0, len);
		return page_at(f, page);
	}
	return NULL;
}

static int flat_unmap(void *ctx, void *p, size_t len)
{
	struct flat_os *f = ctx;
	f->now.mapped &= ~pages_mask((unsigned)(ptr_diff(p, page_at(f, 0)) / FLAT_PAGE), len);
	f->now.owned -= len;
	return 0;
}

static void *flat_remap(void *ctx, void *p, size_t old_len, size_t len)
{
	if (len <= old_len) {
		if (len < old_len)
			flat_unmap(ctx, (char *)p + len, old_len - len);
		return p;
	}
	void *const q = flat_map(ctx, len, FLAT_PAGE);
	if (q == NULL)
		return NULL;
	memcpy(q, p, old_len);
	flat_unmap(ctx, p, old_len);
	return q;
}

static int flat_protect(void *ctx, void *p, size_t len, enum dmm_protect how)
{
	(void)ctx, (void)p, (void)len, (void)how;
	return 0;
}

static int flat_purge(void *ctx, void *p, size_t len)
{
	(void)ctx;
	memset(p, 0, len);
	return 0;
}

static int flat_advise(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	(void)ctx, (void)p, (void)len, (void)what;
	return 0;
}

static uint64_t flat_now_ns(void *ctx)
{
	(void)ctx;
	return 0;
}

void flat_open(struct flat_os *f, char *base, size_t heap_len)
{
	*f = (struct flat_os){.os = {.name = "flat", .ctx = f, .page = FLAT_PAGE,
	    .brk_get = flat_brk_get, .brk_set = flat_brk_set, .map = flat_map, .reserve = flat_map,
	    .unmap = flat_unmap, .remap = flat_remap, .protect = flat_protect, .purge = flat_purge,
	    .advise = flat_advise, .now_ns = flat_now_ns},
	    .heap_len = heap_len, .base = base};
	memset(base, 0, FLAT_HEAP);
}

void flat_save(const struct flat_os *f, struct flat_saved *s)
{
	char *to = s->bytes + f->now.brk;

	s->then = f->now;
	memcpy(s->bytes, f->base, f->now.brk);
	for (uint32_t left = f->now.mapped; left != 0; left &= left - 1, to += FLAT_PAGE)
		memcpy(to, page_at(f, (unsigned)__builtin_ctz(left)), FLAT_PAGE);
}

void flat_restore(struct flat_os *f, const struct flat_saved *s)
{
	const char *from = s->bytes + s->then.brk;

	f->now = s->then;
	memcpy(f->base, s->bytes, s->then.brk);
	for (uint32_t left = s->then.mapped; left != 0; left &= left - 1, from += FLAT_PAGE)
		memcpy(page_at(f, (unsigned)__builtin_ctz(left)), from, FLAT_PAGE);
}
