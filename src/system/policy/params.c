/* params.c - reading, judging and writing settings: one table, one row a key. */
#include "system/policy/params.h"

#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/crash.h"
#include "base/nearest.h"

/* A value is one of `words`, which set the field to their index, or, if max > 0, a number. */
struct key {
	const char *name, *doc;
	uint32_t option;
	const char *words[4];
	size_t min, max; /* of the number */
};

static const size_t LARGE = (size_t)1 << 40;

enum { KEYS = params_key_count, WORD = 64 };

static const struct key keys[KEYS] = {
    {"fit", "which free chunk is taken",
        DMM_OPT_FIT, {"first", "next", "best", "address"}, 0, 0},
    {"split_min", "the least remainder of a split, in bytes",
        DMM_OPT_SPLIT_MIN, {0}, 0, 1 << 20},
    {"coalesce", "merge free neighbours now or later; a number: so many chunks may wait",
        DMM_OPT_COALESCE, {"now", "deferred"}, 1, 1 << 20},
    {"footer", "check the live footer: finds overruns",
        DMM_OPT_FOOTER, {"off", "check"}, 0, 0},
    {"reuse", "32, 16 or 8 bytes of overhead an object",
        DMM_OPT_REUSE, {"none", "links", "footer"}, 0, 0},
    {"bin_spacing", "a bin for each size, or eight for each doubling",
        DMM_OPT_BIN_SPACING, {"exact", "geometric"}, 0, 0},
    {"mmap_threshold", "from so many bytes on a mapping of its own; a number is fixed",
        DMM_OPT_MMAP_THRESHOLD, {"adaptive", "never"}, 4096, LARGE},
    {"trim_threshold", "so many bytes free at the top of the heap go back",
        DMM_OPT_TRIM_THRESHOLD, {"never"}, 4096, LARGE},
    {"grow_min", "the least growth of the heap section, in bytes",
        DMM_OPT_GROW_MIN, {0}, MAX_ALIGN, 1 << 30},
    {"min_chunk", "the smallest chunk: as large as links and footer ask, or 16 bytes",
        DMM_OPT_MIN_CHUNK, {"usual", "16"}, 0, 0},
    {"runs", "objects of up to so many bytes live in runs without headers, where that saves",
        DMM_OPT_RUNS, {"off"}, 16, 256},
};

const char *const params_keys[KEYS + 1] = {"fit", "split_min", "coalesce", "footer", "reuse", "bin_spacing",
    "mmap_threshold", "trim_threshold", "grow_min", "min_chunk", "runs", NULL};

enum { DEFERRED_MAX = 1024 }; /* chunks, for a bare coalesce:deferred where the default is now */

static int word_index(const struct key *k, const char *value)
{
	for (int i = 0; i < 4 && k->words[i] != NULL; i++)
		if (strcmp(k->words[i], value) == 0)
			return i;
	return -1;
}

/* Digits and perhaps k, m or g.  False: it is not a number, or one beyond 64 bits. */
static bool number(const char *text, size_t *out)
{
	size_t x = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(x, (size_t)10, &x) ||
		    __builtin_add_overflow(x, (size_t)(*text - '0'), &x))
			return false;
	static const char units[] = "kmg";
	const char *const unit = *text != '\0' ? strchr(units, *text) : NULL;
	if (unit != NULL && text[1] == '\0')
		return !__builtin_mul_overflow(x, (size_t)1024 << 10 * (unit - units), out);
	*out = x;
	return *text == '\0';
}

/* Append to a text of `cap` bytes what fits. */
static size_t append(char *buf, size_t cap, size_t at, const char *text)
{
	return at + crash_format(buf + at, cap - at, "%s", text);
}

static size_t append_number(char *buf, size_t cap, size_t at, size_t x)
{
	static const char *const units[] = {"", "k", "m", "g"};
	size_t unit = 0;

	for (; unit < 3 && x != 0 && x % 1024 == 0; unit++)
		x /= 1024;
	return at + crash_format(buf + at, cap - at, "%u%s", x, units[unit]);
}

/* "first, next, best, address", "never, 4k to 1024g"; `before` stands in front of the number's range. */
static size_t append_range(char *buf, size_t cap, size_t at, const struct key *k, const char *before)
{
	for (int i = 0; i < 4 && k->words[i] != NULL; i++) {
		at = append(buf, cap, at, i == 0 ? "" : ", ");
		at = append(buf, cap, at, k->words[i]);
	}
	if (k->max == 0)
		return at;
	at = append(buf, cap, at, k->words[0] != NULL ? ", " : "");
	at = append(buf, cap, at, before);
	at = append_number(buf, cap, at, k->min);
	at = append(buf, cap, at, " to ");
	return append_number(buf, cap, at, k->max);
}

/* "fit:foo: one of first, next, best, address" */
static bool bad_value(const struct key *k, const char *value, struct params_error *e)
{
	const size_t cap = sizeof e->text;
	const size_t at = crash_format(e->text, cap, "%s:%s: %s", k->name, value,
	    k->words[0] != NULL && k->words[1] != NULL ? "one of " : "");

	append_range(e->text, cap, at, k, k->words[0] != NULL ? "or a number from " : "a number from ");
	return false;
}

static void set_coalesce(struct dmm_params *p, int word, size_t x)
{
	p->coalesce = word == 0 ? DMM_COALESCE_NOW : DMM_COALESCE_DEFERRED;
	if (word < 0)
		p->deferred_max = x;
	else if (word == 1 && p->deferred_max == 0)
		p->deferred_max = DEFERRED_MAX;
}

/* word: the index of the value among the key's words; -1: it is the number x. */
static void assign(struct dmm_params *p, const struct dmm_system *sys, uint32_t option, int word,
    size_t x)
{
	switch (option) {
	case DMM_OPT_FIT:
		p->fit = (enum dmm_fit)word;
		break;
	case DMM_OPT_SPLIT_MIN:
		p->split_min = x;
		break;
	case DMM_OPT_COALESCE:
		set_coalesce(p, word, x);
		break;
	case DMM_OPT_FOOTER:
		p->footer = word == 1;
		break;
	case DMM_OPT_REUSE:
		p->reuse = (enum dmm_reuse)word;
		break;
	case DMM_OPT_BIN_SPACING:
		p->bin_spacing = (enum dmm_spacing)word;
		break;
	case DMM_OPT_MMAP_THRESHOLD:
		p->mmap_adaptive = word == 0;
		p->mmap_threshold = word < 0 ? x : word == 1 ? SIZE_MAX : sys->defaults.mmap_threshold;
		break;
	case DMM_OPT_TRIM_THRESHOLD:
		p->trim_threshold = word < 0 ? x : SIZE_MAX;
		break;
	case DMM_OPT_GROW_MIN:
		p->grow_min = x;
		break;
	case DMM_OPT_MIN_CHUNK:
		p->min_chunk = word == 1 ? 16 : 0;
		break;
	case DMM_OPT_RUNS:
		p->runs = word < 0 ? x : 0;
		break;
	}
}

static const struct key *find(const char *name, struct params_error *e)
{
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	const char *const nearest = nearest_name(name, params_keys, KEYS);
	if (nearest != NULL)
		crash_format(e->text, sizeof e->text, "unknown key '%s'; did you mean '%s'?", name, nearest);
	else
		crash_format(e->text, sizeof e->text, "unknown key '%s'", name);
	return NULL;
}

static bool not_for(const struct key *k, const struct dmm_system *sys, struct params_error *e)
{
	crash_format(e->text, sizeof e->text, "%s has no '%s': %s", sys->name, k->name, sys->doc);
	return false;
}

bool params_set(struct dmm_params *params, const struct dmm_system *sys, const char *key,
    const char *value, struct params_error *e)
{
	CHECK(params != NULL && sys != NULL && key != NULL && value != NULL && e != NULL);
	const struct key *const k = find(key, e);
	size_t x = 0;

	if (k == NULL)
		return false;
	if ((sys->options & k->option) == 0)
		return not_for(k, sys, e);
	const int word = word_index(k, value);
	if (word < 0 && (k->max == 0 || !number(value, &x) || x < k->min || x > k->max))
		return bad_value(k, value, e);
	assign(params, sys, k->option, word, x);
	return true;
}

/* One item of a conf, `len` letters long. */
static bool set_item(struct dmm_params *params, const struct dmm_system *sys, const char *item,
    size_t len, struct params_error *e)
{
	char word[WORD];

	const size_t n = min_size(len, WORD - 1);
	memcpy(word, item, n);
	word[n] = '\0';
	char *const colon = strchr(word, ':');
	if (colon == NULL || len >= WORD) {
		crash_format(e->text, sizeof e->text, "'%s': a setting is key:value", word);
		return false;
	}
	*colon = '\0';
	return params_set(params, sys, word, colon + 1, e);
}

bool params_parse(struct dmm_params *params, const struct dmm_system *sys, const char *conf,
    struct params_error *e)
{
	CHECK(params != NULL && sys != NULL && conf != NULL && e != NULL);
	struct dmm_params wanted = *params;

	for (const char *at = conf; *at != '\0';) {
		const size_t len = strcspn(at, ",");
		if (len > 0 && !set_item(&wanted, sys, at, len, e))
			return false;
		at += len + (at[len] == ',');
	}
	if (!params_valid(&wanted, sys, e))
		return false;
	*params = wanted;
	return true;
}

/* The value of one key as text: a word, or a number. */
static size_t print_value(const struct dmm_params *p, const struct key *k, char *buf, size_t cap,
    size_t at)
{
	size_t word = 4, x = 0;

	switch (k->option) {
	case DMM_OPT_FIT:
		word = p->fit;
		break;
	case DMM_OPT_SPLIT_MIN:
		x = p->split_min;
		break;
	case DMM_OPT_COALESCE:
		word = p->coalesce == DMM_COALESCE_NOW ? 0 : 4;
		x = p->deferred_max;
		break;
	case DMM_OPT_FOOTER:
		word = p->footer;
		break;
	case DMM_OPT_REUSE:
		word = p->reuse;
		break;
	case DMM_OPT_BIN_SPACING:
		word = p->bin_spacing;
		break;
	case DMM_OPT_MMAP_THRESHOLD:
		x = p->mmap_threshold;
		word = p->mmap_adaptive ? 0 : x == SIZE_MAX ? 1 : 4;
		break;
	case DMM_OPT_TRIM_THRESHOLD:
		x = p->trim_threshold;
		word = x == SIZE_MAX ? 0 : 4;
		break;
	case DMM_OPT_GROW_MIN:
		x = p->grow_min;
		break;
	case DMM_OPT_MIN_CHUNK:
		word = p->min_chunk != 0;
		break;
	case DMM_OPT_RUNS:
		x = p->runs;
		word = x == 0 ? 0 : 4;
		break;
	}
	return word < 4 ? append(buf, cap, at, k->words[word]) : append_number(buf, cap, at, x);
}

size_t params_print(const struct dmm_params *params, const struct dmm_system *sys, char *buf,
    size_t cap)
{
	size_t at = 0;

	CHECK(buf != NULL && cap > 0);
	buf[0] = '\0';
	for (size_t i = 0; i < KEYS; i++) {
		if ((sys->options & keys[i].option) == 0)
			continue;
		at += crash_format(buf + at, cap - at, "%s%s:", at == 0 ? "" : ",", keys[i].name);
		at = print_value(params, &keys[i], buf, cap, at);
	}
	return at;
}

bool params_has(const struct dmm_system *sys, size_t i)
{
	CHECK(i < KEYS);
	return (sys->options & keys[i].option) != 0;
}

const char *params_doc(size_t i)
{
	CHECK(i < KEYS);
	return keys[i].doc;
}

const char *params_range(size_t i, char *buf, size_t cap)
{
	CHECK(i < KEYS && buf != NULL && cap > 0);
	append_range(buf, cap, 0, &keys[i], "");
	return buf;
}

const char *params_value(const struct dmm_params *params, size_t i, char *buf, size_t cap)
{
	CHECK(i < KEYS && buf != NULL && cap > 0);
	print_value(params, &keys[i], buf, cap, 0);
	return buf;
}

bool params_valid(const struct dmm_params *params, const struct dmm_system *sys,
    struct params_error *e)
{
	char have[32], usual[32];

	for (size_t i = 0; i < KEYS; i++) {
		if ((sys->options & keys[i].option) != 0)
			continue;
		print_value(params, &keys[i], have, sizeof have, 0);
		print_value(&sys->defaults, &keys[i], usual, sizeof usual, 0);
		if (strcmp(have, usual) != 0)
			return not_for(&keys[i], sys, e);
	}
	if (params->footer && params->reuse == DMM_REUSE_FOOTER) {
		crash_format(e->text, sizeof e->text, "footer:check with reuse:footer: a live chunk "
		    "then has no footer to check; take reuse:links");
		return false;
	}
	if (params->min_chunk != 0 && params->reuse != DMM_REUSE_FOOTER) {
		crash_format(e->text, sizeof e->text, "min_chunk:16 needs reuse:footer: 16 bytes have no room "
		    "for a header and the footer of a live chunk");
		return false;
	}
	return true;
}
