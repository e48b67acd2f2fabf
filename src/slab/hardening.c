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

static const struct {
	const char *key;
	bool *at;
} switches[] = {
    {"canary", &hardening.canary},
    {"zero_on_free", &hardening.zero_on_free},
    {"check_on_reuse", &hardening.check_on_reuse},
    {"random_order", &hardening.random_order},
    {"guard_large", &hardening.guard_large},
    {"readonly_conf", &hardening.readonly_conf},
};
enum { SWITCHES = sizeof switches / sizeof *switches, QUARANTINE = 1024 };

static const char *const keys[] = {"hardened", "canary", "zero_on_free", "check_on_reuse", "random_order",
    "guard_large", "readonly_conf", "quarantine", "file"};

static void set_all(bool to)
{
	for (size_t i = 0; i < SWITCHES; i++)
		*switches[i].at = to;
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

static void say_unknown(const char *key)
{
	const char *const nearest = nearest_name(key, keys, sizeof keys / sizeof *keys);

	if (nearest != NULL)
		crash_say("DMM_CONF: unknown key '%s'; did you mean '%s'?", key, nearest);
	else
		crash_say("DMM_CONF: slab has no setting '%s'", key);
}

static void set(const char *key, const char *value)
{
	bool to = false;

	if (strcmp(key, "quarantine") == 0) {
		if (!set_quarantine(value))
			crash_say("DMM_CONF: quarantine:%s: frees, up to %u", value, (size_t)QUARANTINE_MAX);
		return;
	}
	if (strcmp(key, "hardened") == 0) {
		if (is_switch(value, &to))
			return set_all(to);
		return crash_say("DMM_CONF: hardened:%s: 0 or 1", value);
	}
	for (size_t i = 0; i < SWITCHES; i++) {
		if (strcmp(key, switches[i].key) != 0)
			continue;
		if (!is_switch(value, switches[i].at))
			crash_say("DMM_CONF: %s:%s: 0 or 1", key, value);
		return;
	}
	if (strcmp(key, "stats") != 0) /* the command's word to every design */
		say_unknown(key);
}

/* ---- the words --------------------------------------------------------------------------------- */

static void obey(struct conf_text *t, bool may_open);

static void obey_file(const char *path)
{
	struct conf_text t;
	const int error = conf_text_open(&t, path);

	if (error != 0)
		return crash_say("DMM_CONF: file:%s: cannot be read (error %u)", path, (size_t)-error);
	obey(&t, false);
	conf_text_end(&t);
}

static void obey(struct conf_text *t, bool may_open)
{
	struct conf_word w;

	while (conf_text_next(t, &w)) {
		if (w.value == NULL && strcmp(w.key, "hardened") == 0)
			set_all(true);
		else if (w.value == NULL)
			crash_say("DMM_CONF: '%s': a setting is key:value", w.key);
		else if (strcmp(w.key, "file") != 0)
			set(w.key, w.value);
		else if (may_open)
			obey_file(w.value);
		else
			crash_say("DMM_CONF: file:%s: a file of settings names no other", w.value);
	}
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
	struct conf_text t;

	if (text == NULL || *text == '\0')
		return;
	conf_text_begin(&t, text);
	obey(&t, true);
	conf_text_end(&t);
	if (hardening.check_on_reuse)
		hardening.zero_on_free = true;
	hardening.on = hardening.canary || hardening.zero_on_free || hardening.random_order ||
	    hardening.guard_large || hardening.quarantine != 0;
	hardening.secret = secret();
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
