/* wrapper_names.h - functions that hand an allocation on: whoever called them is
 * the one to be named.
 *
 * By the linker's names.  The recorder climbs beyond them, so that a stack reaches the program's
 * own function; the readers of recordings leave them out.
 */
#ifndef OBSERVE_WRAPPER_NAMES_H
#define OBSERVE_WRAPPER_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool wrapper_begins(const char *name, const char *with)
{
	return *name == *with && strncmp(name, with, strlen(with)) == 0;
}

/* std::, __gnu_cxx:: and operator new.  An Itanium name begins with what it belongs to: N
 * for a nested name, K for a const function, then St, Sa or Ss for std::, std::allocator
 * and std::string. */
static inline bool wrapper_is_cxx(const char *name)
{
	const char *s = name + 2;

	if (*s == 'n')
		return true;
	const bool nested = *s == 'N';
	s += nested;
	s += nested && *s == 'K';
	if (s[0] == 'S')
		return s[1] == 't' || (nested && (s[1] == 'a' || s[1] == 's'));
	return nested && wrapper_begins(s, "9__gnu_cxx");
}

/* alloc, core, std and hashbrown: the length of the name and the name, as both schemes of
 * Rust's write them. */
static inline bool wrapper_is_crate(const char *name, size_t skip)
{
	static const char *const crates[] = {"5alloc", "4core", "3std", "9hashbrown"};

	for (size_t i = 0; i < sizeof crates / sizeof *crates; i++)
		if (wrapper_begins(name, crates[i] + skip))
			return true;
	return false;
}

/* "_ZN5alloc.." or "_ZN67_$LT$alloc..": the older scheme. */
static inline bool wrapper_is_old_rust(const char *name)
{
	const char *s = name + 3;

	if (name[2] != 'N' || *s < '0' || *s > '9')
		return false;
	if (wrapper_is_crate(s, 0))
		return true;
	while (*s >= '0' && *s <= '9')
		s++;
	return wrapper_begins(s, "_$LT$") && wrapper_is_crate(s + 5, 1);
}

/* "_R...Cs1234_5alloc": the newer scheme.  Cs, a number in base 62, _, the crate. */
static inline bool wrapper_is_new_rust(const char *name)
{
	const char *root = strstr(name, "Cs");

	return root != NULL && (root = strchr(root, '_')) != NULL && wrapper_is_crate(root + 1, 0);
}

/* Most names of a program end otherwise than the words of wrapper_is_c() do; len >= 2. */
static inline bool wrapper_may_end(const char *name, size_t len)
{
	const char before = name[len - 2];

	switch (name[len - 1]) {
	case 'c':
		return before == 'o';
	case '0':
		return before == 'c' || before == 'p';
	case 'p':
		return before == 'u';
	case 'y':
		return before == 'a';
	case 'n':
		return before == '_' || before == 'g';
	case 'f':
		return before == 't';
	case 'e':
		return before == 'l';
	case 'l':
		return before == 'a';
	default:
		return false;
	}
}

/* zmalloc, xrealloc, g_strdup, CRYPTO_zalloc, PyMem_RawMalloc: a short prefix and a word
 * that C has for it. */
static inline bool wrapper_is_c(const char *name, size_t len)
{
	static const char *const words[] = {"malloc", "calloc", "realloc", "zalloc", "alloc0",
	    "malloc0", "strdup", "strndup", "memdup", "memdup0", "reallocarray", "mallocarray",
	    "malloc_n", "malloc0_n", "realloc_n", "memalign", "aligned_alloc", "asprintf",
	    "vasprintf", "Malloc", "Calloc", "Realloc", "malloc_usable", "calloc_usable",
	    "realloc_usable", "malloc_internal", "malloc_usable_internal", "calloc_usable_internal",
	    "realloc_usable_internal"};
	enum { PREFIX_MAX = 12 };

	if (len < 2 || !wrapper_may_end(name, len))
		return false;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		const size_t n = strlen(words[i]);
		if (len >= n && len - n <= PREFIX_MAX && memcmp(name + len - n, words[i], n) == 0)
			return true;
	}
	return false;
}

/* "_Z7zmallocm" and "_ZL7xmallocm": such a function compiled as C++. */
static inline bool wrapper_is_free_function(const char *name)
{
	const char *s = name + 2 + (name[2] == 'L');
	size_t n = 0;

	for (; *s >= '0' && *s <= '9' && n < 32; s++)
		n = n * 10 + (size_t)(*s - '0');
	return n != 0 && n < 32 && strnlen(s, n) == n && wrapper_is_c(s, n);
}

/* By the linker's name of a function.  The recorder asks this of every function of a program:
 * 28,000 in cc1 took 12 ms with a loop over all words for each, and take 1 ms now. */
static inline bool wrapper_name(const char *name)
{
	if (name[0] == '_') {
		if (name[1] == 'Z')
			return wrapper_is_cxx(name) || wrapper_is_old_rust(name) ||
			       wrapper_is_free_function(name);
		if (name[1] == 'R' && wrapper_is_new_rust(name))
			return true;
		if (wrapper_begins(name, "__rust_") || wrapper_begins(name, "__rdl_") ||
		    wrapper_begins(name, "__rg_"))
			return true;
	}
	return wrapper_is_c(name, strlen(name));
}

#endif
