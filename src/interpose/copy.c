/* copy.c - memcpy, strcpy, sprintf and their kin that look up the object they write to:
 * libdmm-hardened.so.
 *
 *   program    memcpy(to, from, n)
 *      |         n > room_at(to): one line, and the program ends before a byte is written
 *   C library  memmove, as fast as ever
 *
 * The library's own references to memcpy, memmove and memset are bound to __wrap_memcpy and so on
 * by the linker (--wrap): they clear whole slots, past what the program may write, and run before
 * anything is found.
 *
 * Why a library of its own: one that exports memcpy takes it from every program, so that each call
 * would cost something also where no setting asks for it.  An indirect function (IFUNC) could give
 * the C library's own memcpy back, but it cannot be preloaded: the loader relocates other libraries
 * before it, calls an unrelocated resolver, and says "Relink ... for IFUNC symbol" each time.
 *
 * Not seen: what the compiler has inlined, what the C library writes by itself (read, fgets,
 * scanf), wide characters.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/crash.h"
#include "base/lock.h"
#include "interpose/interpose.h"
#include "os/os.h"
#include "slab/init.h"
#include "slab/room.h"
#include "slab/settings.h"

/* ---- the C library's own --------------------------------------------------------------------- */

typedef char *copy_string(char *to, const char *from);
typedef char *copy_counted(char *to, const char *from, size_t n);
typedef void *copy_bytes(void *to, const void *from, size_t n);
typedef int print(char *to, size_t n, const char *format, va_list args);
typedef int printf_chk(char *to, int flag, size_t len, const char *format, va_list args);
typedef int print_chk(char *to, size_t n, int flag, size_t len, const char *format, va_list args);

static void *early_memmove(void *to, const void *from, size_t n);
static void *early_memset(void *to, int byte, size_t n);

/* Alone on a page that becomes read-only once they are found. */
static union {
	struct {
		copy_bytes *memmove, *mempcpy;
		void *(*memset)(void *to, int byte, size_t n);
		copy_string *strcpy, *stpcpy, *strcat;
		copy_counted *strncpy, *stpncpy, *strncat;
		print *vsnprintf;
		print_chk *vsnprintf_chk;
		int (*vsprintf)(char *to, const char *format, va_list args);
		printf_chk *vsprintf_chk;
		void (*chk_fail)(void); /* does not return */
	};
	char page[SETTINGS_PAGE];
} real __attribute__((aligned(SETTINGS_PAGE))) = {
    {.memmove = early_memmove, .memset = early_memset}};

/* Not by words: the compiler must not make a call of memcpy out of it. */
static void *early_memmove(void *to, const void *from, size_t n)
{
	char *const t = to;
	const char *const f = from;
	const bool down = (uintptr_t)t > (uintptr_t)f;

	for (size_t i = 0; i < n; i++) {
		const size_t at = down ? n - 1 - i : i;
		t[at] = f[at];
		__asm__ volatile("" ::: "memory");
	}
	return to;
}

static void *early_memset(void *to, int byte, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		((char *)to)[i] = (char)byte;
		__asm__ volatile("" ::: "memory");
	}
	return to;
}

/* Of this library itself. */
HIDDEN void *__wrap_memcpy(void *to, const void *from, size_t n);
HIDDEN void *__wrap_memmove(void *to, const void *from, size_t n);
HIDDEN void *__wrap_memset(void *to, int byte, size_t n);

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
	return real.memmove(to, from, n);
}

void *__wrap_memmove(void *to, const void *from, size_t n)
{
	return real.memmove(to, from, n);
}

void *__wrap_memset(void *to, int byte, size_t n)
{
	return real.memset(to, byte, n);
}

static void *find(const char *name)
{
	void *const f = dlsym(RTLD_NEXT, name);
	if (f == NULL)
		crash("no %s in the C library; preload libdmm.so instead", name);
	return f;
}

/* True: all of `real` is found, and lies on a page that is read-only or becomes so. */
static inline bool all_found(void)
{
	return __atomic_load_n(&real.vsprintf_chk, __ATOMIC_ACQUIRE) != NULL;
}

static void find_each(void)
{
	real.mempcpy = (copy_bytes *)find("mempcpy");
	real.strcpy = (copy_string *)find("strcpy");
	real.stpcpy = (copy_string *)find("stpcpy");
	real.strcat = (copy_string *)find("strcat");
	real.strncpy = (copy_counted *)find("strncpy");
	real.stpncpy = (copy_counted *)find("stpncpy");
	real.strncat = (copy_counted *)find("strncat");
	real.vsnprintf = (print *)find("vsnprintf");
	real.vsnprintf_chk = (print_chk *)find("__vsnprintf_chk");
	real.vsprintf = (int (*)(char *, const char *, va_list))find("vsprintf");
	real.chk_fail = (void (*)(void))find("__chk_fail");
	real.memset = (void *(*)(void *, int, size_t))find("memset");
	real.memmove = (copy_bytes *)find("memmove");
	__atomic_store_n(&real.vsprintf_chk, (printf_chk *)find("__vsprintf_chk"),
	    __ATOMIC_RELEASE);
}

/* A constructor of another library may call what is not found yet, and so may threads that it has
 * started: one of them looks all up, and the others wait, since the page is read-only then. */
static __attribute__((constructor(101))) void find_all(void)
{
	static struct lock finding;

	lock_take(&finding);
	if (!all_found()) {
		find_each();
		if (slab_start_up())
			room_begin();
		os_linux.protect(os_linux.ctx, &real, sizeof real, DMM_PROTECT_READ);
	}
	lock_give(&finding);
}

static inline void need_all(void)
{
	if (unlikely(!all_found()))
		find_all();
}

const char *slab_settings_preset(void)
{
	return "hardened";
}

/* ---- the object that is written to ----------------------------------------------------------- */

static __attribute__((noinline, cold)) _Noreturn void past(const char *call, const void *to)
{
	const struct room r = room_around(to);
	crash("%s past the end: %p (%u bytes)", call, r.object, r.size);
}

static inline void check(const char *call, const void *to, size_t n)
{
	if (unlikely(!room_fits(to, n)))
		past(call, to);
}

/* n bytes by a fortified call, of which the compiler knows that `len` are there. */
static inline void check_chk(const char *call, const void *to, size_t n, size_t len)
{
	need_all();
	if (unlikely(len < n))
		real.chk_fail();
	check(call, to, n);
}

/* A string and its end are written; `most` of its bytes at most. */
static inline void check_string(const char *call, const char *to, const char *from, size_t most)
{
	const size_t has = room_at(to);

	if (has == ROOM_UNKNOWN)
		return;
	if (unlikely(strnlen(from, min_size(has, most)) >= has))
		past(call, to);
}

/* The same for strcat: after the string that is there. */
static inline void check_append(const char *call, const char *to, const char *from, size_t most)
{
	const size_t has = room_at(to);

	if (has == ROOM_UNKNOWN)
		return;
	const size_t there = strnlen(to, has);
	if (unlikely(there >= has || strnlen(from, min_size(has - there, most)) >= has - there))
		past(call, to);
}

/* ---- memory ---------------------------------------------------------------------------------- */

EXPORT void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	check("memcpy", to, n);
	return real.memmove(to, from, n);
}

EXPORT void *memmove(void *to, const void *from, size_t n)
{
	check("memmove", to, n);
	return real.memmove(to, from, n);
}

EXPORT void *mempcpy(void *restrict to, const void *restrict from, size_t n)
{
	check("mempcpy", to, n);
	return (char *)real.memmove(to, from, n) + n;
}

EXPORT void *memset(void *to, int byte, size_t n)
{
	check("memset", to, n);
	return real.memset(to, byte, n);
}

/* ---- strings --------------------------------------------------------------------------------- */

EXPORT char *strcpy(char *restrict to, const char *restrict from)
{
	need_all();
	check_string("strcpy", to, from, SIZE_MAX);
	return real.strcpy(to, from);
}

EXPORT char *stpcpy(char *restrict to, const char *restrict from)
{
	need_all();
	check_string("stpcpy", to, from, SIZE_MAX);
	return real.stpcpy(to, from);
}

EXPORT char *strcat(char *restrict to, const char *restrict from)
{
	need_all();
	check_append("strcat", to, from, SIZE_MAX);
	return real.strcat(to, from);
}

EXPORT char *strncpy(char *restrict to, const char *restrict from, size_t n)
{
	need_all();
	check("strncpy", to, n);
	return real.strncpy(to, from, n);
}

EXPORT char *stpncpy(char *restrict to, const char *restrict from, size_t n)
{
	need_all();
	check("stpncpy", to, n);
	return real.stpncpy(to, from, n);
}

EXPORT char *strncat(char *restrict to, const char *restrict from, size_t n)
{
	need_all();
	check_append("strncat", to, from, n);
	return real.strncat(to, from, n);
}

/* ---- print ----------------------------------------------------------------------------------- */

EXPORT int vsprintf(char *restrict to, const char *restrict format, va_list args)
{
	need_all();
	const size_t has = room_at(to);
	if (has == ROOM_UNKNOWN)
		return real.vsprintf(to, format, args);
	const int n = real.vsnprintf(to, has, format, args); /* never writes past it */
	if (unlikely(n >= 0 && (size_t)n >= has))
		past("sprintf", to);
	return n;
}

EXPORT int vsnprintf(char *restrict to, size_t n, const char *restrict format, va_list args)
{
	need_all();
	const size_t has = n != 0 ? room_at(to) : ROOM_UNKNOWN;
	const int written = real.vsnprintf(to, min_size(n, has), format, args);
	if (unlikely(has < n && written >= 0 && (size_t)written >= has))
		past("snprintf", to);
	return written;
}

EXPORT int sprintf(char *restrict to, const char *restrict format, ...)
{
	va_list args;
	va_start(args, format);
	const int n = vsprintf(to, format, args);
	va_end(args);
	return n;
}

EXPORT int snprintf(char *restrict to, size_t n, const char *restrict format, ...)
{
	va_list args;
	va_start(args, format);
	const int written = vsnprintf(to, n, format, args);
	va_end(args);
	return written;
}

/* ---- the same under _FORTIFY_SOURCE: len bytes are there, as far as the compiler knows ------- */

EXPORT void *__memcpy_chk(void *to, const void *from, size_t n, size_t len);
EXPORT void *__memmove_chk(void *to, const void *from, size_t n, size_t len);
EXPORT void *__mempcpy_chk(void *to, const void *from, size_t n, size_t len);
EXPORT void *__memset_chk(void *to, int byte, size_t n, size_t len);
EXPORT char *__strcpy_chk(char *to, const char *from, size_t len);
EXPORT char *__stpcpy_chk(char *to, const char *from, size_t len);
EXPORT char *__strcat_chk(char *to, const char *from, size_t len);
EXPORT char *__strncpy_chk(char *to, const char *from, size_t n, size_t len);
EXPORT char *__stpncpy_chk(char *to, const char *from, size_t n, size_t len);
EXPORT char *__strncat_chk(char *to, const char *from, size_t n, size_t len);
EXPORT int __vsprintf_chk(char *to, int flag, size_t len, const char *format, va_list args);
EXPORT int __vsnprintf_chk(char *to, size_t n, int flag, size_t len, const char *format,
    va_list args);
EXPORT int __sprintf_chk(char *to, int flag, size_t len, const char *format, ...);
EXPORT int __snprintf_chk(char *to, size_t n, int flag, size_t len, const char *format, ...);

void *__memcpy_chk(void *to, const void *from, size_t n, size_t len)
{
	check_chk("memcpy", to, n, len);
	return real.memmove(to, from, n);
}

void *__memmove_chk(void *to, const void *from, size_t n, size_t len)
{
	check_chk("memmove", to, n, len);
	return real.memmove(to, from, n);
}

void *__mempcpy_chk(void *to, const void *from, size_t n, size_t len)
{
	check_chk("mempcpy", to, n, len);
	return real.mempcpy(to, from, n);
}

void *__memset_chk(void *to, int byte, size_t n, size_t len)
{
	check_chk("memset", to, n, len);
	return real.memset(to, byte, n);
}

/* The string must be shorter than what the compiler knows of. */
static inline void chk_string(const char *from, size_t there, size_t most, size_t len)
{
	if (unlikely(there >= len || strnlen(from, min_size(most, len - there)) >= len - there))
		real.chk_fail();
}

char *__strcpy_chk(char *to, const char *from, size_t len)
{
	need_all();
	chk_string(from, 0, SIZE_MAX, len);
	return strcpy(to, from);
}

char *__stpcpy_chk(char *to, const char *from, size_t len)
{
	need_all();
	chk_string(from, 0, SIZE_MAX, len);
	return stpcpy(to, from);
}

char *__strcat_chk(char *to, const char *from, size_t len)
{
	need_all();
	chk_string(from, strnlen(to, len), SIZE_MAX, len);
	return strcat(to, from);
}

char *__strncpy_chk(char *to, const char *from, size_t n, size_t len)
{
	check_chk("strncpy", to, n, len);
	return real.strncpy(to, from, n);
}

char *__stpncpy_chk(char *to, const char *from, size_t n, size_t len)
{
	check_chk("stpncpy", to, n, len);
	return real.stpncpy(to, from, n);
}

char *__strncat_chk(char *to, const char *from, size_t n, size_t len)
{
	need_all();
	chk_string(from, strnlen(to, len), n, len);
	return strncat(to, from, n);
}

int __vsprintf_chk(char *to, int flag, size_t len, const char *format, va_list args)
{
	need_all();
	const size_t has = room_at(to);
	if (has >= len)
		return real.vsprintf_chk(to, flag, len, format, args);
	const int n = real.vsnprintf_chk(to, has, flag, len, format, args);
	if (unlikely(n >= 0 && (size_t)n >= has))
		past("sprintf", to);
	return n;
}

int __vsnprintf_chk(char *to, size_t n, int flag, size_t len, const char *format, va_list args)
{
	need_all();
	const size_t has = n != 0 && n <= len ? room_at(to) : ROOM_UNKNOWN;
	const int written = real.vsnprintf_chk(to, min_size(n, has), flag, len, format, args);
	if (unlikely(has < n && written >= 0 && (size_t)written >= has))
		past("snprintf", to);
	return written;
}

int __sprintf_chk(char *to, int flag, size_t len, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const int n = __vsprintf_chk(to, flag, len, format, args);
	va_end(args);
	return n;
}

int __snprintf_chk(char *to, size_t n, int flag, size_t len, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const int written = __vsnprintf_chk(to, n, flag, len, format, args);
	va_end(args);
	return written;
}
