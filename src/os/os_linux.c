/* os_linux.c - the real thing.  errno is never touched: results carry -errno. */
#include "os/os.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "base/rng.h"
#include "os/break.h"
#include "os/ticks.h"

enum { PAGE = 4096, PAGE_16K = 16384 };

/* Of the kernel. */
static size_t page_size(void)
{
	static _Atomic size_t known;
	size_t page = atomic_load_explicit(&known, memory_order_relaxed);

	if (unlikely(page == 0)) {
		page = max_size(getauxval(AT_PAGESZ), PAGE);
		atomic_store_explicit(&known, page, memory_order_relaxed);
	}
	return page;
}

/* The kernel rounds a length up to its page. A caller that assumes smaller pages would hit the
 * memory next to its own. */
static bool whole_pages(const void *p, size_t len)
{
	return (((uintptr_t)p | len) & (page_size() - 1)) == 0;
}

struct os_calls os_calls;

static void count(_Atomic uint64_t *calls, uint64_t n)
{
	atomic_fetch_add_explicit(calls, n, memory_order_relaxed);
}

static int result(int r, int saved)
{
	const int e = r == 0 ? 0 : -errno;
	errno = saved;
	return e;
}

static void *linux_brk_get(void *ctx)
{
	(void)ctx;
	return break_get();
}

static int linux_brk_set(void *ctx, void *to)
{
	(void)ctx;
	const int saved = errno;
	return result(break_set(to), saved);
}

static void *map_anywhere(size_t len, int prot, int flags)
{
	const int saved = errno;
	count(&os_calls.maps, 1);
	void *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	errno = saved;
	return p == MAP_FAILED ? NULL : p;
}

/* ---- emulators ------------------------------------------------------------------------------- */

/* The system calls' known behaviour. qemu-user (7.2 and 10.0 were tried) returns 0 for every
 * madvise(), even for advice that does not exist, and follows MADV_DONTNEED only in memory that
 * mmap() gave and mremap() did not move. If we believed it, old bytes would remain where a caller
 * expects zeros, and a guard would be missing where one is expected. */
enum calls { UNKNOWN, KERNEL, EMULATED, EMULATED_WITHOUT_PURGE };

static bool purge_works(void)
{
	volatile char *const p = map_anywhere(PAGE, PROT_READ | PROT_WRITE, 0);

	if (p == NULL)
		return false;
	*p = 1;
	const bool works = madvise((void *)p, PAGE, MADV_DONTNEED) == 0 && *p == 0;
	munmap((void *)p, PAGE);
	return works;
}

/* Threads may ask at once: all find the same. */
static enum calls calls(void)
{
	enum { NO_SUCH_ADVICE = 0x7fff };
	static _Atomic enum calls known;
	enum calls c = atomic_load_explicit(&known, memory_order_relaxed);

	if (c != UNKNOWN)
		return c;
	const int saved = errno;
	const uintptr_t page = round_down((uintptr_t)&known, HUGE_PAGE_SIZE);
	c = madvise((void *)page, PAGE, NO_SUCH_ADVICE) != 0 ? KERNEL
	    : purge_works()                                  ? EMULATED : EMULATED_WITHOUT_PURGE;
	atomic_store_explicit(&known, c, memory_order_relaxed);
	errno = saved;
	return c;
}

/* A kernel with larger pages rounds the length of what is unmapped or given back up to its own
 * page, and takes what the program has beside it: slab's granules are of 16 KiB.  Better no program
 * than a damaged one.
 * The kernel is asked about its calls here too: a program may later forbid itself, by a seccomp
 * filter, advice that does not exist. */
static __attribute__((constructor)) void know_the_kernel(void)
{
	const size_t page = page_size();

	if (page != PAGE && page != PAGE_16K)
		crash("this kernel has pages of %u bytes, and dmm needs pages of %u or %u bytes: "
		      "run the program without dmm", page, (size_t)PAGE, (size_t)PAGE_16K);
	(void)calls();
}

/* ---- mappings -------------------------------------------------------------------------------- */

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
	const int r = result(munmap(p, len), saved);
	count(&os_calls.unmaps, 1);
	count(&os_calls.unmapped, r == 0 ? len : 0);
	return r;
}

/* mremap() in steps of our own, where the kernel's cannot be relied on. */
static void *copy_to_new(void *p, size_t old_len, size_t len)
{
	void *const q = map_anywhere(len, PROT_READ | PROT_WRITE, 0);

	if (q == NULL)
		return MAP_FAILED;
	memcpy(q, p, min_size(old_len, len));
	munmap(p, old_len);
	return q;
}

static void *linux_remap(void *ctx, void *p, size_t old_len, size_t len)
{
	(void)ctx;
	const int saved = errno;
	count(&os_calls.moves, 1);
	void *const q = calls() == KERNEL ? mremap(p, old_len, len, MREMAP_MAYMOVE)
	                                  : copy_to_new(p, old_len, len);
	errno = saved;
	return q == MAP_FAILED ? NULL : q;
}

/* Before 6.17 Linux moves nothing out of two mappings (EFAULT); since then it moves the first and
 * may refuse the second. This call asks for one more page than can be had, since another mapping
 * follows: EFAULT then says that there are two mappings. */
static bool is_one_mapping(char *p, size_t len)
{
	if (mremap(p, len, len + PAGE, 0) == MAP_FAILED)
		return errno != EFAULT;
	munmap(p + len, PAGE);
	return true;
}

/* mremap() unmaps its target before it checks RLIMIT_AS.  So map the target again, unless another
 * thread was faster. */
static int left_in_place(void *to, size_t len, int error)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
	void *const p = mmap(to, len, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (p == to)
		return error;
	if (p != MAP_FAILED) /* before Linux 4.17 an address is only a wish */
		munmap(p, len);
	/* madvise tells whether the whole range is mapped */
	return madvise(to, len, MADV_NORMAL) == 0 ? error : -ENXIO;
}

static int linux_move(void *ctx, void *from, void *to, size_t len)
{
	(void)ctx;
	enum { DONT_UNMAP = 4 }; /* Linux 5.7; before that, EINVAL */
	const int saved = errno;
	int r = -EFAULT;

	count(&os_calls.moves, 1);
	if (calls() != KERNEL)
		return -EINVAL;
	if (is_one_mapping(from, len)) {
		void *const q =
		    mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED | DONT_UNMAP, to);
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
	if (!whole_pages(p, len))
		return -EINVAL;
	const int saved = errno;
	const int r = result(mprotect(p, len, prot[how]), saved);
	count(&os_calls.protects, 1);
	if (r == 0 && how != DMM_PROTECT_NONE)
		dump(p, len, MADV_DODUMP);
	return r;
}

static int linux_purge(void *ctx, void *p, size_t len)
{
	(void)ctx;
	const int saved = errno;
	if (calls() == EMULATED_WITHOUT_PURGE || !whole_pages(p, len))
		return -EINVAL;
	const int r = result(madvise(p, len, MADV_DONTNEED), saved);
	count(&os_calls.purges, 1);
	count(&os_calls.purged, r == 0 ? len : 0);
	return r;
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
	count(&os_calls.advices, 1);
	if (what != DMM_ADVICE_HUGE && what != DMM_ADVICE_NOHUGE && calls() != KERNEL)
		return -EINVAL;
	return result(madvise(p, len, advice[what]), saved);
}

/* Has the kernel read the word, so that an unreadable address is an error, not a fault.  The call
 * compares the word with 0 and wakes or moves no waiter.  Returns 0 or the error. */
static int look_at(const void *p)
{
	enum { CMP_REQUEUE_PRIVATE = 4 | 128 };
	return syscall(SYS_futex, p, CMP_REQUEUE_PRIVATE, 0, NULL, p, 0) == -1 ? errno : 0;
}

/* Seccomp filters kill programs that call mincore().  A page of written zeros and a page that was
 * never touched differ in the time of the first read, which maps the untouched page.  On a virtual
 * machine the first read took up to 3.1 times as long as the second for written zeros, and at least
 * 7 times as long for an untouched page. */
static enum dmm_touched linux_touched(void *ctx, const void *p)
{
	(void)ctx;
	const int saved = errno;
	const uint64_t from = os_ticks_ns();
	const int error = look_at(p);
	const uint64_t between = os_ticks_ns();
	const bool again = error == 0 && look_at(p) == 0;
	const uint64_t first = between - from, second = os_ticks_ns() - between;

	errno = saved;
	if (error == EAGAIN)
		return DMM_TOUCHED_SURELY;
	return again && first < 5 * second ? DMM_TOUCHED_LIKELY : DMM_TOUCHED_NO;
}

/* ---- a window of addresses ------------------------------------------------------------------- */

static uint64_t linux_random(void *ctx)
{
	(void)ctx;
	static _Atomic uint64_t calls;
	const int saved = errno;
	uint64_t word[2];

	if (getrandom(word, sizeof word[0], GRND_NONBLOCK) != sizeof word[0]) {
		/* 16 bytes, or none */
		const void *const start = (const void *)getauxval(AT_RANDOM);
		word[0] = word[1] = (uintptr_t)&word;
		if (start != NULL)
			memcpy(word, start, sizeof word);
		struct rng r = {word[0] ^ word[1] << 1 ^ ++calls << 32};
		word[0] = rng_next(&r);
	}
	errno = saved;
	return word[0];
}

/* The kernel puts a program at two thirds of the address space, its break above, and mappings from
 * the top of the address space downwards.  Only mappings at chosen addresses lie in between: not
 * the heaps of Go and Java, which are low, and no sanitizer's shadow. */
static void *linux_window(void *ctx, size_t len, size_t align)
{
	const uintptr_t high =
	    max_size((uintptr_t)getauxval(AT_RANDOM), (uintptr_t)__builtin_frame_address(0));
	/* the initial stack lies below it */
	const uintptr_t top = (uintptr_t)1 << (64 - __builtin_clzll(high));
	const uintptr_t from = round_up(top / 64 * 45, align), to = top / 64 * 59;

	if (from >= to || len > to - from)
		return NULL;
	return (void *)(from + linux_random(ctx) % ((to - from - len) / align + 1) * align);
}

/* madvise refuses to give back locked memory, which tells that the memory is locked.  Callers ask
 * only for large mappings. */
static bool is_filled(char *p, size_t len)
{
	enum { ASK_FROM = 512 << 10 };
	const size_t page = page_size();
	return len >= ASK_FROM && madvise(p + len - page, page, MADV_DONTNEED) != 0 &&
	       errno == EINVAL;
}

int os_map_at(void *p, size_t len, int flag)
{
	const int saved = errno;
	int error = 0;

	count(&os_calls.maps, 1);
	void *const q = mmap(p, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | flag, -1, 0);

	if (q == MAP_FAILED) {
		error = errno == EEXIST ? -EEXIST : -ENOMEM;
	} else if (q != p) {
		munmap(q, len);
		error = -EEXIST;
	} else {
		error = is_filled(p, len);
	}
	errno = saved;
	return error;
}

static int linux_map_at(void *ctx, void *p, size_t len)
{
	(void)ctx;
	return os_map_at(p, len, MAP_FIXED_NOREPLACE);
}

static uint64_t linux_now_ns(void *ctx)
{
	(void)ctx;
	return os_ticks_ns();
}

void os_allow_observers(void)
{
	const int saved = errno;

	/* without Yama the kernel refuses this, and there is no need */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	errno = saved;
}

void *os_shared_page(void)
{
	const int saved = errno;
	void *const p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	errno = saved;
	return p != MAP_FAILED ? p : NULL;
}

void os_unshare_page(void *page)
{
	munmap(page, PAGE);
}

#define LINUX_WITH(pages)                                                                          \
	{                                                                                          \
		.name = "linux", .page = (pages),                                                  \
		.brk_get = linux_brk_get, .brk_set = linux_brk_set,                                \
		.map = linux_map, .reserve = linux_reserve,                                        \
		.unmap = linux_unmap, .remap = linux_remap,                                        \
		.protect = linux_protect, .purge = linux_purge,                                    \
		.advise = linux_advise, .now_ns = linux_now_ns,                                    \
		.move = linux_move, .touched = linux_touched,                                      \
		.window = linux_window, .map_at = linux_map_at,                                    \
		.random = linux_random,                                                            \
	}
const struct dmm_os os_linux = LINUX_WITH(PAGE);
const struct dmm_os os_linux_16k = LINUX_WITH(PAGE_16K);

const struct dmm_os *os_here(void)
{
	return page_size() == PAGE_16K ? &os_linux_16k : &os_linux;
}
