/* os_linux.c - the real thing.  errno is never touched: results carry -errno. */
#include "os/os.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/bits.h"
#include "os/ticks.h"

enum { PAGE = 4096 };

static int result(int r, int saved)
{
	const int e = r == 0 ? 0 : -errno;
	errno = saved;
	return e;
}

static void *linux_brk_get(void *ctx)
{
	(void)ctx;
	return sbrk(0); /* with 0 it only asks; moving by sbrk overflows badly */
}

/* The kernel answers with where the break is, and brk(3) takes what is not below `to` for success: also a lower
 * break that was refused (beyond RLIMIT_DATA any is), and the error of a seccomp filter. */
static int linux_brk_set(void *ctx, void *to)
{
	(void)ctx;
	const int saved = errno;
	const int r = result(brk(to), saved);
	return r == 0 && sbrk(0) != to ? -ENOMEM : r;
}

static void *map_anywhere(size_t len, int prot, int flags)
{
	const int saved = errno;
	void *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	errno = saved;
	return p == MAP_FAILED ? NULL : p;
}

/* The kernel aligns to pages only: ask for more, cut off both ends. */
static void *map_aligned(size_t len, size_t align, int prot, int flags)
{
	const int saved = errno;
	char *p = map_anywhere(len, prot, flags);
	if (p == NULL || is_aligned(p, align))
		return p;
	munmap(p, len);
	errno = saved;

	const size_t wide = len + align - PAGE;
	if (wide < len || (p = map_anywhere(wide, prot, flags)) == NULL)
		return NULL;
	const size_t front = round_up((uintptr_t)p, align) - (uintptr_t)p;
	if (front != 0)
		munmap(p, front);
	if (wide - front != len)
		munmap(p + front + len, wide - front - len);
	errno = saved;
	return p + front;
}

static void *linux_map(void *ctx, size_t len, size_t align)
{
	(void)ctx;
	return map_aligned(len, align, PROT_READ | PROT_WRITE, 0);
}

/* Whether a core of this process shall contain it: only advice, which may be refused. */
static void dump(void *p, size_t len, int how)
{
	const int saved = errno;
	madvise(p, len, how);
	errno = saved;
}

static void *linux_reserve(void *ctx, size_t len, size_t align)
{
	(void)ctx;
	void *const p = map_aligned(len, align, PROT_NONE, MAP_NORESERVE);
	if (p != NULL) /* else gdb's gcore writes all of it, hundreds of gigabytes of nothing */
		dump(p, len, MADV_DONTDUMP);
	return p;
}

static int linux_unmap(void *ctx, void *p, size_t len)
{
	(void)ctx;
	const int saved = errno;
	return result(munmap(p, len), saved);
}

static void *linux_remap(void *ctx, void *p, size_t old_len, size_t len)
{
	(void)ctx;
	const int saved = errno;
	void *q = mremap(p, old_len, len, MREMAP_MAYMOVE);
	errno = saved;
	return q == MAP_FAILED ? NULL : q;
}

static bool is_mapped(char *p, size_t len)
{
	unsigned char there[256];

	for (size_t at = 0; at < len; at += sizeof there * PAGE)
		if (mincore(p + at, min_size(len - at, sizeof there * PAGE), there) != 0)
			return false;
	return true;
}

/* Out of two mappings Linux moves nothing before 6.17 (EFAULT); from then on the one, and may then refuse the other.
 * A page more, which is not to be had, since behind lies something: EFAULT tells that there are two. */
static bool is_one_mapping(char *p, size_t len)
{
	if (mremap(p, len, len + PAGE, 0) == MAP_FAILED)
		return errno != EFAULT;
	munmap(p + len, PAGE);
	return true;
}

/* mremap() unmaps its target first, and looks only then whether it may move there: not beyond RLIMIT_AS.  So map it
 * again, unless somebody else was faster. */
static int left_in_place(void *to, size_t len, int error)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
	void *const p = mmap(to, len, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (p == to)
		return error;
	if (p != MAP_FAILED) /* before Linux 4.17 an address is only a wish */
		munmap(p, len);
	return is_mapped(to, len) ? error : -ENXIO;
}

static int linux_move(void *ctx, void *from, void *to, size_t len)
{
	(void)ctx;
	enum { DONT_UNMAP = 4 }; /* Linux 5.7; before that, EINVAL */
	const int saved = errno;
	int r = -EFAULT;

	if (is_one_mapping(from, len)) {
		void *const q = mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED | DONT_UNMAP, to);
		r = q != MAP_FAILED ? 0 : left_in_place(to, len, -errno);
	}
	errno = saved;
	return r;
}

static int linux_protect(void *ctx, void *p, size_t len, enum dmm_protect how)
{
	(void)ctx;
	static const int prot[] = {
	    [DMM_PROTECT_NONE] = PROT_NONE,
	    [DMM_PROTECT_READ] = PROT_READ,
	    [DMM_PROTECT_RW] = PROT_READ | PROT_WRITE,
	};
	const int saved = errno;
	const int r = result(mprotect(p, len, prot[how]), saved);
	if (r == 0 && how != DMM_PROTECT_NONE)
		dump(p, len, MADV_DODUMP);
	return r;
}

static int linux_purge(void *ctx, void *p, size_t len)
{
	(void)ctx;
	const int saved = errno;
	return result(madvise(p, len, MADV_DONTNEED), saved);
}

static int linux_advise(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	(void)ctx;
	static const int advice[] = {
	    [DMM_ADVICE_HUGE] = MADV_HUGEPAGE,
	    [DMM_ADVICE_NOHUGE] = MADV_NOHUGEPAGE,
	    [DMM_ADVICE_COLLAPSE] = 25, /* MADV_COLLAPSE, Linux 6.1 */
	    [DMM_ADVICE_POPULATE] = 23, /* MADV_POPULATE_WRITE, Linux 5.14 */
	    [DMM_ADVICE_GUARD] = 102,   /* MADV_GUARD_INSTALL, Linux 6.13 */
	    [DMM_ADVICE_UNGUARD] = 103, /* MADV_GUARD_REMOVE */
	};
	const int saved = errno;
	return result(madvise(p, len, advice[what]), saved);
}

static bool linux_resident(void *ctx, const void *p)
{
	(void)ctx;
	const int saved = errno;
	unsigned char there = 0;
	const bool known = mincore((void *)((uintptr_t)p & ~(uintptr_t)(PAGE - 1)), PAGE, &there) == 0;
	errno = saved;
	return known && (there & 1) != 0;
}

static uint64_t linux_now_ns(void *ctx)
{
	(void)ctx;
	return os_ticks_ns();
}

void os_allow_observers(void)
{
	const int saved = errno;

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* refused where there is no Yama, and no need */
	errno = saved;
}

const struct dmm_os os_linux = {
    .name = "linux",
    .page = PAGE,
    .brk_get = linux_brk_get,
    .brk_set = linux_brk_set,
    .map = linux_map,
    .reserve = linux_reserve,
    .unmap = linux_unmap,
    .remap = linux_remap,
    .protect = linux_protect,
    .purge = linux_purge,
    .resident = linux_resident,
    .advise = linux_advise,
    .now_ns = linux_now_ns,
    .move = linux_move,
};
