/* diff_print.c - a difference for people, as JSON, and folded. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "budget/diff.h"
#include "cli/json.h"
#include "cli/screen.h"
#include "cli/table.h"
#include "cli/units.h"

static void put_value(struct table *t, enum quantity m, double value)
{
	char text[UNITS_LEN];

	table_cell(t, "%s", m == MEASURE_CALLS ? units_count(text, value)
	    : units_bytes(text, value));
}

static void put_change(struct table *t, enum quantity m, const struct change *c)
{
	const double more = c->after - c->before;
	const enum paint paint = !c->counts ? PAINT_DIM : more > 0 ? PAINT_BAD : PAINT_GOOD;
	char text[UNITS_LEN];

	put_value(t, m, c->before);
	put_value(t, m, c->after);
	table_paint(t, paint, "%s%s", more > 0 ? "+" : more < 0 ? "-" : "",
	    m == MEASURE_CALLS ? units_count(text, fabs(more)) : units_bytes(text, fabs(more)));
	if (c->before > 0)
		table_paint(t, paint, "%+.1f %%", 100 * more / c->before);
	else
		table_paint(t, paint, "%s", c->after > 0 ? "new" : "");
}

static bool is_judged(const struct diff *d, enum quantity m)
{
	return m != MEASURE_MEAN || (d->a.runs > 2 && d->b.runs > 2);
}

static void print_all(const struct diff *d, FILE *out)
{
	static const struct column columns[] = {{"", false}, {"before", true}, {"after", true},
	    {"change", true}, {"in %", true}, {"", false}};
	struct table t;

	table_begin(&t, columns, 6);
	for (enum quantity m = 0; m < MEASURES; m++) {
		table_cell(&t, "%s", measure_names[m]);
		put_change(&t, m, &d->all[m]);
		table_cell(&t, "%s", d->all[m].counts ? "" : is_judged(d, m) ? "within noise"
		    : "not judged");
	}
	table_text(&t, out);
	table_end(&t);
}

static void print_list(const struct diff *d, const struct change_list *l, const char *title,
    size_t top,
    FILE *out)
{
	const struct column columns[] = {{"before", true}, {"after", true}, {"change", true},
	    {"in %", true},
	    {title, false}};
	struct table t;

	if (l->counted == 0)
		return;
	fputc('\n', out);
	table_begin(&t, columns, 5);
	for (size_t i = 0; i < l->counted && i < top; i++) {
		put_change(&t, d->by, &l->change[i]);
		table_cell(&t, "%s", l->change[i].name);
	}
	table_text(&t, out);
	table_end(&t);
	if (l->counted > top)
		fprintf(out, "... and %zu more: --top=N\n", l->counted - top);
}

void diff_usual_text(const struct diff *d, FILE *out)
{
	if (diff_usual_noise(d, MEASURE_PEAK) <= DIFF_USUAL)
		fprintf(out, "%.0f %% of the whole", 100 * DIFF_USUAL);
	else
		fprintf(out,
		    "%.0f %% of the bytes at the peak and %.0f %% of the rest, since %zu call "
		    "sites made a few calls more or less, as programs do that go by the clock",
		    100 * DIFF_UNSTEADY_PEAK, 100 * DIFF_UNSTEADY, d->unsteady);
}

static void print_usual(const struct diff *d, FILE *out)
{
	char *text = NULL;
	size_t len = 0;
	FILE *const usual = open_memstream(&text, &len);

	CHECK(usual != NULL);
	diff_usual_text(d, usual);
	fclose(usual);
	fputc('\n', out);
	screen_words(out, 0,
	    "noise is taken as %s; averages are not judged; dmm diff A1,A2,A3 B1,B2,B3, with three "
	    "recordings on each side, measures noise",
	    text);
	free(text);
}

void diff_text(const struct diff *d, size_t top, FILE *out)
{
	char title[64];

	if (!diff_found(d))
		fprintf(out, "no difference: every call site and size is within noise\n\n");
	print_all(d, out);
	snprintf(title, sizeof title, "%s, by call site", measure_names[d->by]);
	print_list(d, &d->sites, title, top, out);
	snprintf(title, sizeof title, "%s, by size", measure_names[d->by]);
	print_list(d, &d->sizes, title, top, out);
	if (d->a.runs < 3 || d->b.runs < 3)
		print_usual(d, out);
}

static void put_json(struct json *j, const char *key, const struct change *c, bool named)
{
	json_object(j, key);
	if (named)
		json_string(j, "name", c->name);
	json_number(j, "before", c->before);
	json_number(j, "after", c->after);
	json_number(j, "noise", c->noise);
	json_bool(j, "counts", c->counts);
	json_end(j);
}

static void put_list(struct json *j, const char *key, const struct change_list *l)
{
	json_array(j, key);
	for (size_t i = 0; i < l->counted; i++)
		put_json(j, NULL, &l->change[i], true);
	json_end(j);
}

static void put_side(struct json *j, const char *key, const struct side *s)
{
	json_array(j, key);
	for (size_t i = 0; i < s->runs; i++)
		json_string(j, NULL, s->run[i].path);
	json_end(j);
}

void diff_json(const struct diff *d, FILE *out)
{
	static const char *const keys[MEASURES] = {"calls", "asked_bytes", "peak_bytes",
	    "mean_bytes", "end_bytes"};
	struct json j;

	json_begin(&j, out);
	json_schema(&j, "dmm-diff", 1);
	put_side(&j, "before", &d->a);
	put_side(&j, "after", &d->b);
	json_string(&j, "by", keys[d->by]);
	json_object(&j, "all");
	for (enum quantity m = 0; m < MEASURES; m++)
		put_json(&j, keys[m], &d->all[m], false);
	json_end(&j);
	put_list(&j, "sites", &d->sites);
	put_list(&j, "sizes", &d->sizes);
	json_end(&j);
}

/* Frames outermost first: the name has them the other way round. */
static void put_folded(FILE *out, const char *name)
{
	const char *end = name + strlen(name);

	for (const char *at = end; at > name;) {
		at--;
		const bool arrow = strncmp(at, " <- ", 4) == 0;
		if (!arrow && at != name)
			continue;
		const char *const from = arrow ? at + 4 : at;
		for (const char *c = from; c < end; c++)
			fputc(*c == ';' || *c == ' ' ? '_' : *c, out);
		if (at != name)
			fputc(';', out);
		end = at;
	}
}

void diff_folded(const struct diff *d, FILE *out)
{
	for (size_t i = 0; i < d->sites.count; i++) {
		const struct change *const c = &d->sites.change[i];
		if (c->before == 0 && c->after == 0)
			continue;
		put_folded(out, c->name);
		fprintf(out, " %.0f %.0f\n", c->before, c->after);
	}
}
