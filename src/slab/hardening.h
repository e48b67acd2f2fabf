/* hardening.h - the settings of slab: what the hardened preset turns on, each also alone.
 *
 *   DMM_CONF=hardened           canary, zero_on_free, check_on_reuse, quarantine:1024, random_order,
 *                               guard_large, readonly_conf; later words change single ones
 *   canary:1                    bytes behind an object's end, checked when it is freed
 *   zero_on_free:1              what is freed is cleared
 *   check_on_reuse:1            and must still be clear when it is given out again (turns it on)
 *   quarantine:N                N more frees of the thread until an object is given out again
 *   random_order:1              which free object is next cannot be foreseen
 *   guard_large:1               inaccessible pages before and behind every large object
 *   readonly_conf:1             these settings lie on a page that is read-only after the start
 *   file:PATH                   and what this file says, in the same words
 *
 * With any of them on, no thread has a stack of the hit path (thread_cache.h): every call misses and
 * comes to hardened.c.  With none, nobody asks, but on the slow path.
 */
#ifndef SLAB_HARDENING_H
#define SLAB_HARDENING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QUARANTINE_MAX = 1 << 20, HARDENING_PAGE = 4096 };

union hardening_page {
	struct hardening {
		bool on; /* any of these */
		bool canary, zero_on_free, check_on_reuse, random_order, guard_large, readonly_conf;
		bool guard_advice;   /* the kernel has MADV_GUARD_INSTALL */
		uint32_t quarantine; /* frees */
		uint64_t secret;     /* of this process: what canaries are made of */
		uint64_t canary_bytes; /* eight times the same, its top bit set */
	} is;
	char page[HARDENING_PAGE];
};
extern __attribute__((visibility("hidden"))) union hardening_page hardening_page;
#define hardening (hardening_page.is)

/* The text of the settings, NULL: none.  Defined where a program's settings are read; elsewhere (in the
 * lab, which drives slab as one design of many) there is none. */
extern __attribute__((weak)) const char *slab_settings_text(void);

/* The i-th key, what it says in one line, the largest value (the least is 0), and its value now. */
enum { HARDENING_KEYS = 7 };
const char *hardening_key(size_t i);
const char *hardening_doc(size_t i);
size_t hardening_most(size_t i);
size_t hardening_value(size_t i);

/* One word that was read, as it is told to who listens. */
struct hardening_heard {
	const char *file; /* NULL: it came from the text itself */
	size_t line;      /* in the file */
	const char *key, *value; /* value: NULL for the word "hardened" alone */
	const char *problem;     /* NULL: it was obeyed */
};
typedef void hardening_listener(void *arg, const struct hardening_heard *heard);

/* Obey a text, or a file, on top of what is set.  listener: NULL for mistakes to stderr. */
void hardening_obey(const char *text, hardening_listener *listener, void *arg);
void hardening_obey_file(const char *path, hardening_listener *listener, void *arg);

/* Read them, once, before the first object; says every mistake in a line. */
void hardening_read(void);
/* The heap is there: ask the kernel what it has, and close the page. */
void hardening_settle(void);
/* As if nothing had been set. */
void hardening_reset(void);

#endif
