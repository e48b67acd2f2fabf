/* conf_table.h - settings by a table, one row a key: parsing, checking and printing of values, and
 * the walk over all words of a text and of the files that it names.
 *
 *   fit:best                a value is one of the key's words,
 *   split_min:64k           or a number within the key's range; k, m and g are powers of 1024
 *   file:PATH               the words of that file, which cannot name another
 *
 * The lecture's designs (system/policy/params.h, interpose/conf.h) and slab (slab/settings.h) have
 * a table each.  All of it runs inside malloc: nothing here allocates or uses stdio.  Two threads
 * must not set the same fields at the same time.
 */
#ifndef BASE_CONF_TABLE_H
#define BASE_CONF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONF_WORDS = 4 };

struct conf_key {
	const char *name, *doc;
	const char *words[CONF_WORDS]; /* values with a name; NULL ends them */
	size_t least, most;            /* the range of a number; most == 0: it takes none */
	bool plain;                    /* its numbers have no unit: no k, m or g */
	uint32_t tag;                  /* this and `at`: for the owner of the table */
	void *at;
};

/* A value of a key: words[word], or, where word < 0, a number. */
struct conf_value {
	int word;
	size_t number;
};

/* The mistake and the right values: one line without its end; "" if there is no mistake. */
struct conf_error {
	char text[256];
};

/* The row of that name, or NULL. */
const struct conf_key *conf_find(const struct conf_key *table, size_t count, const char *name);
/* Says that no key has this name, and which of `names` is the nearest. */
void conf_unknown(const char *name, const char *const *names, size_t count, struct conf_error *e);

/* False: the key cannot have that value; *e says which it can, and *v is unchanged. */
bool conf_parse(const struct conf_key *k, const char *text, struct conf_value *v,
    struct conf_error *e);
/* The text of a value, as conf_parse reads it, and all that a key can be ("never, 4k to 1024g"),
 * into buf of `cap` > 0 bytes, cut off there.  Both return the length written, without the NUL. */
size_t conf_print(const struct conf_key *k, struct conf_value v, char *buf, size_t cap);
size_t conf_range(const struct conf_key *k, char *buf, size_t cap);

/* ---- all words of a text --------------------------------------------------------------------- */

/* One word that was read, as the listener gets it. */
struct conf_heard {
	const char *file; /* NULL: the word stood in the text itself */
	size_t line;      /* in the file; the first is 1 */
	const char *key, *value; /* value: NULL where the word has no ':' */
	const char *problem;     /* NULL: the setting has changed */
};
typedef void conf_listener(void *arg, const struct conf_heard *heard);

/* Sets one key; false: nothing changed, and *e says why. */
typedef bool conf_setter(void *target, const char *key, const char *value,
    struct conf_error *e);

struct conf_reader {
	conf_setter *set;
	void *target;
	const char *alone; /* the key that may stand without a value, then "1"; NULL: none */
	conf_listener *listener; /* NULL: nobody hears of mistakes */
	void *arg;
};

/* Set every key of the text, or of the file, from left to right; the listener hears of each. */
void conf_set_text(const struct conf_reader *r, const char *text);
void conf_set_file(const struct conf_reader *r, const char *path);

/* A listener that prints mistakes to stderr, each in one line, the first CONF_MISTAKES_MAX of
 * them.  arg: a size_t that counts them, 0 at first. */
void conf_print_mistake(void *arg, const struct conf_heard *h);

#endif
