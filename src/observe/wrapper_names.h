/* wrapper_names.h - functions that hand an allocation on: whoever called them is the one to be named.
 *
 * By the linker's names.  The recorder climbs beyond them, so that a stack reaches the program's own
 * function; the readers of recordings leave them out.
 */
#ifndef OBSERVE_WRAPPER_NAMES_H
#define OBSERVE_WRAPPER_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool wrapper_begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

/* std::, __gnu_cxx:: and operator new.  An Itanium name begins with what it belongs to. */
static inline bool wrapper_is_cxx(const char *name)
{
	static const char *const begins[] = {"_Zn", "_ZNSt", "_ZNKSt", "_ZSt", "_ZNSa", "_ZNSs", "_ZNKSs", "_ZNKSa",
	    "_ZN9__gnu_cxx", "_ZNK9__gnu_cxx"};

	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
		if (wrapper_begins(name, begins[i]))
			return true;
	return false;
}

/* alloc, core, std and hashbrown, by the crate that a name of Rust's begins with: "_ZN5alloc", "_ZN67_$LT$alloc.." of
 * the older scheme; "...Cs1234_5alloc" of the newer. */
static inline bool wrapper_is_rust(const char *name)
{
	static const char *const crates[] = {"5alloc", "4core", "3std", "9hashbrown"};
	const char *root;

	if (wrapper_begins(name, "__rust_") || wrapper_begins(name, "__rdl_") || wrapper_begins(name, "__rg_"))
		return true;
	if (wrapper_begins(name, "_ZN")) {
		for (size_t i = 0; i < sizeof crates / sizeof *crates; i++)
			if (wrapper_begins(name + 3, crates[i]))
				return true;
		root = strstr(name, "_$LT$");
		if (root == NULL || root - name > 6)
			return false;
		for (size_t i = 0; i < sizeof crates / sizeof *crates; i++)
			if (wrapper_begins(root + 5, crates[i] + 1))
				return true;
		return false;
	}
	if (!wrapper_begins(name, "_R"))
		return false;
	root = strstr(name, "Cs"); /* Cs, base-62 number, _, length, name */
	if (root == NULL || (root = strchr(root, '_')) == NULL)
		return false;
	for (size_t i = 0; i < sizeof crates / sizeof *crates; i++)
		if (wrapper_begins(root + 1, crates[i]))
			return true;
	return false;
}

/* zmalloc, xrealloc, g_strdup, CRYPTO_zalloc, PyMem_RawMalloc: a short prefix and a word that C has for it. */
static inline bool wrapper_is_c(const char *name)
{
	static const char *const words[] = {"malloc", "calloc", "realloc", "zalloc", "alloc0", "malloc0", "strdup",
	    "strndup", "memdup", "memdup0", "reallocarray", "mallocarray", "malloc_n", "malloc0_n", "realloc_n",
	    "memalign", "aligned_alloc", "asprintf", "vasprintf", "Malloc", "Calloc", "Realloc", "malloc_usable",
	    "calloc_usable", "realloc_usable", "malloc_internal", "malloc_usable_internal", "calloc_usable_internal",
	    "realloc_usable_internal"};
	enum { PREFIX_MAX = 12 };
	const size_t len = strlen(name);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		const size_t n = strlen(words[i]);
		if (len >= n && len - n <= PREFIX_MAX && strcmp(name + len - n, words[i]) == 0)
			return true;
	}
	return false;
}

/* "_Z7zmallocm" and "_ZL7xmallocm": such a function compiled as C++. */
static inline bool wrapper_is_free_function(const char *name)
{
	const char *s = name + 2 + (name[2] == 'L');
	char plain[32];
	size_t n = 0;

	for (; *s >= '0' && *s <= '9' && n < sizeof plain; s++)
		n = n * 10 + (size_t)(*s - '0');
	if (n == 0 || n >= sizeof plain || strnlen(s, n) < n)
		return false;
	memcpy(plain, s, n);
	plain[n] = '\0';
	return wrapper_is_c(plain);
}

static inline bool wrapper_name(const char *name)
{
	if (wrapper_begins(name, "_Z"))
		return wrapper_is_cxx(name) || wrapper_is_rust(name) || wrapper_is_free_function(name);
	return wrapper_is_rust(name) || wrapper_is_c(name);
}

#endif
