/* large_pages.c - a preloaded library that makes libdmm.so believe in a kernel with larger pages.
 *
 *   LD_PRELOAD=libdmm.so:libpages_of_16_kib.so PROGRAM
 *
 * To callers in libdmm*.so, the calls on mappings behave as on a kernel whose pages are of PAGE
 * bytes: mappings begin on such a page, lengths are rounded up to it, and an address that does not
 * lie on one is refused (EINVAL).  So a caller that reckons with pages of 4 KiB is refused, or
 * loses what lies beside its own memory.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT     __attribute__((visibility("default")))
#define FROM_DMM() is_dmm(__builtin_return_address(0))

EXPORT unsigned long getauxval(unsigned long type)
{
	Elf64_auxv_t entry;
	unsigned long value = 0;
	const int fd = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);

	if (type == AT_PAGESZ)
		value = PAGE;
	while (fd >= 0 && type != AT_PAGESZ && read(fd, &entry, sizeof entry) == sizeof entry)
		if (entry.a_type == type)
			value = entry.a_un.a_val;
	if (fd >= 0)
		close(fd);
	return value;
}

/* Where the code and data of libdmm*.so lie.  Found by the first call, when the program has one
 * thread: dladdr takes a lock of the loader, which another thread may hold at a fork, for ever in
 * the child. */
enum { RANGES = 32 };
static struct {
	uintptr_t from, end;
} ranges[RANGES];
static size_t range_count;

static int note_ranges(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size, (void)arg;
	if (strstr(info->dlpi_name, "libdmm") == NULL)
		return 0;
	for (size_t i = 0; i < info->dlpi_phnum && range_count < RANGES; i++) {
		const Elf64_Phdr *const h = &info->dlpi_phdr[i];
		if (h->p_type != PT_LOAD)
			continue;
		ranges[range_count].from = info->dlpi_addr + h->p_vaddr;
		ranges[range_count].end = info->dlpi_addr + h->p_vaddr + h->p_memsz;
		range_count++;
	}
	return 0;
}

static bool is_dmm(const void *caller)
{
	if (range_count == 0)
		dl_iterate_phdr(note_ranges, NULL);
	for (size_t i = 0; i < range_count; i++)
		if ((uintptr_t)caller >= ranges[i].from && (uintptr_t)caller < ranges[i].end)
			return true;
	return false;
}

static size_t up(uintptr_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

static void *call_mmap(void *p, size_t len, int prot, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, p, len, prot, flags, fd, offset);
}

/* Where the kernel chooses the address. */
static void *map_aligned(size_t len, int prot, int flags)
{
	char *const p = call_mmap(NULL, len + PAGE, prot, flags, -1, 0);

	if (p == MAP_FAILED)
		return p;
	char *const start = (char *)up((uintptr_t)p);
	const size_t front = (size_t)(start - p);
	if (front != 0)
		syscall(SYS_munmap, p, front);
	syscall(SYS_munmap, start + len, PAGE - front);
	return start;
}

EXPORT void *mmap(void *p, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (!FROM_DMM() || fd >= 0)
		return call_mmap(p, len, prot, flags, fd, offset);
	if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == 0)
		return map_aligned(up(len), prot, flags);
	if ((uintptr_t)p % PAGE != 0) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	return call_mmap(p, up(len), prot, flags, fd, offset);
}

static int checked(long call, void *p, size_t len, int how, bool strict)
{
	if (strict && (uintptr_t)p % PAGE != 0) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(call, p, strict ? up(len) : len, how);
}

EXPORT int munmap(void *p, size_t len)
{
	return checked(SYS_munmap, p, len, 0, FROM_DMM());
}

EXPORT int madvise(void *p, size_t len, int advice)
{
	return checked(SYS_madvise, p, len, advice, FROM_DMM());
}

EXPORT int mprotect(void *p, size_t len, int prot)
{
	return checked(SYS_mprotect, p, len, prot, FROM_DMM());
}

static void *call_mremap(void *p, size_t old, size_t len, int flags, void *to)
{
	return (void *)syscall(SYS_mremap, p, old, len, flags, to);
}

EXPORT void *mremap(void *p, size_t old, size_t len, int flags, ...)
{
	va_list rest;

	va_start(rest, flags);
	void *to = (flags & MREMAP_FIXED) != 0 ? va_arg(rest, void *) : NULL;
	va_end(rest);
	if (!FROM_DMM())
		return call_mremap(p, old, len, flags, to);
	if ((uintptr_t)p % PAGE != 0 || (uintptr_t)to % PAGE != 0) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	old = up(old), len = up(len);
	if ((flags & (MREMAP_FIXED | MREMAP_MAYMOVE)) != MREMAP_MAYMOVE)
		return call_mremap(p, old, len, flags, to);
	void *const q = call_mremap(p, old, len, 0, NULL);
	if (q != MAP_FAILED)
		return q;
	to = map_aligned(len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
	return to == MAP_FAILED ? to : call_mremap(p, old, len, flags | MREMAP_FIXED, to);
}
