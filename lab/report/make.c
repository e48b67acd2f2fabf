/* make.c - makes the page of a recording, step by step; an error is one sentence. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "trace/caveat.h"
#include "trace/no_events.h"
#include "cli/lab.h"
#include "report/page.h"
#include "cli/units.h"

enum { MEASURED_BY_ITSELF = 10000000 /* calls: of longer recordings only if runs are asked for */ };

/* Before minutes of work, not after. */
void report_check_output(const char *path)
{
	struct stat st;
	char folder[4096];
	const char *const slash = strrchr(path, '/');

	snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : slash == path ? 1
	    : (int)(slash - path),
	    slash == NULL ? "." : path);
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		lab_die(EXIT_OURS, "%s cannot be written: it is not a file", path);
	if (access(folder, W_OK | X_OK) != 0)
		lab_die(EXIT_OURS, "%s cannot be written: %s: %s", path, folder, strerror(errno));
}

static void refuse_silence(const struct report_survey *s)
{
	char why[512], exe[512];

	if (s->events != 0)
		return;
	if (s->file.damage.text[0] != '\0')
		snprintf(why, sizeof why, "%s", s->file.damage.text);
	else if (!trace_file_value(&s->file, TRACE_META, "silent", why, sizeof why)) {
		if (trace_file_value(&s->file, TRACE_META, "exe", exe, sizeof exe) && exe[0] == '/')
			explain_silence(exe, true, trace_file_signal(&s->file), why, sizeof why);
		else
			snprintf(why, sizeof why, "the program made none");
	}
	lab_die(EXIT_FAULT, "%s: no calls are recorded, so there is no heap to show: %s", s->path,
	    why);
}

static void read_provenance(struct report *r)
{
	const struct trace_file *const f = &r->survey->file;
	const time_t when = (time_t)(f->head.wall_ns / 1000000000);
	struct tm utc;

	r->scrubbed = (f->head.flags & TRACE_SCRUBBED) != 0;
	if (!trace_file_value(f, TRACE_META, "command", r->program, sizeof r->program))
		r->program[0] = '\0';
	if (!trace_file_value(f, TRACE_META, "allocator", r->recorded_on, sizeof r->recorded_on))
		r->recorded_on[0] = '\0';
	if (when != 0)
		strftime(r->recorded, sizeof r->recorded, "%Y-%m-%dT%H:%M:%SZ",
		    gmtime_r(&when, &utc));
	provenance_read(&r->provenance);
}

/* A short name of the program for the reader: its command without folders, or the recording's
 * name. */
static const char *title_of(const struct report *r, const char *path)
{
	enum { LONGEST = 72 };
	static char title[LONGEST + 8];
	const char *const word = r->program[0] != '\0' && !r->scrubbed ? r->program : path;
	const char *start = word;

	for (const char *s = word; *s != '\0' && *s != ' '; s++)
		if (*s == '/')
			start = s + 1;
	const bool cut = strlen(start) > LONGEST;
	size_t n = cut ? LONGEST : strlen(start);
	while (cut && n > 0 && ((unsigned char)start[n] & 0xc0) == 0x80)
		n--; /* not inside a character */
	snprintf(title, sizeof title, "%.*s%s", (int)n, start, cut ? " …" : "");
	return title;
}

/* How many runs: as asked, or as many as give an interval where they take seconds. */
static size_t runs_of(const struct report_order *q, const struct report_survey *s)
{
	if (q->plan.runs != SIZE_MAX)
		return q->plan.runs;
	if (s->events <= MEASURED_BY_ITSELF)
		return STATS_RUNS_FOR_95;
	lab_say("%s: %.0f million calls: time is not measured, as that takes minutes; --runs=6 "
	    "does", q->path,
	    (double)s->events * 1e-6);
	return 0;
}

static void measure(struct report *r, const struct report_order *q)
{
	static struct native native;
	static struct report_scores scores;
	struct report_plan plan = q->plan;

	r->scores = q->scores;
	if (q->scores != NULL)
		return;
	plan.systems = q->systems;
	plan.runs = runs_of(q, r->survey);
	if (plan.runs == 0 || !report_measure(&native, q->path, &plan))
		return;
	scores_of_compare(&scores, &native.compare, "replay",
	    "of the recording on real memory");
	r->native = &native;
	r->scores = &scores;
}

int report_make(const struct report_order *q)
{
	static struct report_survey survey;
	static struct subject subjects[SUBJECTS_MAX];
	static struct report r;
	const size_t n = subjects_choose(subjects, q->systems);
	struct trace_error e;
	struct stat st;
	char why[256], bytes[UNITS_LEN];

	if (n > REPORT_DESIGNS)
		lab_die(EXIT_USAGE, "--systems: a page has room for %d designs, not %zu",
		    REPORT_DESIGNS, n);
	report_check_output(q->output);
	if (!report_survey(&survey, q->path, &e))
		lab_die(EXIT_FAULT, "%s: %s", q->path, e.text);
	refuse_silence(&survey);
	caveats_say(&survey.file, &(struct caveat_facts){survey.events,
	    replay_ops_ns(&survey.ops, survey.ops.head->count), survey.peak_payload,
	    survey.ops.head->idle_ns, false});
	r = (struct report){.survey = &survey, .design_count = n};
	if (survey.file.damage.text[0] == '\0')
		r.diagnosis = &survey.diagnosis;
	r.designs = report_designs(&survey, subjects, n, q->limit_s, 2);
	r.symbols = symbols_open(&survey.file);
	if (r.designs == NULL || r.symbols == NULL)
		lab_die(EXIT_OURS, "no memory for %zu designs", n);
	measure(&r, q);
	read_provenance(&r);
	r.title = title_of(&r, q->title != NULL ? q->title : q->path);
	if (!report_write(&r, q->output, why, sizeof why))
		lab_die(EXIT_OURS, "%s cannot be written: %s", q->output, why);
	lab_say("%s: %s", q->output,
	    stat(q->output, &st) == 0 ? units_bytes(bytes, (double)st.st_size) : "written");
	const bool damaged = survey.file.damage.text[0] != '\0';
	symbols_close(r.symbols);
	report_survey_close(&survey);
	return damaged ? EXIT_FAULT : EXIT_FINE;
}
