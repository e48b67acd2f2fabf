/* copies.c - memcpy, strcpy, sprintf and their kin, past the end of objects of eight sizes.
 *
 *   LD_PRELOAD=libdmm-hardened.so copies [--fortified]
 *
 * Each overflow, by 1, 8 and 32 bytes and 1 MiB, from the start and from the middle of an object,
 * is made in a child.  Fails if one is not named by its line, or if a copy that ends where the
 * object does, or one to the stack or to a global, does not go through.  --fortified: by
 * __memcpy_chk and so on, which the compiler calls under _FORTIFY_SOURCE.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZES = 8, LENGTHS = 4, MOST = 4 << 20, FEW_GRANULES = 3 << 14 };
static const size_t sizes[SIZES] = {8, 24, 100, 1000, 5000, 40000, 200000, 1 << 20};
static const size_t lengths[LENGTHS] = {1, 8, 32, 1 << 20};

static char source[MOST]; /* all 's' */

/* n bytes of a string, the last of them its end. */
static const char *string(size_t n)
{
	return source + sizeof source - n;
}

static void begin_string(char *to)
{
	to[0] = 's';
	to[1] = '\0';
}

/* Write n bytes. */
enum { MEMCPY, MEMMOVE, MEMPCPY, MEMSET, STRCPY, STPCPY, STRNCPY, STPNCPY, STRCAT, STRNCAT, SPRINTF,
	VSPRINTF, SNPRINTF, VSNPRINTF, CALLS };
static const char *const names[CALLS] = {"memcpy", "memmove", "mempcpy", "memset", "strcpy",
    "stpcpy", "strncpy", "stpncpy", "strcat", "strncat", "sprintf", "sprintf", "snprintf",
    "snprintf"};

static void print(int which, char *to, size_t n, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (which == VSPRINTF)
		vsprintf(to, format, args);
	else
		vsnprintf(to, n, format, args);
	va_end(args);
}

static void plain(int which, char *to, size_t n)
{
	switch (which) {
	case MEMCPY: memcpy(to, source, n); break;
	case MEMMOVE: memmove(to, source, n); break;
	case MEMPCPY: mempcpy(to, source, n); break;
	case MEMSET: memset(to, 'x', n); break;
	case STRCPY: strcpy(to, string(n)); break;
	case STPCPY: stpcpy(to, string(n)); break;
	case STRNCPY: strncpy(to, string(n), n); break;
	case STPNCPY: stpncpy(to, string(n), n); break;
	case STRCAT: begin_string(to), strcat(to, string(n - 1)); break;
	case STRNCAT: begin_string(to), strncat(to, string(n - 1), n + 7); break;
	case SPRINTF: sprintf(to, "%s", string(n)); break;
	case SNPRINTF: snprintf(to, n, "%s", string(n)); break;
	default: print(which, to, n, "%s", string(n)); break;
	}
}

/* The functions that the compiler calls under _FORTIFY_SOURCE when it assumes that the destination
 * has MOST bytes. */
void *__memcpy_chk(void *to, const void *from, size_t n, size_t len);
void *__memmove_chk(void *to, const void *from, size_t n, size_t len);
void *__mempcpy_chk(void *to, const void *from, size_t n, size_t len);
void *__memset_chk(void *to, int byte, size_t n, size_t len);
char *__strcpy_chk(char *to, const char *from, size_t len);
char *__stpcpy_chk(char *to, const char *from, size_t len);
char *__strncpy_chk(char *to, const char *from, size_t n, size_t len);
char *__stpncpy_chk(char *to, const char *from, size_t n, size_t len);
char *__strcat_chk(char *to, const char *from, size_t len);
char *__strncat_chk(char *to, const char *from, size_t n, size_t len);
int __sprintf_chk(char *to, int flag, size_t len, const char *format, ...);
int __snprintf_chk(char *to, size_t n, int flag, size_t len, const char *format, ...);
int __vsprintf_chk(char *to, int flag, size_t len, const char *format, va_list args);
int __vsnprintf_chk(char *to, size_t n, int flag, size_t len, const char *format, va_list args);

static void print_fortified(int which, char *to, size_t n, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (which == VSPRINTF)
		__vsprintf_chk(to, 1, MOST, format, args);
	else
		__vsnprintf_chk(to, n, 1, MOST, format, args);
	va_end(args);
}

static void fortified(int which, char *to, size_t n)
{
	switch (which) {
	case MEMCPY: __memcpy_chk(to, source, n, MOST); break;
	case MEMMOVE: __memmove_chk(to, source, n, MOST); break;
	case MEMPCPY: __mempcpy_chk(to, source, n, MOST); break;
	case MEMSET: __memset_chk(to, 'x', n, MOST); break;
	case STRCPY: __strcpy_chk(to, string(n), MOST); break;
	case STPCPY: __stpcpy_chk(to, string(n), MOST); break;
	case STRNCPY: __strncpy_chk(to, string(n), n, MOST); break;
	case STPNCPY: __stpncpy_chk(to, string(n), n, MOST); break;
	case STRCAT: begin_string(to), __strcat_chk(to, string(n - 1), MOST); break;
	case STRNCAT: begin_string(to), __strncat_chk(to, string(n - 1), n + 7, MOST); break;
	case SPRINTF: __sprintf_chk(to, 1, MOST, "%s", string(n)); break;
	case SNPRINTF: __snprintf_chk(to, n, 1, MOST, "%s", string(n)); break;
	default: print_fortified(which, to, n, "%s", string(n)); break;
	}
}

static bool is_fortified;

static void call(int which, char *to, size_t n)
{
	(is_fortified ? fortified : plain)(which, to, n);
}

/* The child's message on stderr, and its end. */
static int in_child(int which, char *object, char *to, size_t n, char *said, size_t cap)
{
	int ends[2];
	if (pipe(ends) != 0)
		exit(2);
	const pid_t child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		dup2(ends[1], STDERR_FILENO);
		call(which, to, n);
		free(object);
		_exit(0);
	}
	close(ends[1]);
	size_t len = 0;
	for (ssize_t got; (got = read(ends[0], said + len, cap - 1 - len)) > 0; len += (size_t)got)
		;
	said[len] = '\0';
	close(ends[0]);
	int status = -1;
	waitpid(child, &status, 0);
	return status;
}

static int failures, cells;

static void cell(int which, size_t size, size_t from, size_t over)
{
	char wanted[100], said[400];
	char *volatile p = malloc(size);
	const size_t n = size - from + over;
	snprintf(wanted, sizeof wanted, "dmm: %s past the end: %p (%zu bytes)\n", names[which],
	    (void *)p, size);

	const int status = in_child(which, p, p + from, n, said, sizeof said);
	/* Far from the start of a large object only its canary and the guard after it can catch a
	 * write. */
	const bool named = strcmp(said, wanted) == 0;
	const bool stopped = from >= FEW_GRANULES && WIFSIGNALED(status);
	const bool good = over == 0 ? status == 0 && said[0] == '\0'
	                            : WIFSIGNALED(status) && (named || stopped);
	cells++;
	if (!good) {
		failures++;
		printf("%s of %zu bytes, %zu past the end of %zu: status %x, said %s\n",
		    names[which], n, over, size, (unsigned)status, said);
	}
	free(p);
}

static char global[100];

static bool elsewhere_goes_through(int which)
{
	char local[100];
	call(which, local, sizeof local);
	call(which, global, sizeof global);
	return memcmp(local, global, sizeof local) == 0;
}

int main(int argc, char **argv)
{
	memset(source, 's', sizeof source - 1);
	is_fortified = argc > 1 && strcmp(argv[1], "--fortified") == 0;
	for (int which = 0; which < CALLS; which++) {
		if (!elsewhere_goes_through(which)) {
			failures++;
			printf("%s to the stack and to a global\n", names[which]);
		}
		for (size_t i = 0; i < SIZES; i++)
			for (size_t middle = 0; middle < 2; middle++) {
				const size_t from = middle * (sizes[i] / 2 + 1);
				cell(which, sizes[i], from, 0);
				for (size_t k = 0; k < LENGTHS; k++)
					cell(which, sizes[i], from, lengths[k]);
			}
	}
	printf("%d cells, %d failed\n", cells, failures);
	return failures != 0;
}
