/* crash.h - say one line on stderr without stdio, without allocating, and abort.
 *
 * Async-signal-safe: only write(2) and abort(3).  Words of the format: %s text, %p address,
 * %u size_t, nothing else.
 */
#ifndef BASE_CRASH_H
#define BASE_CRASH_H

#include <stdarg.h>
#include <stddef.h>

/* "dmm: " + the line + "\n" to stderr, control bytes in it shown as '?'.  errno is preserved. */
void crash_say(const char *format, ...);

/* The same into a buffer of `cap` bytes, always terminated; returns the length written. */
size_t crash_format(char *buf, size_t cap, const char *format, ...);
size_t crash_vformat(char *buf, size_t cap, const char *format, va_list args);

/* crash_say(), then abort(). */
__attribute__((noreturn)) void crash(const char *format, ...);

__attribute__((noreturn)) void crash_assert(const char *cond, const char *file, int line);

#endif
