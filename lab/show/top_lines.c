/* top_lines.c - dmm top without a screen: a line a look, or a series for machines. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/json.h"
#include "inspect/json.h"
#include "show/top.h"
#include "cli/units.h"

static volatile sig_atomic_t stopped;

static void on_stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void sleep_for(double seconds)
{
	const struct timespec t = {.tv_sec = (time_t)seconds,
	    .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
	nanosleep(&t, NULL);
}

/* ---- text ------------------------------------------------------------------------------------ */

enum { COLUMN = 10 };

static const struct line_column {
	const char *title;
	size_t from_width; /* shown from this width on */
} columns[] = {
    {"seconds", 0}, {"live", 0}, {"held", 0}, {"resident", 0}, {"free", 50}, {"dirty", 60},
        {"rss", 70},
    {"cpu", 80}, {"faults/s", 90}, {"allocs/s", 100}, {"frees/s", 110},
};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

static void put_cell(const struct top *t, size_t column)
{
	const struct outside_view *const v = top_view(t);
	const uint64_t free = v->bytes[OUTSIDE_FREE] + v->bytes[OUTSIDE_CACHED] +
	    v->bytes[OUTSIDE_REMOTE];
	const double bytes[] = {0, (double)(v->bytes[OUTSIDE_LIVE] + v->bytes[OUTSIDE_LARGE]),
	    (double)outside_held(v),
	    (double)outside_resident(v), (double)free,
	    (double)v->bytes[OUTSIDE_DIRTY], (double)v->rss};
	const double counts[] = {t->rates.faults, t->rates.allocated, t->rates.freed};
	char text[UNITS_LEN];

	if (column == 0)
		snprintf(text, sizeof text, "%.1f", v->time - t->began);
	else if (column == 3 && !v->pages_known)
		snprintf(text, sizeof text, "-");
	else if (column < 7)
		units_bytes(text, bytes[column]);
	else if (!t->rates.known)
		snprintf(text, sizeof text, "-");
	else if (column == 7)
		snprintf(text, sizeof text, "%.0f %%", 100 * t->rates.cpu);
	else
		units_count(text, counts[column - 8]);
	printf("%*s", COLUMN, text);
}

static void put_titles(const struct draw_style *s)
{
	for (size_t i = 0; i < COLUMNS && columns[i].from_width <= s->width; i++)
		printf("%*s", COLUMN, columns[i].title);
	putchar('\n');
}

static void put_line(const struct top *t, const struct draw_style *s)
{
	enum { TITLES_EVERY = 40 };

	if ((t->looks - 1) % TITLES_EVERY == 0)
		put_titles(s);
	for (size_t i = 0; i < COLUMNS && columns[i].from_width <= s->width; i++)
		put_cell(t, i);
	putchar('\n');
}

/* ---- for machines ---------------------------------------------------------------------------- */

static void put_csv(const struct top *t)
{
	const struct outside_view *const v = top_view(t);

	if (t->looks == 1) {
		fputs("time_s,held_bytes", stdout);
		for (int i = 0; i < OUTSIDE_CAUSES; i++)
			printf(",%s_bytes", outside_cause_name(i));
		puts(",resident_bytes,rss_bytes,live_objects,faults,cpu_s,allocated_per_s"
		     ",freed_per_s");
	}
	printf("%.6f,%llu", v->time - t->began, (unsigned long long)outside_held(v));
	for (int i = 0; i < OUTSIDE_CAUSES; i++)
		printf(",%llu", (unsigned long long)v->bytes[i]);
	printf(",%llu,%llu,%llu,%llu,%.2f,", (unsigned long long)outside_resident(v),
	    (unsigned long long)v->rss,
	    (unsigned long long)(v->live_objects + v->large_objects), (unsigned long long)v->faults,
	    v->cpu_seconds);
	if (t->rates.known)
		printf("%.1f,%.1f", t->rates.allocated, t->rates.freed);
	else
		putchar(',');
	putchar('\n');
}

static void begin_json(struct json *j, const struct top *t)
{
	json_begin(j, stdout);
	json_schema(j, "dmm-top", 2); /* 2: as for "dmm-heap" */
	json_string(j, "program", t->outside.memory.name);
	json_integer(j, "pid", t->outside.memory.pid);
	json_string(j, "library", t->outside.library);
	json_array(j, "looks");
}

static void put_json(struct json *j, const struct top *t)
{
	json_object(j, NULL);
	json_number(j, "time_s", top_view(t)->time - t->began);
	if (t->rates.known) {
		json_object(j, "per_second");
		json_number(j, "allocated_at_least", t->rates.allocated);
		json_number(j, "freed_at_least", t->rates.freed);
		json_number(j, "live_bytes", t->rates.live);
		json_number(j, "held_bytes", t->rates.held);
		json_number(j, "resident_bytes", t->rates.resident);
		json_number(j, "faults", t->rates.faults);
		json_number(j, "cpu_s", t->rates.cpu);
		json_end(j);
	} else {
		json_null(j, "per_second");
	}
	outside_json_figures(j, top_view(t));
	json_end(j);
}

int top_lines(struct top *t, const struct draw_style *s, enum format format, double interval,
    size_t count)
{
	const struct sigaction stop = {.sa_handler = on_stop};
	struct memory_error e = {""};
	struct json j;
	bool there = true;

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	if (format == FORMAT_JSON)
		begin_json(&j, t);
	for (size_t n = 1; there; n++) {
		if (format == FORMAT_JSON)
			put_json(&j, t);
		else if (format == FORMAT_CSV)
			put_csv(t);
		else
			put_line(t, s);
		fflush(stdout);
		if (n == count)
			break;
		sleep_for(interval);
		if (stopped)
			break;
		there = top_look(t, &e);
	}
	if (format == FORMAT_JSON) {
		json_end(&j);
		json_end(&j);
	}
	if (!there)
		lab_say("%s", e.text);
	return EXIT_FINE;
}
