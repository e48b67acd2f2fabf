/* settings.c - read slab's settings: see settings.h. */
#include "slab/settings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/crash.h"
#include "base/rng.h"
#include "os/os.h"
#include "slab/root.h"

#define TUNING_DEFAULTS                                                                            \
	{.magazine_bytes = 64 << 10, .magazine_min_objects = 4, .magazine_max_objects = 1151,      \
	    .dirty_floor_bytes = 1 << 20, .dirty_share_permille = 125, .purge_age_ms = 400,        \
	    .purge_tick_ms = 100, .purge_again_ms = 1000, .helper = true, .huge_from_mib = 16,     \
	    .grow_ahead_percent = 25, .grow_ahead_mib = 0, .move_from_bytes = 256 << 10}

enum { EVERY = 5000, EVERY_HARDENED = 2000 };
enum { USUAL_MEAN = 512 << 10 };
#define SURFACE_DEFAULTS                                                                           \
	{                                                                                          \
		.profile_file = "dmm-heap.%p.pb.gz"                                                \
	}
#define GUARDING_DEFAULTS {.on = false, .report = true, .every = EVERY, .slots = 64}

union settings_page settings_page __attribute__((aligned(SETTINGS_PAGE))) = {
    .is = {.tuned = TUNING_DEFAULTS, .guards = GUARDING_DEFAULTS, .shown = SURFACE_DEFAULTS}};

/* ---- the keys -------------------------------------------------------------------------------- */

/* Tags of a key.  A switch's field is a bool, a path's a char[STATS_PATH], every
 * other's a size_t. */
enum { SWITCH = 1, HARDENS = 2, PATH = 4, QUARANTINE = 1024 };

#define ON_OFF {"0", "1"}, 0, 0, true, SWITCH
#define HARDENING {"0", "1"}, 0, 0, true, SWITCH | HARDENS
#define NUMBER(least, most) {NULL}, least, most, true, 0
#define BYTES(most) {NULL}, 0, most, false, 0

static const struct conf_key keys[SLAB_SETTINGS] = {
    {"magazine_bytes",
        "the most bytes of free objects of one size class that a thread's magazine holds",
        BYTES(16 << 20), &tuning.magazine_bytes},
    {"magazine_min_objects",
        "the number of objects that a magazine may hold however large they are",
        NUMBER(1, MAGAZINE_LARGE_OBJECTS), &tuning.magazine_min_objects},
    {"magazine_max_objects",
        "the most objects that a magazine holds, at most 255 of those above 240 bytes; it "
        "overrides magazine_min_objects",
        NUMBER(1, MAGAZINE_OBJECTS_MAX), &tuning.magazine_max_objects},
    {"dirty_floor_bytes", "slab retains at least this many bytes of free pages before it purges",
        BYTES(1ul << 40), &tuning.dirty_floor_bytes},
    {"dirty_share_permille",
        "slab retains free pages up to this share of the memory in use before it purges",
        NUMBER(0, 1000), &tuning.dirty_share_permille},
    {"purge_age_ms", "the helper thread purges only pages that were free for this time",
        NUMBER(0, 3600000), &tuning.purge_age_ms},
    {"purge_tick_ms", "the helper thread looks for pages to purge at this interval",
        NUMBER(10, 60000), &tuning.purge_tick_ms},
    {"purge_again_ms",
        "slab retains pages that the program needs again soon after a purge; no later than this",
        NUMBER(0, 3600000), &tuning.purge_again_ms},
    {"helper", "slab may start a helper thread, which purges, in a process with several threads",
        ON_OFF, &tuning.helper},
    {"huge_from_mib",
        "slab uses huge pages from this heap size on, up to twice it only for nearly full chunks",
        {"never"}, 2, 512 << 10, true, 0, &tuning.huge_from_mib},
    {"grow_ahead_percent", "slab maps this share of its heap ahead of need", NUMBER(0, 1000),
        &tuning.grow_ahead_percent},
    {"grow_ahead_mib", "slab maps at least this much memory ahead of need", NUMBER(0, 128),
        &tuning.grow_ahead_mib},
    {"move_from_bytes",
        "realloc remaps the pages of objects of this size or more, and copies smaller ones",
        {"never"}, 0, 1ul << 40, false, 0, &tuning.move_from_bytes},
    {"observe", "dmm top and dmm show may read this process even where Yama restricts ptrace",
        ON_OFF, &tuning.observe},
    {"sized",
        "what slab does at a free with a wrong size: report the first one, ignore it, or abort",
        {[SIZED_REPORT] = "report", [SIZED_IGNORE] = "ignore", [SIZED_ABORT] = "abort"}, 0, 0, true,
        HARDENS, &surface.sized},
    {"mismatch",
        "what slab does when delete frees an object of malloc, or free one of new; needs canary:1",
        {[SIZED_REPORT] = "report", [SIZED_IGNORE] = "ignore", [SIZED_ABORT] = "abort"}, 0, 0, true,
        HARDENS, &surface.mismatch},
    {"stats", "print calls and bytes on stderr at exit; all calls then take the slow path", ON_OFF,
        &surface.stats},
    {"stats_exit", "report the heap's contents when the program ends; stats:exit is the same",
        ON_OFF, &surface.stats_exit},
    {"stats_interval_s", "the seconds between two reports; stats:interval:S is the same; 0: none",
        NUMBER(0, 86400), &surface.stats_interval_s},
    {"stats_signal", "the signal that causes a report; stats:signal:N is the same; 0: none",
        NUMBER(0, 64), &surface.stats_signal},
    {"stats_format", "the form of a report", {"text", "json", "openmetrics"}, 0, 0, true, 0,
        &surface.stats_format},
    {"stats_file", "the file that each report replaces, with %p for the process id", {NULL}, 0, 0,
        true, PATH, surface.stats_file},
    {"profile", "take a heap profile: one sample in this many bytes on average, e.g. 512k; 0: none",
        BYTES(1ul << 40), &sampling.mean},
    {"profile_exit", "write the heap profile when the program ends; profile:exit is the same",
        ON_OFF, &surface.profile_exit},
    {"profile_interval_s",
        "the seconds between two heap profiles; profile:interval:S is the same; 0: none",
        NUMBER(0, 86400), &surface.profile_interval_s},
    {"profile_signal",
        "the signal that causes a heap profile; profile:signal:N is the same; 0: none",
        NUMBER(0, 64), &surface.profile_signal},
    {"profile_file",
        "the file that a heap profile replaces; %p: the process id, %n: the profile's number",
        {NULL}, 0, 0, true, PATH, surface.profile_file},
    {"deepbind",
        "dlopen keeps RTLD_DEEPBIND, with which a library calls the C library's malloc, not slab's",
        ON_OFF, &surface.deepbind},
    {"canary", "write bytes behind each object and check them when it is freed", HARDENING,
        &hardening.canary},
    {"zero_on_free", "clear each object when it is freed", HARDENING, &hardening.zero_on_free},
    {"check_on_reuse", "check that a freed object is still clear when it is allocated again",
        HARDENING, &hardening.check_on_reuse},
    {"quarantine",
        "a freed object is not allocated again before the thread has freed this many others",
        {NULL}, 0, QUARANTINE_MAX, true, HARDENS, &hardening.quarantine},
    {"random_order", "allocate the free objects of a slab in random order", HARDENING,
        &hardening.random_order},
    {"guard_large", "put inaccessible pages around large objects, and before some slabs", HARDENING,
        &hardening.guard_large},
    {"guard_copy",
        "libdmm-hardened.so ends a program whose memcpy, strcpy, ... would write past an object",
        HARDENING, &hardening.guard_copy},
    {"readonly_conf", "make slab's settings read-only once they are read", HARDENING,
        &hardening.readonly_conf},
    {"guarded", "allocate a random sample of objects between inaccessible pages", HARDENING,
        &guarding.on},
    {"guarded_every", "one of this many objects, on average, is guarded", {NULL}, 1, 1ul << 40,
        true, HARDENS, &guarding.every},
    {"guarded_slots", "the most objects that are guarded at once", NUMBER(1, 1 << 16),
        &guarding.slots},
    {"guarded_report", "explain an access to a guard page, unless the program handles SIGSEGV",
        ON_OFF, &guarding.report},
};

const char *slab_setting_key(size_t i)
{
	return keys[i].name;
}

const char *slab_setting_doc(size_t i)
{
	return keys[i].doc;
}

bool slab_setting_hardens(size_t i)
{
	return (keys[i].tag & HARDENS) != 0;
}

static struct conf_value value_of(const struct conf_key *k)
{
	if ((k->tag & SWITCH) != 0)
		return (struct conf_value){.word = *(const bool *)k->at};
	const size_t x = *(const size_t *)k->at;
	if (k->most == 0)
		return (struct conf_value){.word = (int)x};
	return (struct conf_value){k->words[0] != NULL && x == SETTING_NEVER ? 0 : -1, x};
}

void slab_setting_value(size_t i, char *buf, size_t cap)
{
	const struct conf_key *const k = &keys[i];

	if ((k->tag & PATH) != 0)
		crash_format(buf, cap, "%s",
		    *(const char *)k->at != '\0' ? (const char *)k->at : "stderr");
	else
		conf_print(k, value_of(k), buf, cap);
}

void slab_setting_range(size_t i, char *buf, size_t cap)
{
	if ((keys[i].tag & PATH) != 0)
		crash_format(buf, cap, "stderr, or a path");
	else
		conf_range(&keys[i], buf, cap);
}

/* ---- setting them ---------------------------------------------------------------------------- */

static void assign(const struct conf_key *k, struct conf_value v)
{
	if ((k->tag & SWITCH) != 0)
		*(bool *)k->at = v.word == 1;
	else if (v.word >= 0)
		*(size_t *)k->at = k->most != 0 ? SETTING_NEVER : (size_t)v.word;
	else
		*(size_t *)k->at = v.number;
}

static void harden(bool to)
{
	for (size_t i = 0; i < SLAB_SETTINGS; i++)
		if (slab_setting_hardens(i) && (keys[i].tag & SWITCH) != 0)
			*(bool *)keys[i].at = to;
	hardening.quarantine = to ? QUARANTINE : 0;
	guarding.every = to ? EVERY_HARDENED : EVERY;
	surface.sized = surface.mismatch = to ? SIZED_ABORT : SIZED_REPORT;
}

static bool explain_unknown(const char *key, struct conf_error *e)
{
	const char *names[SLAB_SETTINGS + 2] = {"hardened", "file"};

	for (size_t i = 0; i < SLAB_SETTINGS; i++)
		names[2 + i] = keys[i].name;
	conf_unknown(key, names, SLAB_SETTINGS + 2, e);
	return false;
}

static bool set_path(const struct conf_key *k, const char *value, struct conf_error *e)
{
	const size_t n = strlen(value);

	if (n >= STATS_PATH) {
		crash_format(e->text, sizeof e->text, "%s: a path of less than %u bytes", k->name,
		    (size_t)STATS_PATH);
		return false;
	}
	memcpy(k->at, value, n + 1);
	if (strcmp(value, "stderr") == 0)
		*(char *)k->at = '\0';
	return true;
}

/* "stats:interval:5" is "stats_interval_s:5", "profile:exit" is "profile_exit:1", and so on: the
 * key that is meant, and its value.  To want a profile written is to want one taken. */
static const char *spelt_out(const char *key, const char **value)
{
	static const struct {
		const char *key, *way, *meant;
	} ways[] = {{"stats", "interval:", "stats_interval_s"},
	    {"stats", "signal:", "stats_signal"}, {"stats", "exit", "stats_exit"},
	    {"profile", "interval:", "profile_interval_s"},
	    {"profile", "signal:", "profile_signal"}, {"profile", "exit", "profile_exit"}};

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		const size_t n = strlen(ways[i].way);
		const bool whole = ways[i].way[n - 1] != ':';
		if (strcmp(key, ways[i].key) != 0 || strncmp(*value, ways[i].way, n + whole) != 0)
			continue;
		*value = whole ? "1" : *value + n;
		return ways[i].meant;
	}
	return key;
}

const char *slab_setting_meant(const char *key, const char *value)
{
	return value != NULL ? spelt_out(key, &value) : key;
}

static bool set(void *target, const char *key, const char *value, struct conf_error *e)
{
	static const struct conf_key preset = {.name = "hardened", .words = {"0", "1"}};
	const bool all = strcmp(key, preset.name) == 0;
	key = spelt_out(key, &value);
	const struct conf_key *const k = all ? &preset : conf_find(keys, SLAB_SETTINGS, key);
	struct conf_value v;

	(void)target; /* slab's settings are one for the process */
	if (k == NULL)
		return explain_unknown(key, e);
	if ((k->tag & PATH) != 0)
		return set_path(k, value, e);
	if (!conf_parse(k, value, &v, e))
		return false;
	if (all)
		harden(v.word == 1);
	else
		assign(k, v);
	if (hardening.check_on_reuse)
		hardening.zero_on_free = true;
	return true;
}

void slab_settings_obey(const char *text, conf_listener *listener, void *arg)
{
	conf_set_text(&(struct conf_reader){set, NULL, "hardened", listener, arg}, text);
}

void slab_settings_obey_file(const char *path, conf_listener *listener, void *arg)
{
	conf_set_file(&(struct conf_reader){set, NULL, "hardened", listener, arg}, path);
}

uint64_t settings_secret(void)
{
	uint64_t word[2] = {0x6b8b4567327b23c6, 0};
	const void *const random = (const void *)getauxval(AT_RANDOM); /* 16 bytes */

	if (random != NULL)
		memcpy(word, random, sizeof word);
	return word[0] ^ word[1] << 1;
}

/* The address of a thread that ended goes to the next: so each thread is printed with its number
 * too. */
uint64_t settings_seed(uint64_t more)
{
	static _Atomic uint64_t seeded;
	struct rng nth = {atomic_fetch_add_explicit(&seeded, 1, memory_order_relaxed)};
	const uint64_t seed = settings_secret() ^ (uintptr_t)__builtin_thread_pointer() ^
	    more << 48 ^ rng_next(&nth);

	return seed + (seed == 0);
}

void slab_settings_read(void)
{
	const char *const text = slab_settings_text != NULL ? slab_settings_text() : NULL;
	size_t mistakes = 0;

	if (slab_settings_preset != NULL)
		slab_settings_obey(slab_settings_preset(), conf_print_mistake, &mistakes);
	else if (text == NULL || *text == '\0')
		return;
	if (text != NULL)
		slab_settings_obey(text, conf_print_mistake, &mistakes);
	hardening.runs = hardening.canary || hardening.zero_on_free || hardening.random_order ||
	    hardening.guard_large || hardening.quarantine != 0;
	hardening.on = hardening.runs || surface.stats;
	if (sampling.mean == 0 && (surface.profile_exit || surface.profile_interval_s != 0 ||
	                              surface.profile_signal != 0))
		sampling.mean = USUAL_MEAN;
	hardening.detour = hardening.on || sampling.mean != 0;
	hardening.alone = hardening.runs && !surface.stats && sampling.mean == 0;
	hardening.usual = hardening.canary && hardening.zero_on_free && hardening.check_on_reuse &&
	    hardening.quarantine != 0;
	hardening.origins = hardening.canary && surface.mismatch != SIZED_IGNORE;
	hardening.secret = settings_secret();
	struct rng rng = {hardening.secret};
	const uint64_t mask = rng_next(&rng);
	hardening.keys[0] = (struct canary_key){mask, rng_next(&rng) | 1};
	hardening.key = hardening.keys;
}

static bool has_guard_advice(const struct dmm_os *os)
{
	void *const p = os->map(os->ctx, os->page, os->page);
	const bool has = p != NULL && os->advise(os->ctx, p, os->page, DMM_ADVICE_GUARD) == 0;

	if (p != NULL)
		os->unmap(os->ctx, p, os->page);
	return has;
}

void slab_settings_settle(void)
{
	const struct dmm_os *const os = root.os;

	if (tuning.observe)
		os_allow_observers();
	if (hardening.guard_large)
		hardening.guard_advice = has_guard_advice(os);
	if (hardening.canary)
		/* NULL: the system refuses, and other processes do not learn of damage */
		hardening.damaged = os_shared_page();
	if (hardening.readonly_conf)
		os->protect(os->ctx, &settings_page, sizeof settings_page, DMM_PROTECT_READ);
}

void slab_settings_after_fork(void)
{
	if (tuning.observe)
		os_allow_observers();
}

void slab_settings_reset(void)
{
	if (hardening.readonly_conf && root.os != NULL) /* else slab did not start */
		root.os->protect(root.os->ctx, &settings_page, sizeof settings_page,
		    DMM_PROTECT_RW);
	if (hardening.damaged != NULL)
		os_unshare_page(hardening.damaged);
	settings_page.is = (struct slab_settings){
	    .tuned = TUNING_DEFAULTS, .guards = GUARDING_DEFAULTS, .shown = SURFACE_DEFAULTS};
}
