/* check.c - see check.h. */
#include "budget/check.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "cli/input.h"
#include "cli/json.h"
#include "cli/markup.h"
#include "cli/units.h"

enum { NAME_LEN = 512 };

/* ---- suppressions ---------------------------------------------------------------------------- */

static void read_suppressions(struct check *c)
{
	FILE *const f = input_text(c->suppress_file);
	char line[NAME_LEN];

	if (f == NULL)
		lab_die(EXIT_FAULT, "%s: %s", c->suppress_file, input_why(errno));
	for (size_t number = 1; fgets(line, sizeof line, f) != NULL; number++) {
		char *const text = line + strspn(line, " \t");
		text[strcspn(text, "\r\n")] = '\0';
		for (size_t n = strlen(text); n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t');)
			text[--n] = '\0';
		if (text[0] == '\0' || text[0] == '#')
			continue;
		if (c->suppressions == CHECK_PATTERNS)
			lab_die(EXIT_USAGE, "%s: more than %d patterns", c->suppress_file,
			    CHECK_PATTERNS);
		c->suppression[c->suppressions++] = (struct suppression){strdup(text), number, 0};
	}
	fclose(f);
}

/* Does a pattern match a function in the chain "f <- g <- main"? */
static bool matches(const char *pattern, const char *chain)
{
	char name[NAME_LEN];

	for (const char *at = chain; at != NULL;) {
		const char *const arrow = strstr(at, " <- ");
		const size_t len = arrow != NULL ? (size_t)(arrow - at) : strlen(at);
		snprintf(name, sizeof name, "%.*s", (int)len, at);
		if (fnmatch(pattern, name, 0) == 0)
			return true;
		at = arrow != NULL ? arrow + 4 : NULL;
	}
	return false;
}

static bool is_suppressed(struct check *c, const char *chain)
{
	bool found = false;

	for (size_t i = 0; i < c->suppressions; i++)
		if (matches(c->suppression[i].pattern, chain)) {
			c->suppression[i].used++;
			found = true;
		}
	return found;
}

/* ---- figures --------------------------------------------------------------------------------- */

/* Bytes never freed, without the suppressed sites; *most: the site with most of them. */
static double leaked(struct check *c, const struct profile *p, const struct entry **most)
{
	double sum = 0;

	*most = NULL;
	for (size_t i = 0; i < p->sites; i++) {
		const struct entry *const e = &p->site[i];
		if (e->value[MEASURE_END] <= 0 || is_suppressed(c, e->name))
			continue;
		sum += e->value[MEASURE_END];
		if (*most == NULL || e->value[MEASURE_END] > (*most)->value[MEASURE_END])
			*most = e;
	}
	return sum;
}

static const struct entry *most_of(const struct profile *p, enum quantity m)
{
	const struct entry *most = NULL;

	for (size_t i = 0; i < p->sites; i++)
		if (most == NULL || p->site[i].value[m] > most->value[m])
			most = &p->site[i];
	return most;
}

static void add(struct check *c, const char *name, const char *what, double found, double budget,
    bool bytes,
    const char *whose, const struct entry *most, enum quantity m)
{
	struct check_result *const r = &c->result[c->results++];
	char x[UNITS_LEN], y[UNITS_LEN], z[UNITS_LEN];

	*r = (struct check_result){.name = name, .found = found, .budget = budget, .bytes = bytes,
	    .broken = found > budget};
	int n = snprintf(r->text, sizeof r->text, "%s %s, %s %s", what,
	    bytes ? units_bytes(x, found) : units_count(x, found), whose,
	    bytes ? units_bytes(y, budget) : units_count(y, budget));
	if (r->broken && most != NULL)
		snprintf(r->text + n, sizeof r->text - (size_t)n, "; most, %s, at %.300s",
		    bytes ? units_bytes(z, most->value[m]) : units_count(z, most->value[m]),
		    most->name);
}

static void check_amounts(struct check *c)
{
	static const char whose[] = "the budget is";
	const struct entry *most;

	if (c->max_peak >= 0)
		add(c, "max-peak", "peak", c->now.all.value[MEASURE_PEAK], c->max_peak, true, whose,
		    most_of(&c->now, MEASURE_PEAK), MEASURE_PEAK);
	if (c->max_leaked >= 0) {
		const double found = leaked(c, &c->now, &most);
		add(c, "max-leaked", "never freed", found, c->max_leaked, true, whose, most,
		    MEASURE_END);
	}
	if (c->max_calls >= 0)
		add(c, "max-calls", "allocations", c->now.all.value[MEASURE_CALLS], c->max_calls,
		    false, whose,
		    most_of(&c->now, MEASURE_CALLS), MEASURE_CALLS);
}

/* The site that grew most since the baseline. */
static const struct entry *grown(const struct check *c, enum quantity m)
{
	const struct entry *most = NULL;
	double least = 0;

	for (size_t i = 0; i < c->now.sites; i++) {
		const struct entry *const was = profile_site(&c->then, c->now.site[i].name);
		const double more = c->now.site[i].value[m] - (was != NULL ? was->value[m] : 0);
		if (more > least) {
			least = more;
			most = &c->now.site[i];
		}
	}
	return most;
}

static void check_baseline(struct check *c)
{
	const double times = 1 + c->tolerance;
	static const char whose[] = "the baseline allows";
	const struct entry *most;

	add(c, "baseline-peak", "peak", c->now.all.value[MEASURE_PEAK],
	    c->then.all.value[MEASURE_PEAK] * times, true, whose, grown(c, MEASURE_PEAK),
	    MEASURE_PEAK);
	add(c, "baseline-calls", "allocations", c->now.all.value[MEASURE_CALLS],
	    c->then.all.value[MEASURE_CALLS] * times, false, whose, grown(c, MEASURE_CALLS),
	    MEASURE_CALLS);
	const double was = leaked(c, &c->then, &most), found = leaked(c, &c->now, &most);
	add(c, "baseline-leaked", "never freed", found, was * times, true, whose,
	    grown(c, MEASURE_END),
	    MEASURE_END);
}

static void read_profile(struct profile *p, const char *path)
{
	struct trace_error e;

	if (!profile_read(p, path, &e))
		lab_die(EXIT_FAULT, "%s: %s", path, e.text);
	if (p->all.value[MEASURE_CALLS] == 0)
		lab_die(EXIT_FAULT, "%s: nothing is allocated in it; dmm info tells why", path);
}

void check_run(struct check *c)
{
	if (c->max_peak < 0 && c->max_leaked < 0 && c->max_calls < 0 && c->baseline == NULL)
		lab_die(EXIT_USAGE, "no budget: give --max-peak, --max-leaked, --max-calls or "
		    "--baseline");
	if (c->max_peak >= 0 && c->max_leaked > c->max_peak)
		lab_die(EXIT_USAGE, "these budgets contradict each other: --max-leaked allows "
		                    "more than --max-peak, and what is never freed is live at the "
		                    "peak");
	if (c->suppress_file != NULL)
		read_suppressions(c);
	read_profile(&c->now, c->path);
	if (c->baseline != NULL)
		read_profile(&c->then, c->baseline);
	check_amounts(c);
	if (c->baseline != NULL)
		check_baseline(c);
	for (size_t i = 0; i < c->suppressions; i++)
		if (c->suppression[i].used == 0 && (c->max_leaked >= 0 || c->baseline != NULL))
			lab_say("%s:%zu: '%s' matches no leak: remove it", c->suppress_file,
			    c->suppression[i].line, c->suppression[i].pattern);
}

bool check_is_broken(const struct check *c)
{
	for (size_t i = 0; i < c->results; i++)
		if (c->result[i].broken)
			return true;
	return false;
}

/* ---- what is printed ------------------------------------------------------------------------- */

static void write_junit(const struct check *c)
{
	FILE *const out = fopen(c->junit, "we");
	size_t broken = 0;

	if (out == NULL)
		lab_die(EXIT_OURS, "%s: %s", c->junit, strerror(errno));
	for (size_t i = 0; i < c->results; i++)
		broken += c->result[i].broken;
	fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
	             "<testsuite name=\"dmm check\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" "
	             "skipped=\"0\" time=\"%.3f\">\n",
	    c->results, broken, c->now.seconds);
	for (size_t i = 0; i < c->results; i++) {
		const struct check_result *const r = &c->result[i];
		fputs("<testcase classname=\"", out);
		markup_put(out, c->path);
		fprintf(out, "\" name=\"%s\" time=\"0\">", r->name);
		if (r->broken) {
			fputs("<failure message=\"", out);
			markup_put(out, r->text);
			fputs("\"/>", out);
		}
		fputs("</testcase>\n", out);
	}
	fputs("</testsuite>\n</testsuites>\n", out);
	if (fclose(out) != 0)
		lab_die(EXIT_OURS, "%s: %s", c->junit, strerror(errno));
}

static void print_json(const struct check *c)
{
	struct json j;

	json_begin(&j, stdout);
	json_schema(&j, "dmm-check", 1);
	json_string(&j, "recording", c->path);
	json_string(&j, "baseline", c->baseline);
	json_bool(&j, "broken", check_is_broken(c));
	json_array(&j, "budgets");
	for (size_t i = 0; i < c->results; i++) {
		const struct check_result *const r = &c->result[i];
		json_object(&j, NULL);
		json_string(&j, "name", r->name);
		json_number(&j, "found", r->found);
		json_number(&j, "budget", r->budget);
		json_string(&j, "unit", r->bytes ? "bytes" : "calls");
		json_bool(&j, "broken", r->broken);
		json_string(&j, "text", r->text);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
}

/* GitHub's workflow commands escape %, CR and LF in a message. */
static void print_github(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '%')
			fputs("%25", stdout);
		else
			putchar((unsigned char)*text < 0x20 ? ' ' : *text);
}

void check_print(const struct check *c)
{
	if (c->junit != NULL)
		write_junit(c);
	if (c->form == CHECK_JSON) {
		print_json(c);
		return;
	}
	for (size_t i = 0; i < c->results; i++) {
		const struct check_result *const r = &c->result[i];
		if (c->form == CHECK_TEXT) {
			printf("%s: %s: %s\n", r->broken ? "broken" : "kept", r->name, r->text);
		} else if (r->broken) {
			printf("::error title=dmm check %s::", r->name);
			print_github(r->text);
			putchar('\n');
		}
	}
}
