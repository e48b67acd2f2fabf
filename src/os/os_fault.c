/* os_fault.c - an operating system that refuses on purpose, and counts.
 *
 * The idea is SQLite's: run the same work with the n-th call failing for n = 1, 2, ... until it
 * completes without a refusal.  unmap and purge may be refused too: the kernel does so when a
 * mapping would have to be split past vm.max_map_count.
 */
#include "os/os.h"

#include <errno.h>

#include "base/bits.h"

/* One refusable call that would own `more` bytes: may it go through? */
static bool granted(struct os_fault *f, size_t more)
{
	f->calls++;
	const bool numbered =
	    f->calls == f->fail_at || (f->fail_from != 0 && f->calls >= f->fail_from);
	const bool dear = more != 0 && f->budget_bytes != 0 &&
	    (f->owned_bytes > f->budget_bytes || more > f->budget_bytes - f->owned_bytes);
	if (numbered || dear)
		f->refused++;
	return !numbered && !dear;
}

static void own(struct os_fault *f, size_t more)
{
	f->owned_bytes += more;
	f->peak_bytes = max_size(f->peak_bytes, f->owned_bytes);
}

static void disown(struct os_fault *f, size_t less)
{
	f->owned_bytes -= min_size(f->owned_bytes, less);
}

static void *fault_brk_get(void *ctx)
{
	const struct os_fault *f = ctx;
	return f->below->brk_get(f->below->ctx);
}

static int fault_brk_set(void *ctx, void *to)
{
	struct os_fault *f = ctx;
	char *const now = fault_brk_get(f);
	const size_t more = (char *)to > now ? ptr_diff(to, now) : 0;

	if (!granted(f, more))
		return -ENOMEM;
	const int r = f->below->brk_set(f->below->ctx, to);
	if (r == 0 && more != 0)
		own(f, more);
	else if (r == 0)
		disown(f, ptr_diff(now, to));
	return r;
}

static void *fault_map(void *ctx, size_t len, size_t align)
{
	struct os_fault *f = ctx;
	void *const p = granted(f, len) ? f->below->map(f->below->ctx, len, align) : NULL;
	if (p != NULL)
		own(f, len);
	return p;
}

static void *fault_reserve(void *ctx, size_t len, size_t align)
{
	struct os_fault *f = ctx;
	void *const p = granted(f, 0) ? f->below->reserve(f->below->ctx, len, align) : NULL;
	if (p != NULL) {
		f->reserved_bytes += len;
		f->reserved[f->reserved_next++ % OS_FAULT_RESERVED] = (struct os_range){p, len};
	}
	return p;
}

/* Mapped bytes are owned whatever their protection. */
static bool is_reserved(const struct os_fault *f, const void *p)
{
	for (size_t i = 0; i < OS_FAULT_RESERVED; i++)
		if ((uintptr_t)p - (uintptr_t)f->reserved[i].p < f->reserved[i].len)
			return true;
	return false;
}

static int fault_unmap(void *ctx, void *p, size_t len)
{
	struct os_fault *f = ctx;
	if (!granted(f, 0))
		return -ENOMEM;
	const int r = f->below->unmap(f->below->ctx, p, len);
	if (r == 0)
		disown(f, len);
	return r;
}

static void *fault_remap(void *ctx, void *p, size_t old_len, size_t len)
{
	struct os_fault *f = ctx;
	const size_t more = len > old_len ? len - old_len : 0;
	void *const q = granted(f, more) ? f->below->remap(f->below->ctx, p, old_len, len) : NULL;
	if (q == NULL)
		return NULL;
	disown(f, old_len);
	own(f, len);
	return q;
}

static int fault_protect(void *ctx, void *p, size_t len, enum dmm_protect how)
{
	struct os_fault *f = ctx;
	const bool counts = is_reserved(f, p);
	const size_t more = how == DMM_PROTECT_RW && counts ? len : 0;

	if (!granted(f, more))
		return -ENOMEM;
	const int r = f->below->protect(f->below->ctx, p, len, how);
	if (r == 0)
		own(f, more);
	if (r == 0 && how == DMM_PROTECT_NONE && counts)
		disown(f, len);
	return r;
}

static int fault_purge(void *ctx, void *p, size_t len)
{
	struct os_fault *f = ctx;
	return granted(f, 0) ? f->below->purge(f->below->ctx, p, len) : -EAGAIN;
}

static int fault_advise(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	struct os_fault *f = ctx;
	const bool may = granted(f, 0) && (f->lacks >> what & 1) == 0;
	return may ? f->below->advise(f->below->ctx, p, len, what) : -EINVAL;
}

static uint64_t fault_now_ns(void *ctx)
{
	const struct os_fault *f = ctx;
	return f->below->now_ns(f->below->ctx);
}

static int fault_move(void *ctx, void *from, void *to, size_t len)
{
	struct os_fault *f = ctx;
	return granted(f, 0) ? f->below->move(f->below->ctx, from, to, len) : -ENOMEM;
}

static enum dmm_touched fault_touched(void *ctx, const void *p)
{
	const struct os_fault *f = ctx;
	return f->below->touched(f->below->ctx, p);
}

static void *fault_window(void *ctx, size_t len, size_t align)
{
	struct os_fault *f = ctx;
	return granted(f, 0) && !f->no_window ? f->below->window(f->below->ctx, len, align) : NULL;
}

static int fault_map_at(void *ctx, void *p, size_t len)
{
	struct os_fault *f = ctx;
	const bool may = granted(f, len);

	if (f->taken_at != 0 && f->calls >= f->taken_at && f->calls < f->taken_at + f->taken_count)
		return -EEXIST;
	const int r = may ? f->below->map_at(f->below->ctx, p, len) : -ENOMEM;
	if (r >= 0)
		own(f, len);
	return r;
}

static uint64_t fault_random(void *ctx)
{
	const struct os_fault *f = ctx;
	return f->below->random(f->below->ctx);
}

void os_fault_open(struct os_fault *f, const struct dmm_os *below)
{
	*f = (struct os_fault){
	    .os = {.name = "fault", .ctx = f, .page = below->page, .brk_get = fault_brk_get,
	        .brk_set = fault_brk_set, .map = fault_map, .reserve = fault_reserve,
	        .unmap = fault_unmap, .remap = fault_remap, .protect = fault_protect,
	        .purge = fault_purge, .advise = fault_advise, .now_ns = fault_now_ns,
	        .move = below->move != NULL ? fault_move : NULL,
	        .touched = below->touched != NULL ? fault_touched : NULL,
	        .window = below->window != NULL ? fault_window : NULL,
	        .map_at = below->map_at != NULL ? fault_map_at : NULL,
	        .random = below->random != NULL ? fault_random : NULL},
	    .below = below};
}
