/* settings.c - read slab's settings: see settings.h. */
#include "slab/settings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/conf_text.h"
#include "base/crash.h"
#include "base/nearest.h"
#include "os/os.h"
#include "slab/root.h"

#define TUNING_DEFAULTS                                                                                \
	{.stack_bytes = 64 << 10, .stack_least_objects = 4, .stack_most_objects = 255,                     \
	    .dirty_floor_bytes = 1 << 20, .dirty_share_permille = 125, .purge_age_ms = 400,                \
	    .purge_tick_ms = 100, .purge_again_ms = 1000, .helper = true, .huge_from_mib = 16,                 \
	    .grow_ahead_percent = 25, .grow_ahead_mib = 0, .move_from_bytes = 256 << 10}

enum { EVERY = 5000, EVERY_HARDENED = 2000 };
#define GUARDING_DEFAULTS {.on = false, .report = true, .every = EVERY, .slots = 64}

union settings_page settings_page __attribute__((aligned(SETTINGS_PAGE))) = {
    .is = {.tuned = TUNING_DEFAULTS, .guards = GUARDING_DEFAULTS}};

/* ---- the keys -------------------------------------------------------------------------------- */

enum { SWITCH = 1, OR_NEVER = 2, SIZE = 4, HARDENS = 8, WORDS = 16, QUARANTINE = 1024, WHY = 256 };

static const size_t KIB = 1 << 10, MIB = 1 << 20, GIB = 1 << 30;

static const char *const sized_words[] = {[SIZED_REPORT] = "report", [SIZED_IGNORE] = "ignore",
    [SIZED_ABORT] = "abort"}; /* of the one setting that is WORDS */

static const struct key {
	const char *name, *doc;
	void *at; /* of a switch bool, else size_t */
	size_t least, most;
	unsigned is;
} keys[SLAB_SETTINGS] = {
    {"stack_bytes", "free objects of one class that a thread keeps at most, in bytes", &tuning.stack_bytes, 0,
        16 << 20, SIZE},
    {"stack_least_objects", "but at least so many", &tuning.stack_least_objects, 1, STACK_OBJECTS_MAX, 0},
    {"stack_most_objects", "and at most so many, which counts more", &tuning.stack_most_objects, 1,
        STACK_OBJECTS_MAX, 0},
    {"dirty_floor_bytes", "memory without a live object that may stay: so much", &tuning.dirty_floor_bytes, 0,
        1ul << 40, SIZE},
    {"dirty_share_permille", "or so much of what is in use, whichever is more", &tuning.dirty_share_permille,
        0, 1000, 0},
    {"purge_age_ms", "what was touched more recently, the helper does not give back yet", &tuning.purge_age_ms,
        0, 3600000, 0},
    {"purge_tick_ms", "how often the helper looks while there is too much", &tuning.purge_tick_ms, 10, 60000,
        0},
    {"purge_again_ms", "what was given back and is wanted again within this is kept the next time",
        &tuning.purge_again_ms, 0, 3600000, 0},
    {"helper", "in a process with threads, a thread of ours may give memory back", &tuning.helper, 0, 1, SWITCH},
    {"huge_from_mib", "huge pages beyond this, up to twice this where nearly full",
        &tuning.huge_from_mib, 2, 512 << 10, OR_NEVER},
    {"grow_ahead_percent", "of the heap is made accessible ahead of need", &tuning.grow_ahead_percent, 0, 1000,
        0},
    {"grow_ahead_mib", "and so much in any case", &tuning.grow_ahead_mib, 0, 128, 0},
    {"move_from_bytes", "a large object that moves keeps its pages from this size on",
        &tuning.move_from_bytes, 0, 1ul << 40, SIZE | OR_NEVER},
    {"observe", "dmm top and dmm show may look in where Yama forbids it", &tuning.observe, 0, 1, SWITCH},
    {"sized", "a free with a wrong size: told once, let pass in silence, or the end", &surface.sized, 0, SIZED_ABORT,
        WORDS | HARDENS},
    {"stats", "calls and bytes on stderr when the program ends; counting slows it down", &surface.stats, 0, 1, SWITCH},
    {"deepbind", "dlopen keeps RTLD_DEEPBIND, with which a library's free is not ours", &surface.deepbind, 0, 1,
        SWITCH},
    {"canary", "bytes behind an object's end, checked when it is freed", &hardening.canary, 0, 1,
        SWITCH | HARDENS},
    {"zero_on_free", "what is freed is cleared", &hardening.zero_on_free, 0, 1, SWITCH | HARDENS},
    {"check_on_reuse", "and must still be clear when it is given out again", &hardening.check_on_reuse, 0, 1,
        SWITCH | HARDENS},
    {"quarantine", "so many more frees of the thread until an object is given out again",
        &hardening.quarantine, 0, QUARANTINE_MAX, HARDENS},
    {"random_order", "which free object is next cannot be foreseen", &hardening.random_order, 0, 1,
        SWITCH | HARDENS},
    {"guard_large", "inaccessible pages around every large object", &hardening.guard_large, 0, 1,
        SWITCH | HARDENS},
    {"readonly_conf", "these settings are read-only after the start", &hardening.readonly_conf, 0, 1,
        SWITCH | HARDENS},
    {"guarded", "one object of many stands alone between inaccessible pages", &guarding.on, 0, 1,
        SWITCH | HARDENS},
    {"guarded_every", "which one, is drawn: on average, one of so many", &guarding.every, 1, 1ul << 40, HARDENS},
    {"guarded_slots", "so many at once", &guarding.slots, 1, 1 << 16, 0},
    {"guarded_report", "who hits a guard is told of, unless the program handles SIGSEGV", &guarding.report, 0, 1,
        SWITCH},
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
	return (keys[i].is & HARDENS) != 0;
}

/* Sizes with the largest unit that divides them. */
static void print(const struct key *k, size_t x, char *buf, size_t cap)
{
	const bool size = (k->is & SIZE) != 0 && x != 0;

	if ((k->is & WORDS) != 0)
		crash_format(buf, cap, "%s", sized_words[x]);
	else if ((k->is & OR_NEVER) != 0 && x == SETTING_NEVER)
		crash_format(buf, cap, "never");
	else if (size && x % GIB == 0)
		crash_format(buf, cap, "%ug", x / GIB);
	else if (size && x % MIB == 0)
		crash_format(buf, cap, "%um", x / MIB);
	else if (size && x % KIB == 0)
		crash_format(buf, cap, "%uk", x / KIB);
	else
		crash_format(buf, cap, "%u", x);
}

void slab_setting_value(size_t i, char *buf, size_t cap)
{
	const struct key *const k = &keys[i];

	print(k, (k->is & SWITCH) != 0 ? *(const bool *)k->at : *(const size_t *)k->at, buf, cap);
}

static void print_range(const struct key *k, const char *of_switch, char *buf, size_t cap)
{
	char least[32], most[32];

	print(k, k->least, least, sizeof least);
	print(k, k->most, most, sizeof most);
	if ((k->is & SWITCH) != 0)
		crash_format(buf, cap, "%s", of_switch);
	else if ((k->is & WORDS) != 0)
		crash_format(buf, cap, "report, ignore, abort");
	else
		crash_format(buf, cap, "%s%s to %s", (k->is & OR_NEVER) != 0 ? "never, " : "", least, most);
}

void slab_setting_range(size_t i, char *buf, size_t cap)
{
	print_range(&keys[i], "0, 1", buf, cap);
}

/* Digits, and of a size k, m or g behind them; false: something else, or beyond the range. */
static bool number(const struct key *k, const char *text, size_t *out)
{
	size_t x = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, (size_t)(*text - '0'), &x))
			return false;
	if ((k->is & SIZE) != 0 && *text != '\0') {
		const size_t unit = *text == 'k' ? KIB : *text == 'm' ? MIB : *text == 'g' ? GIB : 0;
		if (unit == 0 || __builtin_mul_overflow(x, unit, &x))
			return false;
		text++;
	}
	*out = x;
	return *text == '\0' && x >= k->least && x <= k->most;
}

static bool word(const char *text, size_t *out)
{
	for (*out = 0; *out <= SIZED_ABORT; (*out)++)
		if (strcmp(text, sized_words[*out]) == 0)
			return true;
	return false;
}

/* False: it may not be that. */
static bool set_key(const struct key *k, const char *value)
{
	size_t x;

	if ((k->is & OR_NEVER) != 0 && strcmp(value, "never") == 0)
		x = SETTING_NEVER;
	else if ((k->is & WORDS) != 0 ? !word(value, &x)
	                              : !number(k, value, &x) || ((k->is & SWITCH) != 0 && value[1] != '\0'))
		return false;
	if ((k->is & SWITCH) != 0)
		*(bool *)k->at = x != 0;
	else
		*(size_t *)k->at = x;
	return true;
}

static void harden(bool to)
{
	for (size_t i = 0; i < SLAB_SETTINGS; i++)
		if (slab_setting_hardens(i) && (keys[i].is & SWITCH) != 0)
			*(bool *)keys[i].at = to;
	hardening.quarantine = to ? QUARANTINE : 0;
	guarding.every = to ? EVERY_HARDENED : EVERY;
	surface.sized = to ? SIZED_ABORT : SIZED_REPORT;
}

static void explain_unknown(const char *key, char why[WHY])
{
	const char *names[SLAB_SETTINGS + 2] = {"hardened", "file"};

	for (size_t i = 0; i < SLAB_SETTINGS; i++)
		names[2 + i] = keys[i].name;
	const char *const nearest = nearest_name(key, names, sizeof names / sizeof *names);
	if (nearest != NULL)
		crash_format(why, WHY, "unknown key '%s'; did you mean '%s'?", key, nearest);
	else
		crash_format(why, WHY, "slab has no setting '%s'", key);
}

/* What is wrong goes into why, which is "" otherwise. */
static void set(const char *key, const char *value, char why[WHY])
{
	char range[96];

	if (strcmp(key, "hardened") == 0) {
		if (strcmp(value, "0") == 0 || strcmp(value, "1") == 0)
			harden(value[0] == '1');
		else
			crash_format(why, WHY, "hardened:%s: 0 or 1", value);
		return;
	}
	for (const struct key *k = keys; k < keys + SLAB_SETTINGS; k++) {
		if (strcmp(key, k->name) != 0)
			continue;
		print_range(k, "0 or 1", range, sizeof range);
		if (!set_key(k, value))
			crash_format(why, WHY, "%s:%s: %s", key, value, range);
		return;
	}
	explain_unknown(key, why);
}

/* ---- the words --------------------------------------------------------------------------------- */

/* Who is told, and out of what is read; file == NULL: the text itself. */
struct reading {
	slab_listener *listener; /* NULL: mistakes go to stderr */
	void *arg;
	const char *file;
	size_t *said; /* mistakes so far, on stderr */
};

static void tell(const struct reading *r, const struct conf_word *w, const char *why)
{
	const char *const problem = why[0] != '\0' ? why : NULL;

	if (r->listener != NULL)
		r->listener(r->arg, &(struct slab_heard){r->file, w->line, w->key, w->value, problem});
	else if (problem != NULL && ++*r->said <= CONF_MISTAKES_MAX)
		crash_say("DMM_CONF: %s", problem);
	else if (problem != NULL && *r->said == CONF_MISTAKES_MAX + 1)
		crash_say("DMM_CONF: and more mistakes, which are not told");
}

static int obey(const struct reading *r, struct conf_text *t);

/* The word is "file:PATH". */
static void obey_file(const struct reading *r, const struct conf_word *w)
{
	const struct reading inside = {r->listener, r->arg, w->value, r->said};
	struct conf_text t;
	char why[WHY];
	int error = conf_text_open(&t, w->value);

	if (error == 0)
		error = obey(&inside, &t);
	if (error == 0)
		return;
	crash_format(why, sizeof why, "file:%s: %s", w->value, conf_text_reason(error));
	tell(r, w, why);
}

static void obey_word(const struct reading *r, const struct conf_word *w)
{
	char why[WHY] = "";

	if (w->value == NULL && strcmp(w->key, "hardened") == 0)
		harden(true);
	else if (w->value == NULL)
		crash_format(why, sizeof why, "'%s': a setting is key:value", w->key);
	else if (strcmp(w->key, "file") != 0)
		set(w->key, w->value, why);
	else if (r->file != NULL)
		crash_format(why, sizeof why, "file:%s: a file of settings names no other", w->value);
	else {
		obey_file(r, w);
		return;
	}
	tell(r, w, why);
}

/* 0, or the -errno at which reading ended. */
static int obey(const struct reading *r, struct conf_text *t)
{
	struct conf_word w;

	while (conf_text_next(t, &w))
		obey_word(r, &w);
	conf_text_end(t);
	if (hardening.check_on_reuse)
		hardening.zero_on_free = true;
	return t->error;
}

void slab_settings_obey(const char *text, slab_listener *listener, void *arg)
{
	size_t said = 0;
	const struct reading r = {listener, arg, NULL, &said};
	struct conf_text t;

	conf_text_begin(&t, text);
	obey(&r, &t);
}

void slab_settings_obey_file(const char *path, slab_listener *listener, void *arg)
{
	size_t said = 0;
	const struct reading r = {listener, arg, NULL, &said};
	const struct conf_word w = {.key = "file", .value = (char *)(uintptr_t)path};
	obey_file(&r, &w);
}

uint64_t settings_secret(void)
{
	uint64_t word[2] = {0x6b8b4567327b23c6, 0};
	const void *const random = (const void *)getauxval(AT_RANDOM); /* 16 bytes */

	if (random != NULL)
		memcpy(word, random, sizeof word);
	return word[0] ^ word[1] << 1;
}

void slab_settings_read(void)
{
	const char *const text = slab_settings_text != NULL ? slab_settings_text() : NULL;

	if (text == NULL || *text == '\0')
		return;
	slab_settings_obey(text, NULL, NULL);
	hardening.runs = hardening.canary || hardening.zero_on_free || hardening.random_order ||
	    hardening.guard_large || hardening.quarantine != 0;
	hardening.on = hardening.runs || surface.stats;
	hardening.secret = settings_secret();
	hardening.canary_bytes = ((hardening.secret & 0x7f) | 0x80) * 0x0101010101010101u;
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
	if (hardening.readonly_conf)
		root.os->protect(root.os->ctx, &settings_page, sizeof settings_page, DMM_PROTECT_RW);
	settings_page.is = (struct slab_settings){.tuned = TUNING_DEFAULTS, .guards = GUARDING_DEFAULTS};
}
