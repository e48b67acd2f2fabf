/* systems_print.c - what dmm systems prints: what each design teaches and which mistakes it cannot
 * see. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/allocators.h"
#include "allocators/registry.h"
#include "cli/json.h"
#include "cli/screen.h"
#include "cli/table.h"

struct system_lesson {
	const char *name, *teaches;
};

static const struct system_lesson lessons[] = {
    {"minimal", "a system call a malloc is slow, and memory that never comes back only grows"},
    {"pad", "asking ahead makes system calls rare; nothing is reused yet"},
    {"list", "reuse, splitting and merging; malloc and free walk the list: O(n)"},
    {"dlist", "both neighbours are found at once; malloc still searches, and 32 bytes an object"},
    {"bins", "the right size without a search; the last bin is a long list again"},
    {"vm", "everything goes back at once; two system calls a pair, and a page an object"},
    {"gnu", "small from bins, large from mmap: what most programs run on, 8 bytes an object"},
    {"segdata", "one size a page: no split, no merge; what a class rounds up is the price"},
    {"segmeta", "metadata apart: 0 bytes an object, out of reach of a program's mistakes"},
    {"slab", "size classes, metadata apart, caches per thread, every free checked: the default"},
    {0},
};

static const struct {
	uint32_t bit;
	const char *name;
} traits[] = {
    {DMM_FREES, "frees"},
    {DMM_COALESCES, "coalesces"},
    {DMM_THREADS, "threads"},
    {DMM_INBAND, "inband"},
    {DMM_USES_BRK, "uses_brk"},
    {DMM_USES_MAP, "uses_map"},
    {DMM_RETURNS, "returns"},
    {DMM_SEES_DOUBLE_FREE, "sees_double_free"},
    {DMM_SEES_FOREIGN, "sees_foreign"},
    {DMM_ZERO_IS_NULL, "zero_is_null"},
    {DMM_SINGLETON, "singleton"},
}, options_known[] = {
    {DMM_OPT_FIT, "fit"},
    {DMM_OPT_SPLIT_MIN, "split_min"},
    {DMM_OPT_COALESCE, "coalesce"},
    {DMM_OPT_FOOTER, "footer"},
    {DMM_OPT_REUSE, "reuse"},
    {DMM_OPT_BIN_SPACING, "bin_spacing"},
    {DMM_OPT_MMAP_THRESHOLD, "mmap_threshold"},
    {DMM_OPT_TRIM_THRESHOLD, "trim_threshold"},
    {DMM_OPT_GROW_MIN, "grow_min"},
    {DMM_OPT_MIN_CHUNK, "min_chunk"},
    {DMM_OPT_RUNS, "runs"},
};

static const char *teaches(const char *name)
{
	for (const struct system_lesson *l = lessons; l->name != NULL; l++)
		if (strcmp(l->name, name) == 0)
			return l->teaches;
	return "";
}

static const char *yes(const struct dmm_system *sys, uint32_t trait)
{
	return sys->traits & trait ? "yes" : "no";
}

/* What goes by unnoticed. */
static const char *unseen(const struct dmm_system *sys)
{
	switch (sys->traits & (DMM_SEES_DOUBLE_FREE | DMM_SEES_FOREIGN)) {
	case 0:
		return "double, foreign";
	case DMM_SEES_DOUBLE_FREE:
		return "foreign";
	case DMM_SEES_FOREIGN:
		return "double";
	default:
		return "-";
	}
}

static const char *stands_on(const struct dmm_system *sys)
{
	switch (sys->traits & (DMM_USES_BRK | DMM_USES_MAP)) {
	case DMM_USES_BRK:
		return "brk";
	case DMM_USES_MAP:
		return "mmap";
	default:
		return "brk and mmap";
	}
}

enum { NAME = 10 }; /* columns before the words of a design */

/* Three lines a design: the idea, the lesson, and in grey its abilities and limits. */
static void print_text(void)
{
	for (const struct dmm_system *const *s = registry_systems(); *s != NULL; s++) {
		const struct dmm_system *const sys = *s;
		const char *const blind = unseen(sys);
		printf("%s%-8s%s  ", table_escape(stdout, PAINT_GOOD), sys->name,
		    table_escape(stdout, PAINT_PLAIN));
		screen_text(stdout, NAME, sys->doc);
		printf("%*s", NAME, "");
		screen_text(stdout, NAME, teaches(sys->name));
		printf("%*s%s", NAME, "", table_escape(stdout, PAINT_DIM));
		screen_words(stdout, NAME, "on %s; %s, %s, %s; %s%s", stands_on(sys),
		    sys->traits & DMM_FREES ? "reuses" : "reuses nothing",
		    sys->traits & DMM_COALESCES ? "merges" : "never merges",
		    sys->traits & DMM_RETURNS ? "returns memory" : "returns none",
		    blind[0] == '-' ? "sees double and foreign frees" : "cannot see these frees: ",
		    blind[0] == '-' ? "" : blind);
		fputs(table_escape(stdout, PAINT_PLAIN), stdout);
	}
}

static void print_csv(void)
{
	static const struct column columns[] = {{"name", false}, {"idea", false},
	    {"teaches", false},
	    {"memory", false}, {"frees", false}, {"coalesces", false}, {"returns", false},
	    {"unseen", false}, {"library", false}};
	struct table t;

	table_begin(&t, columns, sizeof columns / sizeof *columns);
	for (const struct dmm_system *const *s = registry_systems(); *s != NULL; s++) {
		char *const library = allocator_library((*s)->name);
		table_cell(&t, "%s", (*s)->name);
		table_cell(&t, "%s", (*s)->doc);
		table_cell(&t, "%s", teaches((*s)->name));
		table_cell(&t, "%s", stands_on(*s));
		table_cell(&t, "%s", yes(*s, DMM_FREES));
		table_cell(&t, "%s", yes(*s, DMM_COALESCES));
		table_cell(&t, "%s", yes(*s, DMM_RETURNS));
		table_cell(&t, "%s", unseen(*s));
		table_cell(&t, "%s", library != NULL ? library : "");
		free(library);
	}
	table_csv(&t, stdout);
	table_end(&t);
}

static void json_system(struct json *j, const struct dmm_system *sys)
{
	char *const library = allocator_library(sys->name);

	json_object(j, NULL);
	json_string(j, "name", sys->name);
	json_string(j, "idea", sys->doc);
	json_string(j, "teaches", teaches(sys->name));
	json_object(j, "traits");
	for (size_t i = 0; i < sizeof traits / sizeof *traits; i++)
		json_bool(j, traits[i].name, sys->traits & traits[i].bit);
	json_end(j);
	json_array(j, "options");
	for (size_t i = 0; i < sizeof options_known / sizeof *options_known; i++)
		if (sys->options & options_known[i].bit)
			json_string(j, NULL, options_known[i].name);
	json_end(j);
	json_count(j, "align_bytes", sys->align);
	json_string(j, "library", library);
	json_end(j);
	free(library);
}

static void print_json(void)
{
	struct json j;

	json_begin(&j, stdout);
	json_schema(&j, "dmm-systems", 1);
	json_array(&j, "systems");
	for (const struct dmm_system *const *s = registry_systems(); *s != NULL; s++)
		json_system(&j, *s);
	json_end(&j);
	json_end(&j);
}

void systems_print(enum format format)
{
	switch (format) {
	case FORMAT_TEXT:
		print_text();
		break;
	case FORMAT_JSON:
		print_json();
		break;
	case FORMAT_CSV:
		print_csv();
	}
	lab_next(NULL, "dmm compare -- PROGRAM ARG...");
}
