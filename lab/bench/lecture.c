/* lecture.c - dmm bench --suite=lecture: runs the experiments and prints what they found. */
#include "bench/lecture.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "draw/draw.h"
#include "cli/json.h"
#include "cli/screen.h"
#include "cli/table.h"
#include "cli/progress.h"

/* ---- the suite ------------------------------------------------------------------------------- */

static const struct experiment *const chapters[] = {lecture_heap, lecture_tags, lecture_vm,
    lecture_appendix, lecture_segregated};

enum { CHAPTERS = sizeof chapters / sizeof chapters[0], EXPERIMENTS_MAX = 80, RESULT_ROOM = 4096,
    INDENT = 9 };

static const struct experiment summary = {"summary-table", "DMM system Impl Summary (so far)",
    "The table: space, time of malloc and free, of the five heap implementations", lecture_summary};

static size_t collect(const struct experiment *all[EXPERIMENTS_MAX])
{
	size_t count = 0;

	for (int c = 0; c < CHAPTERS; c++)
		for (const struct experiment *e = chapters[c]; e->name != NULL; e++)
			all[count++] = e;
	all[count++] = &summary;
	CHECK(count < EXPERIMENTS_MAX);
	all[count] = NULL;
	return count;
}

static const char *verdict(const struct finding *f)
{
	return f->missing[0] != '\0' ? "not built" : f->agrees ? "agrees" : "differs";
}

static void work(void *arg, void *result)
{
	const struct experiment *const e = arg;
	struct finding *const f = result;

	find_begin(f);
	e->run(f);
}

/* In a process of its own, so that its remains do not disturb the next one. */
static struct finding run_one(const struct experiment *e)
{
	enum { TIMEOUT_S = 120 };
	static_assert(sizeof(struct finding) <= RESULT_ROOM,
	    "a finding comes back through one page");
	struct finding f = {0};
	const enum cell_status status = cell_run(work, (void *)(uintptr_t)e, &f, sizeof f,
	    TIMEOUT_S);

	if (status == CELL_FINE)
		return f;
	f.agrees = false;
	snprintf(f.because, sizeof f.because, "%s",
	    status == CELL_TIMEOUT ? "the experiment did not end in time"
	    : "the experiment crashed");
	return f;
}

static void put_text(const struct draw_style *s, const struct experiment *e,
    const struct finding *f)
{
	char line[FIGURE_TEXT + 64];

	printf("%s%-7s%s  %s - %s\n", table_escape(stdout, f->agrees ? PAINT_GOOD : PAINT_BAD),
	    verdict(f),
	    table_escape(stdout, PAINT_PLAIN), e->name, e->slide);
	snprintf(line, sizeof line, "\"%s\"", e->claim);
	draw_text(stdout, s, INDENT, line);
	if (f->text_len != 0)
		draw_text(stdout, s, INDENT, f->text);
	if (f->missing[0] != '\0')
		snprintf(line, sizeof line, "this build has no system %s", f->missing);
	else
		snprintf(line, sizeof line, "differs because %s", f->because);
	if (!f->agrees)
		draw_text(stdout, s, INDENT, line);
	fflush(stdout);
}

static void put_json(struct json *j, const struct experiment *e, const struct finding *f)
{
	json_object(j, NULL);
	json_string(j, "experiment", e->name);
	json_string(j, "slide", e->slide);
	json_string(j, "claim", e->claim);
	json_string(j, "verdict", verdict(f));
	json_bool(j, "timed", f->timed);
	json_string(j, "because", f->agrees ? NULL : f->missing[0] != '\0' ? f->missing
	    : f->because);
	json_string(j, "text", f->text);
	json_array(j, "figures");
	for (size_t i = 0; i < f->count; i++) {
		json_object(j, NULL);
		json_string(j, "name", f->figure[i].name);
		json_number(j, "value", f->figure[i].value);
		json_end(j);
	}
	json_end(j);
	json_end(j);
}

static void put_csv(const struct experiment *e, const struct finding *f)
{
	for (size_t i = 0; i < f->count; i++)
		printf("%s,%s,%s,%.9g\n", e->name, verdict(f), f->figure[i].name,
		    f->figure[i].value);
	if (f->count == 0)
		printf("%s,%s,,\n", e->name, verdict(f));
}

static bool chosen(const struct experiment *e, char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], e->name) == 0)
			return true;
	return words[0] == NULL;
}

static void check_words(const struct experiment *const *all, char *const *words)
{
	const char *names[EXPERIMENTS_MAX] = {0};

	for (size_t i = 0; all[i] != NULL; i++)
		names[i] = all[i]->name;
	for (int i = 0; words[i] != NULL; i++) {
		bool known = false;
		for (size_t k = 0; names[k] != NULL; k++)
			known |= strcmp(names[k], words[i]) == 0;
		if (!known)
			lab_unknown("experiment", words[i], names);
	}
}

/* The first word of each is the name. */
static void list_all(const struct experiment *const *all)
{
	enum { TEXT = 23 };

	for (size_t i = 0; all[i] != NULL; i++) {
		printf("%-22s ", all[i]->name);
		screen_words(stdout, TEXT, "%s: %s", all[i]->slide, all[i]->claim);
	}
}

static void begin(enum format format, struct json *j)
{
	if (format == FORMAT_CSV)
		puts("experiment,verdict,figure,value");
	if (format != FORMAT_JSON)
		return;
	json_begin(j, stdout);
	json_schema(j, "dmm-bench-lecture", 2);
	json_array(j, "experiments");
}

static void end(const struct bench_options *o, struct json *j, size_t agree, size_t run)
{
	if (o->format == FORMAT_JSON) {
		json_end(j);
		json_end(j);
	} else if (o->format == FORMAT_TEXT) {
		if (o->words[0] == NULL)
			lecture_summary_print(o);
		putchar('\n');
		screen_words(stdout, 0,
		    "%zu of %zu claims agree with what was measured; docs/evidence/claims.md "
		    "explains the others.",
		    agree, run);
	}
}

int bench_lecture(const struct bench_options *o)
{
	const struct experiment *all[EXPERIMENTS_MAX];
	const struct draw_style s = draw_style(stdout, false, 0);
	size_t run = 0, agree = 0;
	struct json j;

	collect(all);
	check_words(all, o->words);
	if (o->list) {
		list_all(all);
		return EXIT_FINE;
	}
	begin(o->format, &j);
	for (size_t i = 0; all[i] != NULL; i++) {
		if (!chosen(all[i], o->words))
			continue;
		progress_begin("%s", all[i]->name);
		const struct finding f = run_one(all[i]);
		progress_end();
		run += f.missing[0] == '\0';
		agree += f.agrees;
		if (o->format == FORMAT_TEXT)
			put_text(&s, all[i], &f);
		else if (o->format == FORMAT_CSV)
			put_csv(all[i], &f);
		else
			put_json(&j, all[i], &f);
	}
	end(o, &j, agree, run);
	lab_next(NULL, "dmm show --demo");
	return EXIT_FINE;
}
