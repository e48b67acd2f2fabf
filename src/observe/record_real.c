/* record_real.c - finding the malloc behind ours, and surviving until it is found.
 *
 * dlsym may itself allocate: it gets memory that is bumped from a static array and never reused.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/bits.h"
#include "base/crash.h"
#include "observe/record.h"
#include "os/dlopen.h"

enum { BOOT_LEN = 64 << 10 };

static _Alignas(16) char boot[BOOT_LEN];
static _Atomic size_t boot_used;

static void *boot_memalign(size_t align, size_t n)
{
	align = max_size(align, MAX_ALIGN);
	const size_t at = atomic_fetch_add(&boot_used, n + align);
	char *const p = (char *)round_up((uintptr_t)boot + at, align);

	if (n > BOOT_LEN || p + n > boot + BOOT_LEN) {
		errno = ENOMEM;
		return NULL;
	}
	return p;
}

static void *boot_malloc(size_t n)
{
	return boot_memalign(MAX_ALIGN, n);
}

static void *boot_calloc(size_t count, size_t n)
{
	return boot_memalign(MAX_ALIGN, count * n); /* static memory is zero, and never reused */
}

static void *boot_realloc(void *p, size_t n)
{
	char *const q = boot_malloc(n);

	for (size_t i = 0; p != NULL && q != NULL && i < n && real_is_boot((char *)p + i); i++)
		q[i] = ((char *)p)[i];
	return q;
}

static int boot_posix_memalign(void **out, size_t align, size_t n)
{
	*out = boot_memalign(align, n);
	return *out != NULL ? 0 : ENOMEM;
}

static void *boot_valloc(size_t n)
{
	return boot_memalign(4096, n);
}

static void boot_free(void *p)
{
	(void)p;
}

struct real real = {boot_malloc, boot_calloc, boot_realloc, boot_memalign, boot_memalign,
    boot_posix_memalign, boot_valloc, boot_valloc, boot_free};

bool real_is_boot(const void *p)
{
	return ptr_diff(p, boot) < BOOT_LEN;
}

static void *next(const char *name)
{
	void *const f = dlsym(RTLD_NEXT, name);
	if (f == NULL)
		crash("record: no %s behind the recorder", name);
	return f;
}

#define FIND(name) found.name = (__typeof__(found.name))(uintptr_t)next(#name)

void real_find(void)
{
	struct real found;

	FIND(malloc);
	FIND(calloc);
	FIND(realloc);
	FIND(memalign);
	FIND(aligned_alloc);
	FIND(posix_memalign);
	FIND(valloc);
	FIND(pvalloc);
	FIND(free);
	real = found; /* all at once: what the new ones gave must not meet the old ones */
}

bool dlopen_keeps_deepbind(void)
{
	record_configure();
	return record_config.deepbind;
}
