/* usage.c - the heap's contents by the calls that programs have for it: mallinfo, malloc_info,
 * malloc_stats.
 *
 * interpose_measure() is the source of all of them, and counts mapped memory alone. In glibc's
 * words:
 *
 *   arena     uordblks + fordblks
 *   uordblks  live objects with their padding and their headers, large ones among them: hblkhd is 0
 *   fordblks  free memory;  ordblks  its pieces;  keepcost  what malloc_trim can give back of it
 *
 * Tables that lie apart from the objects (slab has such) are in none of these, but in malloc_info.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "dmm_system.h"
#include "interpose/interpose.h"
#include "os/libc.h"

enum { NO_FD = -1, HIGH_FD = 200 }; /* above what programs close by number or hand to select() */

static int exit_fd = NO_FD;

static size_t footprint(const struct usage *u)
{
	return u->bytes[DMM_LIVE] + u->bytes[DMM_FREE] + u->bytes[DMM_META] + u->bytes[DMM_PAD];
}

/* ---- glibc's interfaces ---------------------------------------------------------------------- */

static struct mallinfo2 info(void)
{
	struct usage u;

	interpose_measure(&u);
	const size_t arena = footprint(&u) - u.apart;
	return (struct mallinfo2){
	    .arena = arena,
	    .ordblks = u.pieces[DMM_FREE],
	    .uordblks = arena - u.bytes[DMM_FREE],
	    .fordblks = u.bytes[DMM_FREE],
	    .keepcost = u.trimmable,
	};
}

EXPORT struct mallinfo2 mallinfo2(void)
{
	return info();
}

static int as_int(size_t n)
{
	return n > INT_MAX ? INT_MAX : (int)n;
}

/* The old one counts in int: what does not fit is shown as INT_MAX rather than wrapped. */
EXPORT struct mallinfo mallinfo(void)
{
	const struct mallinfo2 m = info();

	return (struct mallinfo){
	    .arena = as_int(m.arena),
	    .ordblks = as_int(m.ordblks),
	    .uordblks = as_int(m.uordblks),
	    .fordblks = as_int(m.fordblks),
	    .keepcost = as_int(m.keepcost),
	};
}

/* As in glibc, "rest" is what is free.  The sizes of the totals add up to the system's. */
static void print_totals(FILE *out, const struct usage *u)
{
	fprintf(out,
	    "<total type=\"live\" count=\"%zu\" size=\"%zu\"/>\n"
	    "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
	    "<total type=\"meta\" count=\"%zu\" size=\"%zu\"/>\n"
	    "<total type=\"pad\" count=\"%zu\" size=\"%zu\"/>\n"
	    "<system type=\"current\" size=\"%zu\"/>\n",
	    u->pieces[DMM_LIVE], u->bytes[DMM_LIVE], u->pieces[DMM_FREE], u->bytes[DMM_FREE],
	    u->pieces[DMM_META], u->bytes[DMM_META], u->pieces[DMM_PAD], u->bytes[DMM_PAD],
	    footprint(u));
}

/* Measures first and prints then, since printing may allocate.  There is one heap, so the totals
 * are the heap's. */
EXPORT int malloc_info(int options, FILE *out)
{
	struct usage u;

	if (options != 0)
		return EINVAL;
	interpose_measure(&u);
	fprintf(out, "<malloc version=\"1\">\n<heap nr=\"0\" name=\"%s\">\n", u.system);
	print_totals(out, &u);
	fprintf(out, "</heap>\n");
	print_totals(out, &u);
	fprintf(out, "</malloc>\n");
	return 0;
}

EXPORT int malloc_trim(size_t pad)
{
	return interpose_trim(pad) != 0;
}

/* Only M_PERTURB means the same in every design and has an effect.  The other parameters name
 * mechanisms that a design does not have, or sets by DMM_CONF; mallopt accepts and ignores them,
 * since a program works without them.  Returns 0 for an unknown parameter or a value out of its
 * range. */
EXPORT int mallopt(int param, int value)
{
	enum { MXFAST_MOST = 80 * sizeof(size_t) / 4 }; /* glibc's bound */

	switch (param) {
	case M_PERTURB:
		return interpose_perturb((unsigned char)value);
	case M_MXFAST:
		return value >= 0 && value <= (int)MXFAST_MOST;
	case M_NLBLKS:
	case M_GRAIN:
	case M_KEEP:
	case M_TRIM_THRESHOLD:
	case M_TOP_PAD:
	case M_MMAP_THRESHOLD:
	case M_MMAP_MAX:
	case M_CHECK_ACTION:
	case M_ARENA_TEST:
	case M_ARENA_MAX:
		return 1;
	default:
		return 0;
	}
}

/* no copy(): mallinfo is marked deprecated */
EXPORT struct mallinfo __libc_mallinfo(void) __attribute__((alias("mallinfo")));
EXPORT int __libc_mallopt(int param, int value) ALIAS(mallopt);

/* ---- for people ------------------------------------------------------------------------------ */

static void say(int fd, const char *line, size_t n)
{
	const int saved = errno;
	while (write(fd, line, n) < 0 && errno == EINTR)
		;
	errno = saved;
}

static void say_usage(int fd)
{
	struct usage u;
	struct rusage process;
	char line[512];

	interpose_measure(&u);
	getrusage(RUSAGE_SELF, &process);
	const size_t asked = u.calls[USAGE_MALLOC] + u.calls[USAGE_CALLOC] +
	                     u.calls[USAGE_REALLOC] + u.calls[USAGE_ALIGNED] + u.calls[USAGE_FREE];
	if (asked != 0)
		say(fd, line,
		    crash_format(line, sizeof line,
		        "dmm: %s[%u]: %u malloc, %u calloc, %u realloc, %u aligned, %u free\n",
		        u.system, (size_t)getpid(), u.calls[USAGE_MALLOC], u.calls[USAGE_CALLOC],
		        u.calls[USAGE_REALLOC], u.calls[USAGE_ALIGNED], u.calls[USAGE_FREE]));
	say(fd, line,
	    crash_format(line, sizeof line,
	        "dmm: %s[%u]: %u bytes = %u live in %u + %u free in %u + %u meta + %u pad; "
	        "peak RSS %u KiB\n",
	        u.system, (size_t)getpid(), footprint(&u), u.bytes[DMM_LIVE], u.pieces[DMM_LIVE],
	        u.bytes[DMM_FREE], u.pieces[DMM_FREE], u.bytes[DMM_META], u.bytes[DMM_PAD],
	        (size_t)process.ru_maxrss));
}

EXPORT void malloc_stats(void)
{
	say_usage(STDERR_FILENO);
}

void usage_at_exit(void)
{
	const int saved = errno;
	exit_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, HIGH_FD);
	if (exit_fd < 0)
		exit_fd = STDERR_FILENO;
	errno = saved;
}

static __attribute__((destructor)) void say_at_exit(void)
{
	if (exit_fd != NO_FD)
		say_usage(exit_fd);
}
