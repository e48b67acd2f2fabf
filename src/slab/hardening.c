/* hardening.c - read slab's settings: see hardening.h. */
#include "slab/hardening.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/conf_text.h"
#include "base/crash.h"
#include "base/nearest.h"
#include "slab/root.h"

union hardening_page hardening_page __attribute__((aligned(HARDENING_PAGE)));

/* ---- the keys -------------------------------------------------------------------------------- */

static const struct key {
	const char *name, *doc;
	bool *at; /* NULL: a number of frees */
} keys[HARDENING_KEYS] = {
    {"canary", "bytes behind an object's end, checked when it is freed", &hardening.canary},
    {"zero_on_free", "what is freed is cleared", &hardening.zero_on_free},
    {"check_on_reuse", "and must still be clear when it is given out again", &hardening.check_on_reuse},
    {"quarantine", "so many more frees of the thread until an object is given out again", NULL},
    {"random_order", "which free object is next cannot be foreseen", &hardening.random_order},
    {"guard_large", "inaccessible pages around every large object", &hardening.guard_large},
    {"readonly_conf", "these settings are read-only after the start", &hardening.readonly_conf},
};
enum { QUARANTINE = 1024, WHY = 192 };

static const char *const names[] = {"hardened", "canary", "zero_on_free", "check_on_reuse", "random_order",
    "guard_large", "readonly_conf", "quarantine", "file"};

const char *hardening_key(size_t i)
{
	return keys[i].name;
}

const char *hardening_doc(size_t i)
{
	return keys[i].doc;
}

size_t hardening_most(size_t i)
{
	return keys[i].at != NULL ? 1 : QUARANTINE_MAX;
}

size_t hardening_value(size_t i)
{
	return keys[i].at != NULL ? *keys[i].at : hardening.quarantine;
}

static void set_all(bool to)
{
	for (size_t i = 0; i < HARDENING_KEYS; i++)
		if (keys[i].at != NULL)
			*keys[i].at = to;
	hardening.quarantine = to ? QUARANTINE : 0;
}

/* 0 or 1 into *to; false: neither. */
static bool is_switch(const char *value, bool *to)
{
	if (value[0] != '\0' && value[1] == '\0' && (value[0] == '0' || value[0] == '1')) {
		*to = value[0] == '1';
		return true;
	}
	return false;
}

static bool set_quarantine(const char *value)
{
	size_t n = 0;

	if (*value == '\0')
		return false;
	for (const char *v = value; *v != '\0'; v++) {
		if (*v < '0' || *v > '9' || n > QUARANTINE_MAX)
			return false;
		n = n * 10 + (size_t)(*v - '0');
	}
	if (n > QUARANTINE_MAX)
		return false;
	hardening.quarantine = (uint32_t)n;
	return true;
}

static void explain_unknown(const char *key, char why[WHY])
{
	const char *const nearest = nearest_name(key, names, sizeof names / sizeof *names);

	if (nearest != NULL)
		crash_format(why, WHY, "unknown key '%s'; did you mean '%s'?", key, nearest);
	else
		crash_format(why, WHY, "slab has no setting '%s'", key);
}

/* What is wrong goes into why, which is "" otherwise. */
static void set(const char *key, const char *value, char why[WHY])
{
	bool to = false;

	if (strcmp(key, "hardened") == 0) {
		if (is_switch(value, &to))
			set_all(to);
		else
			crash_format(why, WHY, "hardened:%s: 0 or 1", value);
		return;
	}
	for (size_t i = 0; i < HARDENING_KEYS; i++) {
		if (strcmp(key, keys[i].name) != 0)
			continue;
		if (keys[i].at == NULL && !set_quarantine(value))
			crash_format(why, WHY, "quarantine:%s: frees, up to %u", value, (size_t)QUARANTINE_MAX);
		if (keys[i].at != NULL && !is_switch(value, keys[i].at))
			crash_format(why, WHY, "%s:%s: 0 or 1", key, value);
		return;
	}
	if (strcmp(key, "stats") != 0) /* the command's word to every design */
		explain_unknown(key, why);
}

/* ---- the words --------------------------------------------------------------------------------- */

/* Who is told, and out of what is read; file == NULL: the text itself. */
struct reading {
	hardening_listener *listener; /* NULL: mistakes go to stderr */
	void *arg;
	const char *file;
};

static void tell(const struct reading *r, const struct conf_word *w, const char *why)
{
	const char *const problem = why[0] != '\0' ? why : NULL;

	if (r->listener != NULL)
		r->listener(r->arg, &(struct hardening_heard){r->file, w->line, w->key, w->value, problem});
	else if (problem != NULL)
		crash_say("DMM_CONF: %s", problem);
}

static int obey(const struct reading *r, struct conf_text *t);

/* The word is "file:PATH". */
static void obey_file(const struct reading *r, const struct conf_word *w)
{
	const struct reading inside = {r->listener, r->arg, w->value};
	struct conf_text t;
	char why[WHY];
	int error = conf_text_open(&t, w->value);

	if (error == 0)
		error = obey(&inside, &t);
	if (error == 0)
		return;
	crash_format(why, sizeof why, "file:%s: cannot be read (error %u)", w->value, (size_t)-error);
	tell(r, w, why);
}

static void obey_word(const struct reading *r, const struct conf_word *w)
{
	char why[WHY] = "";

	if (w->value == NULL && strcmp(w->key, "hardened") == 0)
		set_all(true);
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

void hardening_obey(const char *text, hardening_listener *listener, void *arg)
{
	const struct reading r = {listener, arg, NULL};
	struct conf_text t;

	conf_text_begin(&t, text);
	obey(&r, &t);
}

void hardening_obey_file(const char *path, hardening_listener *listener, void *arg)
{
	const struct reading r = {listener, arg, NULL};
	const struct conf_word w = {.key = "file", .value = (char *)(uintptr_t)path};
	obey_file(&r, &w);
}

/* 16 bytes that the kernel gives every process. */
static uint64_t secret(void)
{
	uint64_t word[2] = {0x6b8b4567327b23c6, 0};
	const void *const random = (const void *)getauxval(AT_RANDOM);

	if (random != NULL)
		memcpy(word, random, sizeof word);
	return word[0] ^ word[1] << 1;
}

void hardening_read(void)
{
	const char *const text = slab_settings_text != NULL ? slab_settings_text() : NULL;

	if (text == NULL || *text == '\0')
		return;
	hardening_obey(text, NULL, NULL);
	hardening.on = hardening.canary || hardening.zero_on_free || hardening.random_order ||
	    hardening.guard_large || hardening.quarantine != 0;
	hardening.secret = secret();
	hardening.canary_bytes = ((hardening.secret & 0x7f) | 0x80) * 0x0101010101010101u;
}

void hardening_settle(void)
{
	const struct dmm_os *const os = root.os;

	if (!hardening.on && !hardening.readonly_conf)
		return;
	if (hardening.guard_large) { /* the payload's first granule is a guard anyway */
		char *const at = (char *)root.base;
		hardening.guard_advice = os->advise(os->ctx, at, os->page, DMM_ADVICE_GUARD) == 0;
	}
	if (hardening.readonly_conf)
		os->protect(os->ctx, &hardening_page, sizeof hardening_page, DMM_PROTECT_READ);
}

void hardening_reset(void)
{
	if (hardening.on || hardening.readonly_conf)
		root.os->protect(root.os->ctx, &hardening_page, sizeof hardening_page, DMM_PROTECT_RW);
	memset(&hardening_page, 0, sizeof hardening_page);
}
