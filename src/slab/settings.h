/* settings.h - the settings of slab: its constants, and what the hardened preset turns on.
 *
 *   DMM_CONF=key:value,...      the last word counts; a size may end in k, m or g
 *
 * What each key does stands in the table of settings.c, and `dmm config --system=slab` prints it.
 * Only what one line cannot say stands here:
 *
 *   magazine_*                   the magazine of a thread and a size class (fast.h)
 *   dirty_*                     the larger of both is the limit of free pages; purge.h has the rest
 *   huge_from_mib:16            below twice this size (or 128 MiB more) only chunks that are nearly
 *                               full become huge pages, and so do those below 16 MiB once the heap
 *                               is twice as large
 *   grow_ahead_*                the heap grows by the larger of both, at most to the end of the
 *                               metadata
 *   observe:1                   prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)
 *   sized:report                a free that gives another size than the object's is reported once,
 *                               and the object is freed; ignore: without a line; abort: the program
 *                               ends
 *
 *   hardened                    canary, zero_on_free, check_on_reuse, quarantine:1024,
 *                               random_order, guard_large, guard_copy, readonly_conf, guarded,
 *                               guarded_every:2000, sized:abort, mismatch:abort; later words
 *                               change single ones
 *   check_on_reuse:1            turns zero_on_free on
 *   readonly_conf:1             the settings lie on a page of their own, which becomes read-only
 *   guarded:1                   guarded.h; each of the guarded_slots takes 64 KiB of addresses
 *
 *   profile:512k                profile.h; the mean distance of two samples
 *
 *   file:PATH                   read more settings from this file, in the same words
 *
 * They are read once, before the first object.  The fast path (fast.h) reads none of them.  While
 * any hardening is on, no thread has a magazine (thread_cache.h): every call takes the slow path
 * and comes to hardened.c.  While none is on, only the slow path looks.
 */
#ifndef SLAB_SETTINGS_H
#define SLAB_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf_table.h"
#include "base/config.h"

enum { CANARY_KEYS = 8, QUARANTINE_MAX = 1 << 20, SETTINGS_PAGE = PAGE_MOST, STATS_PATH = 384 };
#define SETTING_NEVER SIZE_MAX

struct hardening {
	/* every call misses the fast path: for any of these, or to count calls, or for M_PERTURB */
	bool on;
	bool alone; /* on, and there is no other duty: no counting, no profile */
	bool detour; /* slow paths have additional duties: on, or a profile is taken */
	bool runs; /* for any of these guard_large.c serves large objects */
	bool canary, zero_on_free, check_on_reuse, random_order;
	bool guard_large, guard_copy, readonly_conf;
	/* canary, zero_on_free, check_on_reuse and a quarantine: then most calls take the short way
	 * through hardened.c, which looks at no other setting */
	bool usual;
	bool origins; /* new and delete set and check marks: canary, and mismatch */
	bool guard_advice;     /* the kernel has MADV_GUARD_INSTALL */
	size_t quarantine;     /* frees */
	uint64_t secret;       /* of this process and its children */
	const struct canary_key *key; /* the newest of keys: what new canaries are made of */
	struct canary_key {
		uint64_t mask, factor; /* factor: odd */
	} keys[CANARY_KEYS];
	/* the damaged canaries that this process and all processes with the same ancestors found,
	 * or NULL */
	_Atomic uint32_t *damaged;
};

/* It needs no path but the slow one, so it is not part of hardening.on. */
struct guarding {
	bool on, report;
	size_t every, slots;
};

/* profile.h: every malloc then misses the fast path, but frees hit it. */
struct sampling {
	size_t mean; /* bytes; 0: no profile */
};

struct tuning {
	size_t magazine_bytes, magazine_min_objects, magazine_max_objects;
	size_t dirty_floor_bytes, dirty_share_permille;
	size_t purge_age_ms, purge_tick_ms, purge_again_ms;
	bool   helper;
	size_t huge_from_mib; /* or SETTING_NEVER */
	size_t grow_ahead_percent, grow_ahead_mib;
	size_t move_from_bytes; /* or SETTING_NEVER */
	bool   observe;
};

enum sized { SIZED_REPORT, SIZED_IGNORE, SIZED_ABORT };

/* Settings that only the library in malloc's place reads. */
struct surface {
	bool stats, deepbind, stats_exit;
	size_t sized, mismatch; /* enum sized */
	size_t stats_interval_s, stats_signal; /* 0: none */
	size_t stats_format;                   /* enum dmm_stats_format */
	char stats_file[STATS_PATH];           /* "": stderr */
	bool profile_exit;
	size_t profile_interval_s, profile_signal; /* 0: none */
	char profile_file[STATS_PATH];
};

/* Not written to unless a setting asks for it. */
union settings_page {
	struct slab_settings {
		struct hardening hard;
		struct tuning tuned;
		struct guarding guards;
		struct sampling samples;
		struct surface shown;
	} is;
	char page[SETTINGS_PAGE];
};
extern HIDDEN union settings_page settings_page;
#define hardening (settings_page.is.hard)
#define tuning    (settings_page.is.tuned)
#define guarding  (settings_page.is.guards)
#define sampling (settings_page.is.samples)
#define surface   (settings_page.is.shown)

/* The text of the settings, NULL: none.  Defined where a program's settings are read; elsewhere (in
 * the lab, which drives slab as one design of many) there is none. */
extern __attribute__((weak)) const char *slab_settings_text(void);
/* The settings that apply before that: "hardened" in libdmm-hardened.so. */
extern __attribute__((weak)) const char *slab_settings_preset(void);

/* The i-th key, its one-line description, and whether the word "hardened" sets it too; then its
 * value now and its possible values, into a buffer of `cap` bytes. */
enum { SLAB_SETTINGS = 40 };
const char *slab_setting_key(size_t i);
const char *slab_setting_doc(size_t i);
bool slab_setting_hardens(size_t i);
void slab_setting_value(size_t i, char *buf, size_t cap);
void slab_setting_range(size_t i, char *buf, size_t cap);
/* The key that a word sets: stats:interval:5 sets stats_interval_s, most words their own.
 * value may be NULL. */
const char *slab_setting_meant(const char *key, const char *value);

/* Set every key of a text, or of a file, in the one page that the process has; the listener
 * hears of each. */
void slab_settings_obey(const char *text, conf_listener *listener, void *arg);
void slab_settings_obey_file(const char *path, conf_listener *listener, void *arg);

/* Read the settings, once, before the first object; prints one line for every mistake. */
void slab_settings_read(void);
/* The heap exists: ask the kernel for its abilities, admit observers, and close the page. */
void slab_settings_settle(void);
/* In a child of fork(): set again the properties that the kernel does not pass on. */
void slab_settings_after_fork(void);
/* 8 bytes that the kernel gives every process: the same in children. */
uint64_t settings_secret(void);
/* A random number of the calling thread, another one at each call, and never 0. more: further bits
 * that distinguish it from others. */
uint64_t settings_seed(uint64_t more);
/* As if nothing had been set. */
void slab_settings_reset(void);

#endif
