/* conf_table.c - settings by a table, one row a key: see conf_table.h. */
#include "base/conf_table.h"

#include <string.h>

#include "base/conf_text.h"
#include "base/crash.h"
#include "base/nearest.h"

static const char units[] = "kmg"; /* the i-th stands for 1024^(i+1) */

const struct conf_key *conf_find(const struct conf_key *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

void conf_unknown(const char *name, const char *const *names, size_t count, struct conf_error *e)
{
	const char *const nearest = nearest_name(name, names, count);

	if (nearest != NULL)
		crash_format(e->text, sizeof e->text, "unknown key '%s'; did you mean '%s'?", name,
		    nearest);
	else
		crash_format(e->text, sizeof e->text, "unknown key '%s'", name);
}

/* ---- one value ------------------------------------------------------------------------------- */

static int count_words(const struct conf_key *k)
{
	int n = 0;

	while (n < CONF_WORDS && k->words[n] != NULL)
		n++;
	return n;
}

static int find_word(const struct conf_key *k, const char *text)
{
	for (int i = 0, n = count_words(k); i < n; i++)
		if (strcmp(k->words[i], text) == 0)
			return i;
	return -1;
}

/* Digits, and a unit after them unless the key's numbers are plain. False: another form, or a
 * number beyond 64 bits or beyond the key's range. */
static bool parse_number(const struct conf_key *k, const char *text, size_t *out)
{
	size_t x = 0;

	if (k->most == 0 || *text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(x, (size_t)10, &x) ||
		    __builtin_add_overflow(x, (size_t)(*text - '0'), &x))
			return false;
	const char *const unit = !k->plain && *text != '\0' ? strchr(units, *text) : NULL;
	if (unit != NULL) {
		if (__builtin_mul_overflow(x, (size_t)1024 << 10 * (unit - units), &x))
			return false;
		text++;
	}
	*out = x;
	return *text == '\0' && x >= k->least && x <= k->most;
}

static size_t append(char *buf, size_t cap, size_t at, const char *text)
{
	return at + crash_format(buf + at, cap - at, "%s", text);
}

/* With the largest unit that divides it. */
static size_t append_number(const struct conf_key *k, char *buf, size_t cap, size_t at,
    size_t x)
{
	size_t unit = 0;

	for (; !k->plain && unit < 3 && x != 0 && x % 1024 == 0; unit++)
		x /= 1024;
	at += crash_format(buf + at, cap - at, "%u", x);
	return unit == 0 ? at : append(buf, cap, at, (const char[]){units[unit - 1], '\0'});
}

/* The words with `between` two of them, then the range of numbers with `before` in front of it. */
static size_t append_range(const struct conf_key *k, char *buf, size_t cap, size_t at,
    const char *between, const char *before)
{
	const int words = count_words(k);

	for (int i = 0; i < words; i++) {
		at = append(buf, cap, at, i == 0 ? "" : between);
		at = append(buf, cap, at, k->words[i]);
	}
	if (k->most == 0)
		return at;
	at = append(buf, cap, at, words > 0 ? ", " : "");
	at = append(buf, cap, at, before);
	at = append_number(k, buf, cap, at, k->least);
	at = append(buf, cap, at, " to ");
	return append_number(k, buf, cap, at, k->most);
}

/* "canary:2: 0 or 1", "fit:foo: one of first, next, best, address",
 * "huge_from_mib:1: never, or a number from 2 to 524288" */
static void explain_value(const struct conf_key *k, const char *value, struct conf_error *e)
{
	const size_t cap = sizeof e->text;
	const int words = count_words(k);
	const bool two = words == 2 && k->most == 0;
	const size_t at = crash_format(e->text, cap, "%s:%s: %s", k->name, value,
	    words > 1 && !two ? "one of " : "");

	append_range(k, e->text, cap, at, two ? " or " : ", ",
	    words > 0 ? "or a number from " : "a number from ");
}

bool conf_parse(const struct conf_key *k, const char *text, struct conf_value *v,
    struct conf_error *e)
{
	size_t x = 0;
	const int word = find_word(k, text);

	if (word < 0 && !parse_number(k, text, &x)) {
		explain_value(k, text, e);
		return false;
	}
	*v = (struct conf_value){word, x};
	return true;
}

size_t conf_print(const struct conf_key *k, struct conf_value v, char *buf, size_t cap)
{
	return v.word >= 0 ? append(buf, cap, 0, k->words[v.word])
	                   : append_number(k, buf, cap, 0, v.number);
}

size_t conf_range(const struct conf_key *k, char *buf, size_t cap)
{
	buf[0] = '\0';
	return append_range(k, buf, cap, 0, ", ", "");
}

/* ---- all words of a text --------------------------------------------------------------------- */

/* file: NULL while the words come from the text itself. */
static void tell(const struct conf_reader *r, const char *file, const struct conf_word *w,
    const struct conf_error *e)
{
	const char *const problem = e->text[0] != '\0' ? e->text : NULL;

	if (r->listener != NULL)
		r->listener(r->arg,
		    &(struct conf_heard){file, w->line, w->key, w->value, problem});
}

static void read_file(const struct conf_reader *r, const struct conf_word *word);

static void read_word(const struct conf_reader *r, const char *file, const struct conf_word *w)
{
	struct conf_error e = {""};
	const char *const value = w->value != NULL ? w->value
	    : r->alone != NULL && strcmp(w->key, r->alone) == 0 ? "1" : NULL;

	if (w->len >= CONF_WORD)
		crash_format(e.text, sizeof e.text, "a setting of %u letters is too long", w->len);
	else if (value == NULL)
		crash_format(e.text, sizeof e.text, "'%s': a setting is key:value", w->key);
	else if (strcmp(w->key, "file") != 0)
		r->set(r->target, w->key, value, &e);
	else if (file != NULL)
		crash_format(e.text, sizeof e.text, "file:%s: a file cannot name another", value);
	else {
		read_file(r, w);
		return;
	}
	tell(r, file, w, &e);
}

/* Returns 0, or the -errno at which reading ended. */
static int read_words(const struct conf_reader *r, const char *file, struct conf_text *text)
{
	struct conf_word word;

	while (conf_text_next(text, &word))
		read_word(r, file, &word);
	conf_text_end(text);
	return text->error;
}

/* The word is "file:PATH". */
static void read_file(const struct conf_reader *r, const struct conf_word *word)
{
	struct conf_text text;
	struct conf_error e;
	int error = conf_text_open(&text, word->value);

	if (error == 0)
		error = read_words(r, word->value, &text);
	if (error == 0)
		return;
	crash_format(e.text, sizeof e.text, "file:%s: %s", word->value, conf_text_reason(error));
	tell(r, NULL, word, &e);
}

void conf_set_text(const struct conf_reader *r, const char *text)
{
	struct conf_text words;

	conf_text_begin(&words, text);
	read_words(r, NULL, &words);
}

void conf_set_file(const struct conf_reader *r, const char *path)
{
	const struct conf_word word = {.key = "file", .value = (char *)(uintptr_t)path};

	read_file(r, &word);
}

void conf_print_mistake(void *arg, const struct conf_heard *h)
{
	size_t *const count = arg;

	if (h->problem == NULL || ++*count > CONF_MISTAKES_MAX + 1)
		return;
	if (*count > CONF_MISTAKES_MAX)
		crash_say("DMM_CONF: there are more mistakes, which are not printed");
	else if (h->file != NULL)
		crash_say("DMM_CONF: %s:%u: %s", h->file, h->line, h->problem);
	else
		crash_say("DMM_CONF: %s", h->problem);
}
