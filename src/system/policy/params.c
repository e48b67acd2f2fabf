/* params.c - reading, judging and writing settings: one table, one row a key. */
#include "system/policy/params.h"

#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/crash.h"

static const size_t LARGE = (size_t)1 << 40;

enum { KEYS = params_key_count, ITEM = 64 };

static const struct conf_key keys[KEYS] = {
    {"fit", "which of the free chunks that are large enough malloc takes",
        {"first", "next", "best", "address"}, 0, 0, .tag = DMM_OPT_FIT},
    {"split_min", "malloc splits a chunk if at least this many bytes remain", {NULL}, 0, 1 << 20,
        .tag = DMM_OPT_SPLIT_MIN},
    {"coalesce", "merge free neighbours at each free, or later, when this many chunks wait",
        {"now", "deferred"}, 1, 1 << 20, .tag = DMM_OPT_COALESCE},
    {"footer", "check the footer of a live chunk when it is freed, to find overruns",
        {"off", "check"}, 0, 0, .tag = DMM_OPT_FOOTER},
    {"reuse",
        "metadata in a free chunk's payload: none (32 bytes an object), links (16), and footer (8)",
        {"none", "links", "footer"}, 0, 0, .tag = DMM_OPT_REUSE},
    {"bin_spacing", "one bin for each chunk size, or eight bins for each doubling",
        {"exact", "geometric"}, 0, 0, .tag = DMM_OPT_BIN_SPACING},
    {"mmap_threshold", "chunks of this size get a mapping of their own; a number does not adapt",
        {"adaptive", "never"}, 4096, LARGE, .tag = DMM_OPT_MMAP_THRESHOLD},
    {"trim_threshold", "the heap gives back free memory at its top when it exceeds this size",
        {"never"}, 4096, LARGE, .tag = DMM_OPT_TRIM_THRESHOLD},
    {"grow_min", "the heap section grows by at least this many bytes", {NULL}, MAX_ALIGN, 1 << 30,
        .tag = DMM_OPT_GROW_MIN},
    {"min_chunk", "the smallest chunk: as large as links and footer need, or 16 bytes",
        {"usual", "16"}, 0, 0, .tag = DMM_OPT_MIN_CHUNK},
    {"runs", "objects up to this size lie in runs without headers, where that saves memory",
        {"off"}, 16, 256, .tag = DMM_OPT_RUNS},
};

const char *const params_keys[KEYS + 1] = {"fit", "split_min", "coalesce", "footer", "reuse",
    "bin_spacing", "mmap_threshold", "trim_threshold", "grow_min", "min_chunk", "runs", NULL};

enum { DEFERRED_MAX = 1024 }; /* chunks, for a bare coalesce:deferred where the default is now */

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
		p->mmap_threshold = word < 0    ? x
		                    : word == 1 ? SIZE_MAX
		                                : sys->defaults.mmap_threshold;
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

static bool not_for(const struct conf_key *k, const struct dmm_system *sys, struct conf_error *e)
{
	crash_format(e->text, sizeof e->text, "%s has no '%s': %s", sys->name, k->name, sys->doc);
	return false;
}

bool params_set(struct dmm_params *params, const struct dmm_system *sys, const char *key,
    const char *value, struct conf_error *e)
{
	CHECK(params != NULL && sys != NULL && key != NULL && value != NULL && e != NULL);
	const struct conf_key *const k = conf_find(keys, KEYS, key);
	struct conf_value v;

	if (k == NULL) {
		conf_unknown(key, params_keys, KEYS, e);
		return false;
	}
	if ((sys->options & k->tag) == 0)
		return not_for(k, sys, e);
	if (!conf_parse(k, value, &v, e))
		return false;
	assign(params, sys, k->tag, v.word, v.number);
	return true;
}

/* One item of a conf, `len` letters long. */
static bool set_item(struct dmm_params *params, const struct dmm_system *sys, const char *item,
    size_t len, struct conf_error *e)
{
	char word[ITEM];

	const size_t n = min_size(len, ITEM - 1);
	memcpy(word, item, n);
	word[n] = '\0';
	char *const colon = strchr(word, ':');
	if (colon == NULL || len >= ITEM) {
		crash_format(e->text, sizeof e->text, "'%s': a setting is key:value", word);
		return false;
	}
	*colon = '\0';
	return params_set(params, sys, word, colon + 1, e);
}

bool params_parse(struct dmm_params *params, const struct dmm_system *sys, const char *conf,
    struct conf_error *e)
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

/* What *p says of one key. */
static struct conf_value value_of(const struct dmm_params *p, uint32_t option)
{
	switch (option) {
	case DMM_OPT_FIT:
		return (struct conf_value){.word = (int)p->fit};
	case DMM_OPT_SPLIT_MIN:
		return (struct conf_value){-1, p->split_min};
	case DMM_OPT_COALESCE:
		return (struct conf_value){
		    p->coalesce == DMM_COALESCE_NOW ? 0 : -1, p->deferred_max};
	case DMM_OPT_FOOTER:
		return (struct conf_value){.word = p->footer};
	case DMM_OPT_REUSE:
		return (struct conf_value){.word = (int)p->reuse};
	case DMM_OPT_BIN_SPACING:
		return (struct conf_value){.word = (int)p->bin_spacing};
	case DMM_OPT_MMAP_THRESHOLD:
		return (struct conf_value){p->mmap_adaptive                ? 0
		                           : p->mmap_threshold == SIZE_MAX ? 1
		                                                           : -1,
		    p->mmap_threshold};
	case DMM_OPT_TRIM_THRESHOLD:
		return (struct conf_value){
		    p->trim_threshold == SIZE_MAX ? 0 : -1, p->trim_threshold};
	case DMM_OPT_GROW_MIN:
		return (struct conf_value){-1, p->grow_min};
	case DMM_OPT_MIN_CHUNK:
		return (struct conf_value){.word = p->min_chunk != 0};
	case DMM_OPT_RUNS:
		return (struct conf_value){p->runs == 0 ? 0 : -1, p->runs};
	}
	CHECK(!"an option without a key");
	return (struct conf_value){0};
}

static size_t print_value(const struct dmm_params *p, const struct conf_key *k, char *buf,
    size_t cap)
{
	return conf_print(k, value_of(p, k->tag), buf, cap);
}

size_t params_print(const struct dmm_params *params, const struct dmm_system *sys, char *buf,
    size_t cap)
{
	size_t at = 0;

	CHECK(buf != NULL && cap > 0);
	buf[0] = '\0';
	for (size_t i = 0; i < KEYS; i++) {
		if ((sys->options & keys[i].tag) == 0)
			continue;
		at += crash_format(buf + at, cap - at, "%s%s:", at == 0 ? "" : ",", keys[i].name);
		at += print_value(params, &keys[i], buf + at, cap - at);
	}
	return at;
}

bool params_has(const struct dmm_system *sys, size_t i)
{
	CHECK(i < KEYS);
	return (sys->options & keys[i].tag) != 0;
}

const char *params_doc(size_t i)
{
	CHECK(i < KEYS);
	return keys[i].doc;
}

const char *params_range(size_t i, char *buf, size_t cap)
{
	CHECK(i < KEYS && buf != NULL && cap > 0);
	conf_range(&keys[i], buf, cap);
	return buf;
}

const char *params_value(const struct dmm_params *params, size_t i, char *buf, size_t cap)
{
	CHECK(i < KEYS && buf != NULL && cap > 0);
	print_value(params, &keys[i], buf, cap);
	return buf;
}

bool params_valid(const struct dmm_params *params, const struct dmm_system *sys,
    struct conf_error *e)
{
	char have[32], usual[32];

	for (size_t i = 0; i < KEYS; i++) {
		if ((sys->options & keys[i].tag) != 0)
			continue;
		print_value(params, &keys[i], have, sizeof have);
		print_value(&sys->defaults, &keys[i], usual, sizeof usual);
		if (strcmp(have, usual) != 0)
			return not_for(&keys[i], sys, e);
	}
	if (params->footer && params->reuse == DMM_REUSE_FOOTER) {
		crash_format(e->text, sizeof e->text,
		    "footer:check with reuse:footer: a live chunk "
		    "then has no footer to check; take reuse:links");
		return false;
	}
	if (params->min_chunk != 0 && params->reuse != DMM_REUSE_FOOTER) {
		crash_format(e->text, sizeof e->text,
		    "min_chunk:16 needs reuse:footer: 16 bytes have no room "
		    "for a header and the footer of a live chunk");
		return false;
	}
	return true;
}
