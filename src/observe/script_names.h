/* script_names.h - functions of a script (Python), as a recording names them.
 *
 * An interpreter's function has no address of its own.  The recorder numbers the pairs of function
 * and line that allocate, and uses TRACE_SCRIPT + number as the address of such a frame.  A block
 * of kind SYMBOLS names each: "10000000000001 Class.method (/home/a/b.py:12)".
 */
#ifndef OBSERVE_SCRIPT_NAMES_H
#define OBSERVE_SCRIPT_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Above all addresses of a process: below 2^47 or 2^48, if it does not ask for more. */
#define TRACE_SCRIPT ((uint64_t)1 << 52)
enum { SCRIPTS_MAX = 1 << 20, SCRIPT_TEXT_LEN = 1024 /* bytes of a name with its file and line */ };

static inline bool script_is_address(uint64_t addr)
{
	return addr - TRACE_SCRIPT < SCRIPTS_MAX;
}

/* The code that runs an `import`: Python's tracebacks omit it. */
static inline bool script_is_import(const char *path)
{
	return strncmp(path, "<frozen importlib.", 18) == 0;
}

/* Is this a file of Python's standard library: "/usr/lib/python3.11/json/decoder.py", "<frozen
 * importlib._bootstrap>"? A program calls it as a C++ program calls std::, so the line to show is
 * the program's. Packages next to it (site-packages, dist-packages) are not part of it. */
static inline bool script_is_library(const char *path)
{
	const char *s = path;

	if (strncmp(path, "<frozen ", 8) == 0)
		return true;
	while ((s = strstr(s, "/python")) != NULL) {
		s += strlen("/python");
		const char *rest = s + strspn(s, "0123456789.t");
		if (strchr(s, '.') != NULL && strchr(s, '.') < rest && rest[0] == '/')
			return strstr(rest, "/site-packages/") == NULL &&
			       strstr(rest, "/dist-packages/") == NULL;
	}
	return false;
}

#endif
