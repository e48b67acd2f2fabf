/* advise_print.c - an advice for people, as CSV and as JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/json.h"
#include "cli/screen.h"
#include "cli/table.h"
#include "cli/units.h"
#include "allocators/techniques.h"
#include "tune/advise.h"

/* The meaning of each part of a footprint, so that the user knows the remedy. */
static const char *const part_words[PARTS] = {
    [PART_PAYLOAD] = "payload",
    [PART_PADDING] = "rounding up",
    [PART_HEADERS] = "headers and tables",
    [PART_BINS] = "free for later requests",
    [PART_CACHES] = "freed, not yet merged",
    [PART_TAILS] = "ends of pages",
    [PART_RETAINED] = "free, not given back",
};

/* ---- what the program does ------------------------------------------------------------------- */

static double percent(uint64_t part, uint64_t whole)
{
	return whole != 0 ? 100.0 * (double)part / (double)whole : 0;
}

enum { FACT = 13 }; /* columns before a fact */

static void print_calls(const struct advice *a)
{
	const struct facts *const f = &a->facts;
	char calls[UNITS_LEN], time[UNITS_LEN], in[UNITS_LEN + 8] = "", busy[128] = "";

	if (a->timed)
		snprintf(in, sizeof in, " in %s", units_seconds(time, f->seconds));
	if (f->threads > 1)
		snprintf(busy, sizeof busy,
		    "; the busiest thread makes %.0f %% of them; %.1f %% use an object of another "
		    "thread",
		    100 * f->busiest, percent(f->handed, f->calls));
	printf("  calls      ");
	screen_words(stdout, FACT, "%s%s by %" PRIu64 " thread%s%s",
	    units_count(calls, (double)f->calls), in, f->threads, f->threads == 1 ? "" : "s", busy);
}

static void print_peak(const struct facts *f)
{
	char bytes[UNITS_LEN], count[UNITS_LEN], each[UNITS_LEN], large[128] = "";
	const double mean =
	    f->peak_count != 0 ? (double)f->peak_payload / (double)f->peak_count : 0;

	if (f->peak_large_count != 0)
		snprintf(large, sizeof large,
		    "; %.0f %% of these bytes are in %" PRIu64 " object%s of 128 KiB or more",
		    percent(f->peak_large, f->peak_payload), f->peak_large_count,
		    f->peak_large_count == 1 ? "" : "s");
	printf("  its peak   ");
	screen_words(stdout, FACT, "%s in %s object%s, %s each on average%s",
	    units_bytes(bytes, (double)f->peak_payload), units_count(count, (double)f->peak_count),
	    f->peak_count == 1 ? "" : "s", units_bytes(each, mean), large);
}

static void print_facts(const struct advice *a)
{
	const struct facts *const f = &a->facts;
	char x[UNITS_LEN], y[UNITS_LEN];

	printf("what the program does\n");
	print_calls(a);
	printf("  sizes      ");
	screen_words(stdout, FACT,
	    "half of all requests ask for %s or less, %.0f %% for %d bytes or less; the largest "
	    "asks for %s",
	    units_bytes(x, (double)f->size_median), 100 * f->small, FACTS_SMALL,
	    units_bytes(y, (double)f->size_most));
	print_peak(f);
	printf("  lifetimes  ");
	screen_words(stdout, FACT,
	    "%.0f %% of its objects are freed within %d calls; %s are never freed; %.0f %% of the "
	    "calls are realloc",
	    100 * f->short_lived, FACTS_SHORT, units_count(x, (double)f->never_freed),
	    percent(f->reallocs, f->calls));
	printf("  its end    ");
	screen_words(stdout, FACT, "%s are live, %.0f %% of the peak",
	    units_bytes(x, (double)f->end_payload), percent(f->end_payload, f->peak_payload));
	printf("  time       ");
	if (a->timed)
		screen_words(stdout, FACT, "on glibc, its calls would take %.1f %% of its run",
		    100 * a->usual->ns * 1e-9 * (double)f->calls / f->seconds);
	else
		screen_words(stdout, FACT,
		    "the recording has no times; dmm assumes that glibc's calls take %.0f %% of "
		    "the run",
		    100 * ADVISE_SHARE);
}

/* ---- what each design would need ------------------------------------------------------------- */

/* Bytes, for people or for machines. */
static void add_bytes(struct table *t, enum format format, uint64_t bytes)
{
	char text[UNITS_LEN];

	if (format == FORMAT_CSV)
		table_cell(t, "%" PRIu64, bytes);
	else
		table_cell(t, "%s", units_bytes(text, (double)bytes));
}

static bool is_usual(const struct choice *c)
{
	return strcmp(c->sys->name, "gnu") == 0 && c->conf[0] == '\0';
}

static const char *shown_name(const struct choice *c, enum format format)
{
	return is_usual(c) && format == FORMAT_TEXT ? "gnu (like glibc)" : c->sys->name;
}

static void add_choice(struct table *t, const struct advice *a, const struct choice *c,
    enum format format)
{
	double share;
	const enum part gap = advise_gap(&c->peak, &share);
	const enum paint paint = c->problem[0] != '\0' ? PAINT_DIM : c == a->best ? PAINT_GOOD
	    : PAINT_PLAIN;

	table_paint(t, paint, "%s", shown_name(c, format));
	add_bytes(t, format, c->peak.footprint);
	const double of_payload = (double)c->peak.footprint / (double)a->facts.peak_payload;
	table_cell(t, of_payload < 99.95 ? "%.2f" : "%.0f", of_payload);
	add_bytes(t, format, (uint64_t)c->mean);
	add_bytes(t, format, c->end_footprint);
	if (c->ns == 0) { /* not replayed */
		for (int i = 0; i < 3; i++)
			table_cell(t, "%s", "");
		table_paint(t, paint, "%s", c->problem);
		return;
	}
	table_cell(t, "%.0f", c->ns);
	table_cell(t, "%+.1f %%", 100 * (c->run - 1));
	table_cell(t, "%.0f %% %s", 100 * share, part_words[gap]);
	table_paint(t, paint, "%s%s%s", c->conf, c->conf[0] != '\0' &&
	    c->problem[0] != '\0' ? "; " : "",
	    c->problem);
}

static void print_choices(const struct advice *a, enum format format)
{
	static const struct column columns[] = {{"design", false}, {"peak", true},
	    {"of payload", true},
	    {"on average", true}, {"at the end", true}, {"ns a call", true}, {"run time", true},
	    {"largest part beside payload", false},
	    {"settings", false}};
	enum { OF_PAYLOAD = 2, AT_END = 4, NS_A_CALL, RUN_TIME, LARGEST, SETTINGS };
	struct table t;

	table_begin(&t, columns, sizeof columns / sizeof *columns);
	table_below(&t, SETTINGS);
	table_spare(&t, LARGEST, 1);
	table_spare(&t, NS_A_CALL, 1);
	table_spare(&t, OF_PAYLOAD, 1);
	table_spare(&t, AT_END, 1);
	table_spare(&t, RUN_TIME, 1);
	for (size_t i = 0; i < a->count; i++)
		add_choice(&t, a, &a->choice[i], format);
	if (format == FORMAT_CSV)
		table_csv(&t, stdout);
	else
		table_text(&t, stdout);
	table_end(&t);
}

/* What is live is the least that any design can hold. */
static void print_bound(const struct advice *a)
{
	const struct facts *const f = &a->facts;
	char mean[UNITS_LEN], peak[UNITS_LEN], end[UNITS_LEN];

	screen_words(stdout, 0,
	    "no design can hold less than the bytes that are live: %s at the peak, %s on average, "
	    "%s at the end",
	    units_bytes(peak, (double)f->peak_payload), units_bytes(mean, f->mean_payload),
	    units_bytes(end, (double)f->end_payload));
}

/* ---- the advice ------------------------------------------------------------------------------ */

enum { NAME = ASCENT_CONF + 64, ITEM = 4 }; /* ITEM: columns before the words of an item */
static const double SAME_MOST = 1.005; /* units_change() calls less than this "the same" */

static const char *named(const struct choice *c, char buf[NAME])
{
	char tight[ASCENT_CONF];

	slab_tight_conf(tight, sizeof tight);
	if (strcmp(c->conf, tight) == 0)
		snprintf(buf, NAME, "%s that gives free memory back at once (%s)", c->sys->name,
		    c->conf);
	else
		snprintf(buf, NAME, "%s%s%s", c->sys->name, c->conf[0] != '\0' ? " with " : "",
		    c->conf);
	return buf;
}

__attribute__((format(printf, 1, 2))) static void item(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	CHECK(vasprintf(&text, format, args) >= 0);
	va_end(args);
	printf("  * ");
	screen_text(stdout, ITEM, text);
	free(text);
}

/* "on average: 12 % less memory, 4.20 MiB against 4.77 MiB on glibc" */
static void print_memory(const char *when, double mine, double usual)
{
	char change[UNITS_LEN], x[UNITS_LEN], y[UNITS_LEN];

	item("%s: %s, %s against %s on glibc", when, units_change(change, mine / usual, "memory"),
	    units_bytes(x, mine), units_bytes(y, usual));
}

static void print_time(const struct choice *c)
{
	char change[UNITS_LEN];

	if (c->run > 0.995 && c->run < 1.005)
		item("the run takes the same time as on glibc");
	else
		item("the run takes %s than on glibc", units_change(change, c->run, "time"));
}

static bool finds(const struct advice *a, enum finding_kind kind)
{
	for (size_t i = 0; i < a->diagnosis.count; i++)
		if (a->diagnosis.finding[i].kind == kind)
			return true;
	return false;
}

static void because(const struct advice *a, const struct choice *c)
{
	const struct choice *const usual = a->usual;
	char beside[UNITS_LEN], library[UNITS_LEN];
	double share;
	const enum part gap = advise_gap(&usual->peak, &share);
	const double mine = a->beside_heap + ADVISE_LIBRARY, other = a->beside_heap;

	const bool by_time = !a->none_needed && c->run < c->process / usual->process;

	if (by_time) /* the reason comes first */
		print_time(c);
	print_memory("on average", mine + c->mean, other + usual->mean);
	print_memory("at the peak", mine + (double)c->peak.footprint,
	    other + (double)usual->peak.footprint);
	print_memory("at the end", mine + (double)c->end_footprint,
	    other + (double)usual->end_footprint);
	item("these figures are of the process without its code: they count about %s beside its "
	     "heap, and %s for %s's library",
	    units_bytes(beside, a->beside_heap), units_bytes(library, ADVISE_LIBRARY),
	    c->sys->name);
	if (share >= 0.05)
		item("of glibc's heap at its peak %.0f %% is %s; of %s's %.0f %%", 100 * share,
		    part_words[gap], c->sys->name,
		    percent(c->peak.part[gap], c->peak.footprint));
	if (!by_time)
		print_time(c);
	if (finds(a, FINDING_OVERSIZED))
		item("the model counts all that the program asks for as resident, also what it "
		     "never touches");
	if (finds(a, FINDING_RETAINED) && a->none_needed)
		item("after a peak, real glibc may keep more memory than this model of it; 'dmm "
		     "replay --pace %s' measures both",
		    lab_quoted(a->rec->path));
	if (a->facts.reallocs > a->facts.calls / 20)
		item("%.0f %% of the calls are realloc: when one shrinks an object, glibc does "
		     "not merge a rest of up to 128 bytes at once, so it may hold more memory than "
		     "this model of it",
		    percent(a->facts.reallocs, a->facts.calls));
	if (a->facts.busy_threads > 1)
		item("%" PRIu64 " threads allocate at once; the model lets them take turns, and "
		     "leaves glibc's arenas out",
		    a->facts.busy_threads);
}

static const struct choice *slab_of(const struct advice *a)
{
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->choice[i].sys->name, "slab") == 0)
			return &a->choice[i];
	return a->best;
}

static void print_stay(const struct advice *a, const struct choice *c)
{
	char name[NAME], least[UNITS_LEN], why[128];

	if (c->process >= SAME_MOST * a->usual->process)
		snprintf(why, sizeof why, "hold more memory on average");
	else if (c->cost > ADVISE_WORTH * a->usual->cost)
		snprintf(why, sizeof why, "gain less than %.0f %% in memory and time together",
		    100 * (1 - ADVISE_WORTH));
	else
		snprintf(why, sizeof why, "save less than %s", units_bytes(least, ADVISE_SAVES));
	screen_words(stdout, 0, "advice: stay with glibc: by the model, %s would %s",
	    named(c, name), why);
	because(a, c);
}

static void print_advice(const struct advice *a)
{
	char name[NAME];

	if (a->few) {
		screen_words(stdout, 0,
		    "advice: record a longer run: %" PRIu64 " calls are too few to judge an "
		    "allocator by",
		    a->facts.calls);
	} else if (!a->rec->glibc) {
		screen_words(stdout, 0,
		    "advice: measure it: the program ran on %s, for which dmm has no model; %s "
		    "against glibc's design:",
		    a->rec->recorded_on, named(slab_of(a), name));
		because(a, slab_of(a));
	} else if (a->none_needed) {
		print_stay(a, a->best != a->usual ? a->best : slab_of(a));
	} else {
		screen_words(stdout, 0, "advice: run it on %s", named(a->best, name));
		because(a, a->best);
	}
}

/* The words under the table. */
static void print_notes(const struct advice *a)
{
	screen_text(stdout, 0,
	    "of payload: the peak as a multiple of the peak payload; run time: of the whole "
	    "recorded run, against glibc's design; ns a call: of the design's code by the model, "
	    "with each system call at its cost on this machine; glibc's row: the design gnu behind "
	    "a cache of 7 freed objects of each size, as glibc has");
	print_bound(a);
}

static void tell_next(const struct advice *a)
{
	lab_say("the model has no other allocators and no processor caches: measure before you "
	    "believe it");
	if (a->none_needed && !a->few && a->timed && a->rec->glibc)
		lab_next(NULL, "dmm replay --pace=4 %s", lab_quoted(a->rec->path));
	else if (!a->none_needed && tune_can(a->best->sys) &&
	    strcmp(a->best->sys->name, "slab") != 0)
		lab_next(NULL, "dmm tune %s --systems=%s -o my.conf -- PROGRAM ARG...",
		    lab_quoted(a->rec->path), a->best->sys->name);
	else
		lab_next(NULL, "dmm tune %s -o my.conf -- PROGRAM ARG...",
		    lab_quoted(a->rec->path));
}

static void print_json(const struct advice *a)
{
	const struct facts *const f = &a->facts;
	struct json j;

	json_begin(&j, stdout);
	json_schema(&j, "dmm-advise", 1);
	json_string(&j, "recording", a->rec->path);
	json_bool(&j, "timed", a->timed);
	json_bool(&j, "stay", a->none_needed);
	json_bool(&j, "few_calls", a->few);
	json_string(&j, "advice", a->none_needed ? a->usual->sys->name : a->best->sys->name);
	json_string(&j, "settings", a->none_needed ? "" : a->best->conf);
	json_string(&j, "recorded_on", a->rec->recorded_on[0] != '\0' ? a->rec->recorded_on : NULL);
	diagnosis_json(&a->diagnosis, &j);
	json_object(&j, "facts");
	json_count(&j, "calls", f->calls);
	json_number(&j, "seconds", f->seconds);
	json_count(&j, "threads", f->threads);
	json_count(&j, "busy_threads", f->busy_threads);
	json_count(&j, "handed_calls", f->handed);
	json_count(&j, "median_size_bytes", f->size_median);
	json_count(&j, "largest_size_bytes", f->size_most);
	json_number(&j, "small_share", f->small);
	json_number(&j, "short_lived_share", f->short_lived);
	json_count(&j, "reallocs", f->reallocs);
	json_count(&j, "never_freed", f->never_freed);
	json_count(&j, "peak_payload_bytes", f->peak_payload);
	json_count(&j, "peak_objects", f->peak_count);
	json_count(&j, "peak_large_bytes", f->peak_large);
	json_count(&j, "end_payload_bytes", f->end_payload);
	json_number(&j, "mean_payload_bytes", f->mean_payload);
	json_end(&j);
	json_array(&j, "choices");
	for (size_t i = 0; i < a->count; i++) {
		const struct choice *const c = &a->choice[i];
		json_object(&j, NULL);
		json_string(&j, "system", c->sys->name);
		json_string(&j, "settings", c->conf);
		json_bool(&j, "behind_tcache", is_usual(c));
		json_string(&j, "problem", c->problem[0] != '\0' ? c->problem : NULL);
		json_count(&j, "peak_footprint_bytes", c->peak.footprint);
		json_number(&j, "process_bytes", c->process);
		json_number(&j, "mean_footprint_bytes", c->mean);
		json_count(&j, "end_footprint_bytes", c->end_footprint);
		json_number(&j, "ns_a_call", c->ns);
		json_number(&j, "run_ratio", c->run);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
}

void advice_print(const struct advice *a, enum format format)
{
	if (format == FORMAT_JSON) {
		print_json(a);
	} else if (format == FORMAT_CSV) {
		print_choices(a, format);
	} else {
		diagnosis_text(&a->diagnosis, stdout);
		putchar('\n');
		print_advice(a);
		putchar('\n');
		screen_words(stdout, 0,
		    "what each design would hold, by a model, in bytes of heap");
		print_choices(a, format);
		print_notes(a);
		putchar('\n');
		print_facts(a);
	}
	tell_next(a);
}
