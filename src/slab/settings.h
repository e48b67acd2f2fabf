/* settings.h - the settings of slab: its constants, and what the hardened preset turns on.
 *
 *   DMM_CONF=key:value,...      the last word counts; a size may end in k, m or g
 *
 *   stack_bytes:64k             free objects of one class that a thread keeps at most, in bytes
 *   stack_least_objects:4       but at least so many,
 *   stack_most_objects:255      and at most so many, which counts more
 *   dirty_floor_bytes:1m        memory without a live object that may stay: so much,
 *   dirty_share_permille:125    or so much of what is in use, whichever is more
 *   purge_age_ms:400            what was touched more recently, the helper leaves for now
 *   purge_tick_ms:100           the helper looks so often
 *   purge_again_ms:1000         what was given back and is wanted again within this is kept the next time
 *   helper:1                    in a process with threads a thread of ours may give memory back; 0: never
 *   huge_from_mib:16            huge pages beyond this, up to twice this (or 128 MiB more) where a chunk is
 *                               nearly full, and so below it once the heap is twice as large; never: none
 *   grow_ahead_percent:25       of the heap is made accessible ahead of need,
 *   grow_ahead_mib:0            and so much in any case; both end where the metadata does
 *   move_from_bytes:256k        a large object that moves keeps its pages from this size on; never: copied
 *   observe:1                   dmm top and dmm show may look in where Yama forbids it: PR_SET_PTRACER
 *   sized:report                a free that names another size than the object's: one line for the first such, and
 *                               the object is freed; ignore: no line; abort: the line ends the program
 *   stats:1                     calls and bytes on stderr when the program ends; every call misses then
 *   deepbind:1                  dlopen keeps RTLD_DEEPBIND (os/dlopen.h); otherwise it drops that flag
 *
 *   hardened                    canary, zero_on_free, check_on_reuse, quarantine:1024, random_order,
 *                               guard_large, readonly_conf, guarded, sized:abort; later words change single ones
 *   canary:1                    bytes behind an object's end, checked when it is freed
 *   zero_on_free:1              what is freed is cleared
 *   check_on_reuse:1            and must still be clear when it is given out again (turns it on)
 *   quarantine:N                N more frees of the thread until an object is given out again
 *   random_order:1              which free object is next cannot be foreseen
 *   guard_large:1               inaccessible pages before and behind every large object
 *   readonly_conf:1             these settings lie on a page that is read-only after the start
 *
 *   guarded:1                   one object of many stands alone between inaccessible pages (guarded.h); the
 *                               hardened preset turns it on, with guarded_every:2000
 *   guarded_every:5000          which one, is drawn: on average, one of so many
 *   guarded_slots:64            so many at once, and 64 KiB of addresses for each
 *   guarded_report:1            who hits a guard is told of in full, unless the program handles SIGSEGV
 *
 *   file:PATH                   and what this file says, in the same words
 *
 * They are read once, before the first object.  The fast path (fast.h) reads none of them.  With any of
 * the hardening on, no thread has a stack of the fast path (thread_cache.h): every call misses and comes
 * to hardened.c.  With none, nobody asks, but on the slow path.
 */
#ifndef SLAB_SETTINGS_H
#define SLAB_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"

enum { QUARANTINE_MAX = 1 << 20, SETTINGS_PAGE = 4096 };
#define SETTING_NEVER SIZE_MAX

struct hardening {
	bool on;   /* every call misses the fast path: any of these, or calls are counted, or M_PERTURB */
	bool runs; /* any of these: large objects are guarded.c's */
	bool canary, zero_on_free, check_on_reuse, random_order, guard_large, readonly_conf;
	bool guard_advice;     /* the kernel has MADV_GUARD_INSTALL */
	size_t quarantine;     /* frees */
	uint64_t secret;       /* of this process: what canaries are made of */
	uint64_t canary_bytes; /* eight times the same, its top bit set */
};

/* Needs no other path than the slow one, so it is no part of hardening.on. */
struct guarding {
	bool on, report;
	size_t every, slots;
};

struct tuning {
	size_t stack_bytes, stack_least_objects, stack_most_objects;
	size_t dirty_floor_bytes, dirty_share_permille;
	size_t purge_age_ms, purge_tick_ms, purge_again_ms;
	bool   helper;
	size_t huge_from_mib; /* or SETTING_NEVER */
	size_t grow_ahead_percent, grow_ahead_mib;
	size_t move_from_bytes; /* or SETTING_NEVER */
	bool   observe;
};

enum sized { SIZED_REPORT, SIZED_IGNORE, SIZED_ABORT };

/* What only the library that takes malloc's place looks at. */
struct surface {
	bool stats, deepbind;
	size_t sized; /* enum sized */
};

/* Never written to where nothing is set. */
union settings_page {
	struct slab_settings {
		struct hardening hard;
		struct tuning tuned;
		struct guarding guards;
		struct surface shown;
	} is;
	char page[SETTINGS_PAGE];
};
extern HIDDEN union settings_page settings_page;
#define hardening (settings_page.is.hard)
#define tuning    (settings_page.is.tuned)
#define guarding  (settings_page.is.guards)
#define surface   (settings_page.is.shown)

/* The text of the settings, NULL: none.  Defined where a program's settings are read; elsewhere (in the
 * lab, which drives slab as one design of many) there is none. */
extern __attribute__((weak)) const char *slab_settings_text(void);

/* The i-th key, what it says in one line, and whether the word "hardened" sets it too; then its value now
 * and what it may be, into a buffer of `cap` bytes. */
enum { SLAB_SETTINGS = 28 };
const char *slab_setting_key(size_t i);
const char *slab_setting_doc(size_t i);
bool slab_setting_hardens(size_t i);
void slab_setting_value(size_t i, char *buf, size_t cap);
void slab_setting_range(size_t i, char *buf, size_t cap);

/* One word that was read, as it is told to who listens. */
struct slab_heard {
	const char *file; /* NULL: it came from the text itself */
	size_t line;      /* in the file */
	const char *key, *value; /* value: NULL for the word "hardened" alone */
	const char *problem;     /* NULL: it was obeyed */
};
typedef void slab_listener(void *arg, const struct slab_heard *heard);

/* Obey a text, or a file, on top of what is set.  listener: NULL for mistakes to stderr. */
void slab_settings_obey(const char *text, slab_listener *listener, void *arg);
void slab_settings_obey_file(const char *path, slab_listener *listener, void *arg);

/* Read them, once, before the first object; says every mistake in a line. */
void slab_settings_read(void);
/* The heap is there: ask the kernel what it has, let observers in, and close the page. */
void slab_settings_settle(void);
/* In a child of fork(): what the kernel does not pass on. */
void slab_settings_after_fork(void);
/* 8 bytes that the kernel gives every process: the same in children. */
uint64_t settings_secret(void);
/* As if nothing had been set. */
void slab_settings_reset(void);

#endif
