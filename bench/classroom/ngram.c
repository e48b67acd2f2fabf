/* ngram.c - counts the pairs of words of a generated text, and drops the rare ones now and then.
 *
 *   usage: ngram [WORDS]
 *
 *   bucket[hash] ---> entry: text, count ---> entry ---> NULL
 *                            |
 *                            "of the"        a string of its own, 4 to 30 bytes
 *
 * Strings of varying length live as long as what they count; at every DROP words what was seen once
 * goes, and leaves holes of all sizes between strings that stay.
 */
#include "random.h"

#include <string.h>

struct entry {
	char *text;
	size_t count;
	struct entry *next;
};

enum { VOCABULARY = 4000, DROP = 20000, WORD_MAX = 24 };

static struct entry **bucket;
static size_t buckets, entries;
static char *vocabulary[VOCABULARY];

static size_t hash(const char *text)
{
	size_t h = 14695981039346656037u; /* FNV-1a */

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	return h & (buckets - 1);
}

static void grow_table(void)
{
	struct entry **const old = bucket;
	const size_t count = buckets;

	buckets = count == 0 ? 1024 : 2 * count;
	bucket = need(calloc(buckets, sizeof(struct entry *)));
	for (size_t i = 0; i < count; i++)
		for (struct entry *e = old[i], *next; e != NULL; e = next) {
			struct entry **const head = &bucket[hash(e->text)];
			next = e->next;
			e->next = *head;
			*head = e;
		}
	free(old);
}

/* The text is the table's from now on. */
static void count(char *text)
{
	if (entries >= 2 * buckets)
		grow_table();
	struct entry **const head = &bucket[hash(text)];
	for (struct entry *e = *head; e != NULL; e = e->next)
		if (strcmp(e->text, text) == 0) {
			e->count++;
			free(text);
			return;
		}
	struct entry *const e = need(malloc(sizeof *e));
	*e = (struct entry){text, 1, *head};
	*head = e;
	entries++;
}

static void drop_below(size_t least)
{
	for (size_t i = 0; i < buckets; i++)
		for (struct entry **at = &bucket[i]; *at != NULL;) {
			struct entry *const e = *at;
			if (e->count >= least) {
				at = &e->next;
				continue;
			}
			*at = e->next;
			free(e->text);
			free(e);
			entries--;
		}
}

/* Syllables; frequent words, the first ones, are short. */
static void make_vocabulary(uint64_t *seed)
{
	static const char *const onset[] = {"b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s",
	    "t",
	    "st", "th", "sh", "pr", "tr", "gl", "w", "h"};
	static const char *const rest[] = {"a", "e", "i", "o", "u", "ai", "ee", "an", "en", "or",
	    "ing",
	    "er", "ast", "ou", "ed", "y"};
	char word[WORD_MAX + 8];

	for (size_t i = 0; i < VOCABULARY; i++) {
		const size_t syllables = 1 + random_below(seed, i < 40 ? 1 : i < 600 ? 2 : 4);
		word[0] = '\0';
		for (size_t k = 0; k < syllables && strlen(word) < WORD_MAX; k++) {
			strcat(word, onset[random_below(seed, sizeof onset / sizeof *onset)]);
			strcat(word, rest[random_below(seed, sizeof rest / sizeof *rest)]);
		}
		vocabulary[i] = need(strdup(word));
	}
}

/* About as often as 1 / rank: the square of a uniform number, twice. */
static const char *next_word(uint64_t *seed)
{
	const double u = (double)(random_next(seed) >> 11) * 0x1p-53;
	return vocabulary[(size_t)(u * u * u * VOCABULARY)];
}

int main(int argc, char **argv)
{
	const size_t words = number_or(argc, argv, 100000);
	uint64_t seed = 217;

	grow_table();
	make_vocabulary(&seed);
	const char *before = next_word(&seed);
	for (size_t i = 1; i <= words; i++) {
		const char *const word = next_word(&seed);
		const size_t len = strlen(before) + strlen(word) + 2;
		char *const text = need(malloc(len));
		snprintf(text, len, "%s %s", before, word);
		count(text);
		before = word;
		if (i % DROP == 0)
			drop_below(2);
	}
	printf("%zu pairs of %zu words\n", entries, words);
	drop_below(SIZE_MAX);
	for (size_t i = 0; i < VOCABULARY; i++)
		free(vocabulary[i]);
	free(bucket);
	return 0;
}
