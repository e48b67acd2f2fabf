/* settings_test.c - every setting: its values, its refusals and their words, and its printed
 * form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_kernel.h"
#include "slab/settings.h"
#include "test.h"

static char problem[400];
static size_t heard, problems;
static size_t line;

static void listen(void *arg, const struct conf_heard *h)
{
	(void)arg;
	heard++;
	line = h->line;
	if (h->problem == NULL)
		return;
	problems++;
	snprintf(problem, sizeof problem, "%s", h->problem);
}

static void obey(const char *text)
{
	problem[0] = '\0';
	heard = problems = 0;
	slab_settings_obey(text, listen, NULL);
}

static const char *value(const char *key)
{
	static char text[64];

	for (size_t i = 0; i < SLAB_SETTINGS; i++)
		if (strcmp(slab_setting_key(i), key) == 0) {
			slab_setting_value(i, text, sizeof text);
			return text;
		}
	fail_msg("no setting '%s'", key);
	return NULL;
}

static void fresh(void)
{
	paper_begin("guarded:0"); /* whose start reads them; from here on they may change */
	slab_settings_reset();
}

static void takes(const char *text, const char *key, const char *want)
{
	obey(text);
	assert_string_equal(problem, "");
	assert_string_equal(value(key), want);
}

static void refuses(const char *text, const char *why)
{
	obey(text);
	assert_int_equal(problems, 1);
	assert_string_equal(problem, why);
}

TEST(each_setting_has_the_default_that_its_page_names)
{
	static const char *const defaults[][2] = {{"magazine_bytes", "64k"},
	    {"magazine_min_objects", "4"},
	    {"dirty_floor_bytes", "1m"}, {"dirty_share_permille", "125"}, {"purge_age_ms", "400"},
	    {"purge_tick_ms", "100"}, {"purge_again_ms", "1000"},
	    {"helper", "1"}, {"huge_from_mib", "16"}, {"grow_ahead_percent", "25"},
	        {"grow_ahead_mib", "0"},
	    {"move_from_bytes", "256k"}, {"observe", "0"}, {"canary", "0"}, {"zero_on_free", "0"},
	    {"check_on_reuse", "0"}, {"quarantine", "0"}, {"random_order", "0"},
	        {"guard_large", "0"},
	    {"readonly_conf", "0"}, {"sized", "report"}, {"stats", "0"}, {"deepbind", "0"}};

	fresh();
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
		assert_string_equal(value(defaults[i][0]), defaults[i][1]);
	for (size_t i = 0; i < SLAB_SETTINGS; i++)
		assert_true(strlen(slab_setting_doc(i)) > 10);
	paper_end();
}

TEST(sizes_are_read_with_units_and_printed_with_the_largest_that_fits)
{
	fresh();
	takes("magazine_bytes:0", "magazine_bytes", "0");
	takes("magazine_bytes:1023", "magazine_bytes", "1023");
	takes("magazine_bytes:1k", "magazine_bytes", "1k");
	takes("magazine_bytes:1024", "magazine_bytes", "1k");
	takes("magazine_bytes:1536", "magazine_bytes", "1536");
	takes("magazine_bytes:16m", "magazine_bytes", "16m");
	takes("dirty_floor_bytes:3g", "dirty_floor_bytes", "3g");
	takes("dirty_floor_bytes:3072m", "dirty_floor_bytes", "3g");
	takes("dirty_floor_bytes:1024g", "dirty_floor_bytes", "1024g");
	takes("move_from_bytes:never", "move_from_bytes", "never");
	takes("move_from_bytes:2k", "move_from_bytes", "2k");
	takes("huge_from_mib:never", "huge_from_mib", "never");
	takes("purge_age_ms:1024", "purge_age_ms", "1024"); /* is no size */
	/* The last word counts. */
	takes("magazine_bytes:1,magazine_bytes:2", "magazine_bytes", "2");
	paper_end();
}

TEST(what_a_setting_cannot_be_is_refused_with_its_range_and_changes_nothing)
{
	fresh();
	takes("magazine_bytes:77", "magazine_bytes", "77");
	refuses("magazine_bytes:16777217", "magazine_bytes:16777217: a number from 0 to 16m");
	refuses("magazine_bytes:17m", "magazine_bytes:17m: a number from 0 to 16m");
	refuses("magazine_bytes:", "magazine_bytes:: a number from 0 to 16m");
	refuses("magazine_bytes:k", "magazine_bytes:k: a number from 0 to 16m");
	refuses("magazine_bytes:1kk", "magazine_bytes:1kk: a number from 0 to 16m");
	refuses("magazine_bytes:1x", "magazine_bytes:1x: a number from 0 to 16m");
	refuses("magazine_bytes:-1", "magazine_bytes:-1: a number from 0 to 16m");
	refuses("magazine_bytes:18446744073709551617",
	    "magazine_bytes:18446744073709551617: a number from 0 to 16m");
	refuses("magazine_bytes:17179869184g",
	    "magazine_bytes:17179869184g: a number from 0 to 16m");
	refuses("magazine_bytes:never", "magazine_bytes:never: a number from 0 to 16m");
	assert_string_equal(value("magazine_bytes"), "77");
	refuses("purge_tick_ms:9", "purge_tick_ms:9: a number from 10 to 60000");
	refuses("purge_tick_ms:60001", "purge_tick_ms:60001: a number from 10 to 60000");
	refuses("purge_tick_ms:1k", "purge_tick_ms:1k: a number from 10 to 60000");
	takes("purge_tick_ms:10", "purge_tick_ms", "10");
	takes("purge_tick_ms:60000", "purge_tick_ms", "60000");
	refuses("huge_from_mib:1", "huge_from_mib:1: never, or a number from 2 to 524288");
	refuses("canary:2", "canary:2: 0 or 1");
	refuses("canary:01", "canary:01: 0 or 1");
	refuses("canary:", "canary:: 0 or 1");
	assert_string_equal(value("canary"), "0");
	refuses("sized:2", "sized:2: one of report, ignore, abort");
	refuses("sized:", "sized:: one of report, ignore, abort");
	takes("sized:ignore", "sized", "ignore");
	refuses("hardened:2", "hardened:2: 0 or 1");
	refuses("hardened:10", "hardened:10: 0 or 1");
	refuses("canary", "'canary': a setting is key:value");
	refuses("magazine_byte:1", "unknown key 'magazine_byte'; did you mean 'magazine_bytes'?");
	refuses("hardend:1", "unknown key 'hardend'; did you mean 'hardened'?");
	refuses("qqqqqqqqqqqqq:1", "unknown key 'qqqqqqqqqqqqq'");
	obey("stats:1,magazine_bytes:5");
	assert_int_equal(heard, 2);
	assert_int_equal(problems, 0);
	paper_end();
}

static void hardened_is(const char *text, const char *want)
{
	static const char *const keys[] = {"canary", "zero_on_free", "check_on_reuse",
	    "random_order", "guard_large",
	    "readonly_conf"};
	char is[16] = "";

	obey(text);
	for (size_t i = 0; i < 6; i++)
		strcat(is, value(keys[i]));
	assert_string_equal(is, want);
}

TEST(hardened_sets_all_of_it_and_later_words_single_ones)
{
	fresh();
	hardened_is("hardened", "111111");
	assert_string_equal(value("quarantine"), "1024");
	assert_string_equal(value("sized"), "abort");
	hardened_is("hardened:0", "000000");
	assert_string_equal(value("quarantine"), "0");
	assert_string_equal(value("sized"), "report");
	hardened_is("hardened:1,canary:0,quarantine:5", "011111");
	assert_string_equal(value("quarantine"), "5");
	hardened_is("hardened:0,check_on_reuse:1", "011000"); /* which needs the other */
	hardened_is("hardened:0", "000000");
	for (size_t i = 0; i < SLAB_SETTINGS; i++)
		if (strncmp(slab_setting_key(i), "purge", 5) == 0 ||
		    strncmp(slab_setting_key(i), "stack", 5) == 0)
			assert_false(slab_setting_hardens(i));
	paper_end();
}

TEST(a_range_is_printed_for_each_setting_and_its_ends_are_taken)
{
	char range[96], word[128], least[32], most[32];

	fresh();
	for (size_t i = 0; i < SLAB_SETTINGS; i++) {
		slab_setting_range(i, range, sizeof range);
		if (strcmp(range, "0, 1") == 0)
			snprintf(range, sizeof range, "0 to 1");
		if (strstr(range, " to ") == NULL) /* a word of several, or a path */
			continue;
		char *const from = strstr(range, "never, ") != NULL ? range + 7 : range;
		assert_int_equal(sscanf(from, "%31s to %31s", least, most), 2);
		snprintf(word, sizeof word, "%s:%s", slab_setting_key(i), least);
		takes(word, slab_setting_key(i), least);
		snprintf(word, sizeof word, "%s:%s", slab_setting_key(i), most);
		takes(word, slab_setting_key(i), most);
		if (from == range)
			continue;
		snprintf(word, sizeof word, "%s:never", slab_setting_key(i));
		takes(word, slab_setting_key(i), "never");
	}
	paper_end();
}

TEST(a_file_of_settings_is_obeyed_line_by_line_and_names_no_other)
{
	char path[] = "/tmp/dmm-settings-XXXXXX", text[100];
	const int fd = mkstemp(path);

	fresh();
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "# a comment\nmagazine_bytes:5k\n\npurge_age_ms:7 canary:1\n") > 0);
	snprintf(text, sizeof text, "magazine_bytes:1,file:%s", path);
	obey(text);
	assert_int_equal(problems, 0);
	assert_int_equal(heard, 4);
	assert_int_equal(line, 4);
	assert_string_equal(value("magazine_bytes"), "5k");
	assert_string_equal(value("purge_age_ms"), "7");
	assert_string_equal(value("canary"), "1");
	assert_true(dprintf(fd, "file:other\ncheck_on_reuse:1\n") > 0);
	problems = 0;
	slab_settings_obey_file(path, listen, NULL);
	assert_int_equal(problems, 1);
	assert_string_equal(problem, "file:other: a file cannot name another");
	assert_string_equal(value("zero_on_free"), "1");
	unlink(path);
	close(fd);
	refuses("file:/nowhere/at/all", "file:/nowhere/at/all: no such file");
	paper_end();
}

static void begin_with(void *arg)
{
	paper_begin(arg);
	_exit(hardening.on ? 3 : 4);
}

static void starts(const char *text, bool hardened, const char *said)
{
	char out[300];

	paper_end();
	const int status = test_in_child(begin_with, (void *)(uintptr_t)text, out, sizeof out);
	assert_int_equal(status, (hardened ? 3 : 4) << 8);
	assert_string_equal(out, said);
}

TEST(the_start_says_each_mistake_once_and_knows_whether_anything_is_hardened)
{
	starts("", false, "");
	starts("guarded:0,readonly_conf:1", false, "");
	starts("magazine_bytes:x,canary:3", false,
	    "dmm: DMM_CONF: magazine_bytes:x: a number from 0 to 16m\n"
	    "dmm: DMM_CONF: canary:3: 0 or 1\n");
	starts("canary:1", true, "");
	starts("zero_on_free:1", true, "");
	starts("check_on_reuse:1", true, "");
	starts("quarantine:1", true, "");
	starts("random_order:1", true, "");
	starts("guard_large:1", true, "");
	starts("hardened", true, "");
}

TEST(canaries_are_made_of_a_secret_that_each_process_has_for_itself)
{
	paper_begin("canary:1,guarded:0");
	assert_int_equal(hardening.secret, settings_secret());
	assert_ptr_equal(hardening.key, hardening.keys);
	assert_int_not_equal(hardening.key->mask, 0);
	assert_int_equal(hardening.key->factor % 2, 1);
	paper_end();
}

static void write_settings(void *arg)
{
	*(volatile bool *)arg = false;
}

TEST(with_readonly_conf_nobody_changes_the_settings_of_a_running_heap)
{
	paper_begin("hardened,guarded:0");
	test_dies_by(write_settings, &hardening.canary, 11);
	paper_begin("canary:1,guarded:0");
	hardening.canary = true;
	paper_end();
	assert_false(hardening.canary);
}
