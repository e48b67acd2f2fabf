/* advise_print.c - an advice for people, as CSV and as JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/json.h"
#include "cli/table.h"
#include "cli/units.h"
#include "tune/advise.h"

/* What each part of a footprint is, so that one knows what to do about it. */
static const char *const part_words[PARTS] = {
    [PART_PAYLOAD] = "payload",
    [PART_PADDING] = "rounding up",
    [PART_HEADERS] = "headers and tables",
    [PART_BINS] = "free, not yet wanted",
    [PART_CACHES] = "freed, not yet merged",
    [PART_TAILS] = "ends of pages",
    [PART_RETAINED] = "kept from the system",
};

/* ---- what the program does ---------------------------------------------------------------------- */

static double percent(uint64_t part, uint64_t whole)
{
	return whole != 0 ? 100.0 * (double)part / (double)whole : 0;
}

static void print_facts(const struct advice *a)
{
	const struct facts *const f = &a->facts;
	char x[UNITS_LEN], y[UNITS_LEN], z[UNITS_LEN];

	printf("what the program does\n");
	printf("  calls      %s", units_count(x, (double)f->calls));
	if (a->timed)
		printf(" in %s", units_seconds(y, f->seconds));
	printf(" by %" PRIu64 " thread%s", f->threads, f->threads == 1 ? "" : "s");
	if (f->threads > 1)
		printf(", the busiest makes %.0f %%; %.1f %% of them are on what another thread had",
		    100 * f->busiest, percent(f->handed, f->calls));
	printf("\n  sizes      half of all requests are of %s at most, %.0f %% of %d bytes at most; the largest "
	       "is %s\n",
	    units_bytes(x, (double)f->size_median), 100 * f->small, FACTS_SMALL,
	    units_bytes(y, (double)f->size_most));
	printf("  its peak   %s in %s objects, %s each", units_bytes(x, (double)f->peak_payload),
	    units_count(y, (double)f->peak_count),
	    units_bytes(z, f->peak_count != 0 ? (double)f->peak_payload / (double)f->peak_count : 0));
	if (f->peak_large_count != 0)
		printf("; %.0f %% of that in %" PRIu64 " of 128 KiB and more",
		    percent(f->peak_large, f->peak_payload), f->peak_large_count);
	printf("\n  lifetimes  %.0f %% of its objects are gone within %d calls, %s are never freed; "
	       "%.0f %% of the calls are realloc\n",
	    100 * f->short_lived, FACTS_SHORT, units_count(x, (double)f->never_freed),
	    percent(f->reallocs, f->calls));
	printf("  its end    %s are live, %.0f %% of the peak\n", units_bytes(x, (double)f->end_payload),
	    percent(f->end_payload, f->peak_payload));
	if (a->timed)
		printf("  time       gnu's calls would be %.1f %% of its run\n",
		    100 * a->usual->ns * 1e-9 * (double)f->calls / f->seconds);
	else
		printf("  time       not in the recording; gnu's calls are taken as %.0f %% of the run\n",
		    100 * ADVISE_SHARE);
}

/* ---- what each design would need ------------------------------------------------------------------ */

/* Bytes, for people or for machines. */
static void add_bytes(struct table *t, enum format format, uint64_t bytes)
{
	char text[UNITS_LEN];

	if (format == FORMAT_CSV)
		table_cell(t, "%" PRIu64, bytes);
	else
		table_cell(t, "%s", units_bytes(text, (double)bytes));
}

static void add_choice(struct table *t, const struct advice *a, const struct choice *c, enum format format)
{
	double share;
	const enum part gap = advise_gap(&c->peak, &share);
	const enum paint paint = c->problem[0] != '\0' ? PAINT_DIM : c == a->best ? PAINT_GOOD : PAINT_PLAIN;

	table_paint(t, paint, "%s", c->sys->name);
	add_bytes(t, format, c->peak.footprint);
	table_cell(t, "%.2f", (double)c->peak.footprint / (double)a->facts.peak_payload);
	add_bytes(t, format, c->end_footprint);
	table_cell(t, "%.0f", c->ns);
	table_cell(t, "%+.1f %%", 100 * (c->run - 1));
	table_cell(t, "%.0f %% %s", 100 * share, part_words[gap]);
	table_paint(t, paint, "%s%s%s", c->conf, c->conf[0] != '\0' && c->problem[0] != '\0' ? "; " : "",
	    c->problem);
}

static void print_choices(const struct advice *a, enum format format)
{
	static const struct column columns[] = {{"design", false}, {"peak", true}, {"of payload", true},
	    {"at the end", true}, {"ns a call", true}, {"run time", true}, {"most of the rest", false},
	    {"settings", false}};
	struct table t;

	table_begin(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < a->count; i++)
		add_choice(&t, a, &a->choice[i], format);
	if (format == FORMAT_CSV)
		table_csv(&t, stdout);
	else
		table_text(&t, stdout);
	table_end(&t);
}

/* ---- the advice ----------------------------------------------------------------------------------- */

static const char *named(const struct choice *c, char buf[ASCENT_CONF + 32])
{
	snprintf(buf, ASCENT_CONF + 32, "%s%s%s", c->sys->name, c->conf[0] != '\0' ? " with " : "", c->conf);
	return buf;
}

static const char *less_or_more(double ratio)
{
	return ratio <= 1 ? "less" : "more";
}

static void because_of_memory(const struct advice *a)
{
	const struct choice *const best = a->best, *const usual = a->usual;
	char mine[UNITS_LEN], gnus[UNITS_LEN], beside[UNITS_LEN];
	const bool saves = best->peak.footprint < usual->peak.footprint;
	double share;
	const enum part gap = advise_gap(saves ? &usual->peak : &best->peak, &share);

	printf("  * memory: a peak of %s where gnu as it comes has %s; the process has %s beside its heap\n",
	    units_bytes(mine, (double)best->peak.footprint), units_bytes(gnus, (double)usual->peak.footprint),
	    units_bytes(beside, a->beside_heap));
	printf("  * of gnu's footprint %.0f %% is %s, of this one's %.0f %%\n",
	    percent(usual->peak.part[gap], usual->peak.footprint), part_words[gap],
	    percent(best->peak.part[gap], best->peak.footprint));
}

static void because_of_time(const struct advice *a)
{
	const struct choice *const best = a->best;
	char change[UNITS_LEN];

	printf("  * time: a call takes %.0f ns, gnu's %.0f; for the whole run that is ", best->ns, a->usual->ns);
	if (best->run > 0.995 && best->run < 1.005)
		printf("nothing\n");
	else
		printf("%s\n", units_change(change, best->run, "time"));
}

static void because_of_threads(const struct advice *a)
{
	const struct facts *const f = &a->facts;

	if (f->busy_threads > 1)
		printf("  * threads: %" PRIu64 " are busy; every design of the lecture has one lock around all "
		       "calls\n", f->busy_threads);
}

/* The first that is another design, and why it came second. */
static void why_not(const struct advice *a)
{
	char name[ASCENT_CONF + 32], memory[UNITS_LEN], time[UNITS_LEN];

	for (size_t i = 1; i < a->count; i++) {
		const struct choice *const c = &a->choice[i];
		if (c->sys == a->best->sys || c->problem[0] != '\0')
			continue;
		printf("  * next is %s: %s, %s\n", named(c, name),
		    units_change(memory, (double)c->peak.footprint / (double)a->best->peak.footprint, "memory"),
		    units_change(time, c->run / a->best->run, "time"));
		return;
	}
}

static void print_advice(const struct advice *a)
{
	char name[ASCENT_CONF + 32];

	if (a->none_needed) {
		printf("advice: stay with what you have\n"
		       "  * gnu, the C library's design, needs %.2f times the payload\n",
		    (double)a->usual->peak.footprint / (double)a->facts.peak_payload);
		if (a->best != a->usual)
			printf("  * with %s the process would need %.1f %% %s memory and %.1f %% %s time\n",
			    named(a->best, name), 100 * fabs(1 - a->best->process / a->usual->process),
			    less_or_more(a->best->process / a->usual->process), 100 * fabs(1 - a->best->run),
			    less_or_more(a->best->run));
		else
			printf("  * no other design or setting needs less memory and time together\n");
		return;
	}
	printf("advice: %s\n", named(a->best, name));
	because_of_memory(a);
	because_of_time(a);
	because_of_threads(a);
	why_not(a);
}

static void tell_next(const struct advice *a)
{
	lab_say("a model knows no other allocators, page faults or caches: measure before you believe it");
	if (a->none_needed)
		lab_next(NULL, "dmm replay %s", a->rec->path);
	else if (a->best->conf[0] != '\0')
		lab_next(NULL, "dmm tune %s --system=%s -o %s.conf", a->rec->path, a->best->sys->name,
		    a->best->sys->name);
	else
		lab_next(NULL, "dmm replay %s --systems=%s,gnu", a->rec->path, a->best->sys->name);
}

static void print_json(const struct advice *a)
{
	const struct facts *const f = &a->facts;
	struct json j;

	json_begin(&j, stdout);
	json_string(&j, "schema", "dmm-advise");
	json_integer(&j, "version", 1);
	json_string(&j, "recording", a->rec->path);
	json_bool(&j, "timed", a->timed);
	json_bool(&j, "stay", a->none_needed);
	json_string(&j, "advice", a->none_needed ? a->usual->sys->name : a->best->sys->name);
	json_string(&j, "settings", a->none_needed ? "" : a->best->conf);
	json_object(&j, "facts");
	json_integer(&j, "calls", (int64_t)f->calls);
	json_number(&j, "seconds", f->seconds);
	json_integer(&j, "threads", (int64_t)f->threads);
	json_integer(&j, "busy_threads", (int64_t)f->busy_threads);
	json_integer(&j, "handed_calls", (int64_t)f->handed);
	json_integer(&j, "median_size_bytes", (int64_t)f->size_median);
	json_integer(&j, "largest_size_bytes", (int64_t)f->size_most);
	json_number(&j, "small_share", f->small);
	json_number(&j, "short_lived_share", f->short_lived);
	json_integer(&j, "reallocs", (int64_t)f->reallocs);
	json_integer(&j, "never_freed", (int64_t)f->never_freed);
	json_integer(&j, "peak_payload_bytes", (int64_t)f->peak_payload);
	json_integer(&j, "peak_objects", (int64_t)f->peak_count);
	json_integer(&j, "peak_large_bytes", (int64_t)f->peak_large);
	json_integer(&j, "end_payload_bytes", (int64_t)f->end_payload);
	json_end(&j);
	json_array(&j, "choices");
	for (size_t i = 0; i < a->count; i++) {
		const struct choice *const c = &a->choice[i];
		json_object(&j, NULL);
		json_string(&j, "system", c->sys->name);
		json_string(&j, "settings", c->conf);
		json_string(&j, "problem", c->problem[0] != '\0' ? c->problem : NULL);
		json_integer(&j, "peak_footprint_bytes", (int64_t)c->peak.footprint);
		json_number(&j, "process_bytes", c->process);
		json_integer(&j, "end_footprint_bytes", (int64_t)c->end_footprint);
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
		print_facts(a);
		printf("\nwhat each design would need\n");
		print_choices(a, format);
		printf("ns a call: the model's, and for each system call what one costs here\n\n");
		print_advice(a);
	}
	tell_next(a);
}
