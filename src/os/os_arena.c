/* os_arena.c - a simulated heap section and mapping area at a fixed address.
 *
 * Invariants:
 *   A1 accessible   exactly the pages below brk, and those mapped, may be touched
 *   A2 zeroed       what is handed out again reads as zero
 *   A3 accounted    heap_bytes == brk - base; map_bytes is the sum of what is mapped
 *   A4, A5          arena_pages.h
 */
#include "os/os.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "os/arena_pages.h"

enum { PAGE = 4096 };
/* Far from where the kernel puts programs (above 0x55 << 40) and from AddressSanitizer's shadow
 * (which ends just above 0x10 << 40). */
static const uintptr_t FIRST_SLOT = (uintptr_t)0x11 << 40;
static const size_t SLOT_LEN = (size_t)1 << 40;

static void own(struct os_arena *a)
{
	a->peak_bytes = max_size(a->peak_bytes, a->heap_bytes + a->map_bytes);
}

static void *arena_brk_get(void *ctx)
{
	const struct os_arena *a = ctx;
	return a->brk;
}

/* Asks the kernel for access to pages of the arena.  False: it has no memory for them. */
static bool open_pages(struct os_arena *a, void *p, size_t len, int prot)
{
	const bool done = mprotect(p, len, prot) == 0;

	a->refused += !done;
	return done;
}

static int arena_brk_set(void *ctx, void *to)
{
	struct os_arena *a = ctx;
	char *const want = to;
	char *const have_end = (char *)round_up((uintptr_t)a->brk, PAGE);
	char *const want_end = (char *)round_up((uintptr_t)want, PAGE);

	a->calls++;
	if (want < a->base || want > a->heap_end)
		return -ENOMEM;
	if (want_end > have_end &&
	    !open_pages(a, have_end, ptr_diff(want_end, have_end), PROT_READ | PROT_WRITE))
		return -ENOMEM;
	if (want_end < have_end) {
		madvise(want_end, ptr_diff(have_end, want_end), MADV_DONTNEED);
		mprotect(want_end, ptr_diff(have_end, want_end), PROT_NONE);
	} else {
		a->faults += ptr_diff(want_end, have_end) / PAGE;
	}
	a->brk = want;
	a->heap_bytes = ptr_diff(a->brk, a->base);
	own(a);
	return 0;
}

static uint32_t page_index(const struct os_arena *a, const void *p)
{
	return (uint32_t)(ptr_diff(p, a->heap_end) / PAGE) + 1; /* 0 means none */
}

static char *page_address(const struct os_arena *a, uint32_t index)
{
	return a->heap_end + (size_t)(index - 1) * PAGE;
}

static char *take_extent(struct os_arena *a, size_t len, size_t align)
{
	const size_t pages = len / PAGE;
	const uint32_t index = pages < OS_ARENA_LENGTHS ? a->first_free[pages] : 0;
	if (index != 0 && is_aligned(page_address(a, index), align)) {
		a->first_free[pages] = a->next_free[index];
		return page_address(a, index);
	}
	char *const p = (char *)round_up((uintptr_t)a->map_top, align);
	if (p > a->end || ptr_diff(a->end, p) < len)
		return NULL;
	a->map_top = p + len;
	return p;
}

static void *map(struct os_arena *a, size_t len, size_t align, int prot)
{
	a->calls++;
	char *const p = take_extent(a, len, align);
	if (p == NULL || !open_pages(a, p, len, prot))
		return NULL;
	a->faults += prot == PROT_NONE ? 0 : len / PAGE;
	a->map_bytes += len;
	own(a);
	return p;
}

static void *arena_map(void *ctx, size_t len, size_t align)
{
	return map(ctx, len, align, PROT_READ | PROT_WRITE);
}

static void *reserve_at(uintptr_t at, size_t len, int prot)
{
	const int fixed = at != 0 ? MAP_FIXED_NOREPLACE : 0;
	void *p =
	    mmap((void *)at, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (at != 0 && (uintptr_t)p != at) { /* kernels before 4.17 take the flag as a hint */
		munmap(p, len);
		errno = EEXIST;
		return NULL;
	}
	return p;
}

/* ---- what is reserved ------------------------------------------------------------------------ */

static void *arena_reserve(void *ctx, size_t len, size_t align)
{
	struct os_arena *a = ctx;
	size_t i = 0;

	while (i < OS_ARENA_RESERVATIONS && a->reserved[i].from != NULL)
		i++;
	char *const p =
	    i < OS_ARENA_RESERVATIONS && arena_pages_open(a) ? map(a, len, align, PROT_NONE) : NULL;
	if (p == NULL)
		return NULL;
	a->reserved[i].from = p;
	a->reserved[i].to = p + len;
	a->reserved_bytes += len;
	return p;
}

static void *arena_window(void *ctx, size_t len, size_t align)
{
	struct os_arena *a = ctx;
	size_t i = 0;

	/* addresses that were reserved and never used, or are not in use any more */
	for (size_t k = OS_ARENA_RESERVATIONS; k-- > 0;)
		if (a->reserved[k].window && a->reserved[k].mapped == 0) {
			if (a->reserved[k].to == a->map_top)
				a->map_top = a->reserved[k].from;
			a->reserved[k].from = a->reserved[k].to = NULL;
			a->reserved[k].window = false;
		}
	while (i < OS_ARENA_RESERVATIONS && a->reserved[i].from != NULL)
		i++;
	char *const p = (char *)round_up((uintptr_t)a->map_top, align);
	if (i == OS_ARENA_RESERVATIONS || !arena_pages_open(a) || p > a->end ||
	    ptr_diff(a->end, p) < len)
		return NULL;
	a->map_top = p + len;
	a->reserved[i].from = p;
	a->reserved[i].to = p + len;
	a->reserved[i].window = true;
	return p;
}

static struct arena_reserved *window_of(struct os_arena *a, const char *p)
{
	for (size_t i = 0; i < OS_ARENA_RESERVATIONS; i++)
		if (a->reserved[i].window && p >= a->reserved[i].from && p < a->reserved[i].to)
			return &a->reserved[i];
	return NULL;
}

static int arena_map_at(void *ctx, void *p, size_t len)
{
	struct os_arena *a = ctx;
	struct arena_reserved *const w = window_of(a, p);

	a->calls++;
	if (w == NULL || len > ptr_diff(w->to, p))
		return -EEXIST;
	if (!open_pages(a, p, len, PROT_READ | PROT_WRITE))
		return -ENOMEM;
	w->mapped += len;
	a->reserved_bytes += len;
	a->map_bytes += len;
	own(a);
	return 0;
}

/* All of one, or nothing of any. */
static void forget_reserved(struct os_arena *a, const char *p, size_t len)
{
	arena_untouch(a, p, len);
	arena_advise(a, p, len, DMM_ADVICE_NOHUGE);
	for (size_t i = 0; i < OS_ARENA_RESERVATIONS; i++)
		if (a->reserved[i].from == p && p != NULL && !a->reserved[i].window) {
			a->reserved_bytes -= ptr_diff(a->reserved[i].to, p);
			a->reserved[i].from = a->reserved[i].to = NULL;
		}
}

static int arena_unmap(void *ctx, void *p, size_t len)
{
	struct os_arena *a = ctx;
	const size_t pages = len / PAGE;

	struct arena_reserved *const w = window_of(a, p);

	a->calls++;
	forget_reserved(a, p, len);
	madvise(p, len, MADV_DONTNEED);
	mprotect(p, len, PROT_NONE);
	if (w != NULL) {
		w->mapped -= len;
		a->reserved_bytes -= len;
	} else if ((char *)p + len == a->map_top) {
		a->map_top = p;
	} else if (pages < OS_ARENA_LENGTHS) {
		const uint32_t index = page_index(a, p);
		a->next_free[index] = a->first_free[pages];
		a->first_free[pages] = index;
	}
	a->map_bytes -= len;
	return 0;
}

static void *arena_remap(void *ctx, void *p, size_t old_len, size_t len)
{
	struct os_arena *a = ctx;
	if (len <= old_len) {
		if (len < old_len)
			arena_unmap(ctx, (char *)p + len, old_len - len);
		return p;
	}
	void *const q = map(a, len, PAGE, PROT_READ | PROT_WRITE);
	if (q == NULL)
		return NULL;
	memcpy(q, p, old_len);
	arena_unmap(ctx, p, old_len);
	return q;
}

/* Copy the written pages of [from, from + len): most payload of a simulated heap was never written
 * to and needs no copy. */
static void move_contents(char *from, char *to, size_t len)
{
	enum { STEP = 1 << 10 };
	unsigned char there[STEP];

	madvise(to, len, MADV_DONTNEED);
	for (size_t at = 0; at < len; at += (size_t)STEP * PAGE) {
		const size_t n = min_size(len - at, (size_t)STEP * PAGE);
		const bool unknown = mincore(from + at, n, there) != 0;
		for (size_t i = 0; i < n / PAGE; i++)
			if (unknown || (there[i] & 1) != 0)
				memcpy(to + at + i * PAGE, from + at + i * PAGE, PAGE);
	}
	madvise(from, len, MADV_DONTNEED);
}

static int arena_move(void *ctx, void *from, void *to, size_t len)
{
	struct os_arena *a = ctx;

	a->calls++;
	if (!os_arena_is_reserved(a, from))
		return -EINVAL;
	move_contents(from, to, len);
	arena_move_touched(a, from, to, len);
	return 0;
}

static int arena_protect(void *ctx, void *p, size_t len, enum dmm_protect how)
{
	struct os_arena *a = ctx;
	static const int prot[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
	a->calls++;
	return mprotect(p, len, prot[how]) == 0 ? 0 : -ENOMEM;
}

static int arena_purge(void *ctx, void *p, size_t len)
{
	struct os_arena *a = ctx;
	a->calls++;
	arena_untouch(a, p, len);
	return madvise(p, len, MADV_DONTNEED) == 0 ? 0 : -ENOMEM;
}

static int arena_take_advice(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	struct os_arena *a = ctx;

	a->calls++;
	arena_advise(a, p, len, what);
	return 0;
}

static uint64_t arena_now_ns(void *ctx)
{
	const struct os_arena *a = ctx;
	return a->clock_ns;
}

static size_t tables_len(size_t map_len)
{
	return round_up((map_len / PAGE + 1 + OS_ARENA_LENGTHS) * sizeof(uint32_t), PAGE);
}

int os_arena_open(struct os_arena *a, unsigned slot, size_t heap_len, size_t map_len)
{
	if (slot >= OS_ARENA_SLOTS || heap_len > SLOT_LEN || map_len > SLOT_LEN - heap_len)
		return -EINVAL;
	*a = (struct os_arena){.os = {.name = "arena", .ctx = a, .page = PAGE,
	    .brk_get = arena_brk_get, .brk_set = arena_brk_set, .map = arena_map,
	    .reserve = arena_reserve, .unmap = arena_unmap, .remap = arena_remap,
	    .protect = arena_protect, .purge = arena_purge, .advise = arena_take_advice,
	    .now_ns = arena_now_ns, .window = arena_window, .map_at = arena_map_at,
	    .move = arena_move}};

	char *const base = reserve_at(FIRST_SLOT + slot * SLOT_LEN, heap_len + map_len, PROT_NONE);
	if (base == NULL)
		return -errno;
	a->first_free = reserve_at(0, tables_len(map_len), PROT_READ | PROT_WRITE);
	if (a->first_free == NULL) {
		munmap(base, heap_len + map_len);
		return -ENOMEM;
	}
	a->next_free = a->first_free + OS_ARENA_LENGTHS;
	a->base = a->brk = base;
	a->heap_end = a->map_top = a->touched_top = base + heap_len;
	a->end = a->heap_end + map_len;
	return 0;
}

void os_arena_close(struct os_arena *a)
{
	munmap(a->first_free, tables_len(ptr_diff(a->end, a->heap_end)));
	arena_pages_close(a);
	munmap(a->base, ptr_diff(a->end, a->base));
	*a = (struct os_arena){0};
}
