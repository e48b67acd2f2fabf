/* conf_test.c - settings as text and as values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf_text.h"
#include "system/policy/params.h"
#include "system/systems.h"
#include "test.h"

static void expect(struct conf_text *t, const char *key, const char *value, size_t line)
{
	struct conf_word w;

	assert_true(conf_text_next(t, &w));
	assert_string_equal(w.key, key);
	if (value == NULL)
		assert_null(w.value);
	else
		assert_string_equal(w.value, value);
	assert_int_equal(w.line, line);
}

TEST(settings_are_words_between_commas_blanks_and_lines)
{
	struct conf_text t;
	struct conf_word w;

	conf_text_begin(&t, ",, fit:best,split_min:64 # a:b, c\n\n\treuse:links\r\nodd a:b:c ,");
	expect(&t, "fit", "best", 1);
	expect(&t, "split_min", "64", 1);
	expect(&t, "reuse", "links", 3);
	expect(&t, "odd", NULL, 4);
	expect(&t, "a", "b:c", 4);
	assert_false(conf_text_next(&t, &w));
	assert_false(conf_text_next(&t, &w));
}

TEST(a_word_too_long_is_cut_off_and_its_length_told)
{
	char text[2 * CONF_WORD + 10];
	struct conf_text t;
	struct conf_word w;

	memset(text, 'x', 2 * CONF_WORD);
	strcpy(text + 2 * CONF_WORD, ",a:1");
	conf_text_begin(&t, text);
	assert_true(conf_text_next(&t, &w));
	assert_int_equal(w.len, 2 * CONF_WORD);
	assert_int_equal(strlen(w.key), CONF_WORD - 1);
	expect(&t, "a", "1", 1);
}

TEST(a_file_reads_as_its_text_wherever_its_buffer_ends)
{
	char path[] = "/tmp/dmm-conf-XXXXXX";
	const int fd = mkstemp(path);
	struct conf_text t;
	struct conf_word w;
	char value[16];

	assert_true(fd >= 0);
	FILE *const f = fdopen(fd, "w");
	for (int i = 0; i < 1000; i++)
		fprintf(f, "key%d:%d\n", i, i);
	fclose(f);
	assert_int_equal(conf_text_open(&t, path), 0);
	for (int i = 0; i < 1000; i++) {
		char key[16];
		snprintf(key, sizeof key, "key%d", i);
		snprintf(value, sizeof value, "%d", i);
		expect(&t, key, value, (size_t)i + 1);
	}
	assert_false(conf_text_next(&t, &w));
	conf_text_end(&t);
	unlink(path);
	assert_true(conf_text_open(&t, path) < 0);
}

/* ---- values */

static void refused(const struct dmm_system *sys, const char *conf, const char *why)
{
	struct dmm_params params = sys->defaults;
	struct conf_error e;

	assert_false(params_parse(&params, sys, conf, &e));
	assert_string_equal(e.text, why);
	assert_memory_equal(&params, &sys->defaults, sizeof params);
}

TEST(a_value_out_of_its_range_names_the_range)
{
	refused(&system_gnu, "split_min:1048577", "split_min:1048577: a number from 0 to 1m");
	refused(&system_gnu, "split_min:99999999999999999999999",
	    "split_min:99999999999999999999999: a number from 0 to 1m");
	refused(&system_gnu, "grow_min:15", "grow_min:15: a number from 16 to 1g");
	refused(&system_gnu, "coalesce:0",
	    "coalesce:0: one of now, deferred, or a number from 1 to 1m");
	refused(&system_gnu, "fit:worst", "fit:worst: one of first, next, best, address");
	refused(&system_gnu, "trim_threshold:4095",
	    "trim_threshold:4095: never, or a number from 4k to 1024g");
	refused(&system_gnu, "mmap_threshold:-1",
	    "mmap_threshold:-1: one of adaptive, never, or a number from 4k to 1024g");
}

TEST(an_unknown_key_names_the_nearest)
{
	refused(&system_bins, "splitmin:64", "unknown key 'splitmin'; did you mean 'split_min'?");
	refused(&system_bins, "qqqqqqqqq:64", "unknown key 'qqqqqqqqq'");
}

TEST(an_impossible_set_is_refused_with_the_reason)
{
	refused(&system_vm, "coalesce:deferred",
	    "vm has no 'coalesce': one mmap per chunk, munmap on free: "
	    "fragmentation is the kernel's");
	refused(&system_bins, "mmap_threshold:64k",
	    "bins has no 'mmap_threshold': an array of doubly linked "
	    "lists by size: malloc is O(1) for small chunks");
	refused(&system_bins, "footer:check,reuse:footer",
	    "footer:check with reuse:footer: a live chunk then "
	    "has no footer to check; take reuse:links");
}

TEST(what_is_printed_reads_back_as_the_same)
{
	static const char *const confs[] = {"", "fit:best,coalesce:8,reuse:links",
	    "coalesce:now,mmap_threshold:never",
	    "mmap_threshold:65536,trim_threshold:never,grow_min:3m",
	    "reuse:none,footer:check,split_min:1000"};

	for (size_t i = 0; i < sizeof confs / sizeof *confs; i++) {
		struct dmm_params set = system_gnu.defaults, again = system_gnu.defaults;
		struct conf_error e;
		char text[400], twice[400];
		assert_true(params_parse(&set, &system_gnu, confs[i], &e));
		params_print(&set, &system_gnu, text, sizeof text);
		assert_true(params_parse(&again, &system_gnu, text, &e));
		params_print(&again, &system_gnu, twice, sizeof twice);
		assert_string_equal(text, twice);
	}
}
