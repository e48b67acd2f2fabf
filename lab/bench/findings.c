/* findings.c - the findings of an experiment: text, figures, and whether they agree with the
 * claim. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "bench/lecture.h"

static struct finding *current; /* in the process of one experiment */

void find_begin(struct finding *f)
{
	current = f;
	f->agrees = true;
}

void find_text(struct finding *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (f->text_len != 0)
		f->text_len += (size_t)snprintf(f->text + f->text_len, FIGURE_TEXT - f->text_len,
		    "; ");
	if (f->text_len < FIGURE_TEXT)
		f->text_len +=
		    (size_t)vsnprintf(f->text + f->text_len, FIGURE_TEXT - f->text_len, format,
		    args);
	va_end(args);
	CHECK(f->text_len < FIGURE_TEXT);
}

void find_figure(struct finding *f, const char *name, double value)
{
	CHECK(f->count < FIGURES_MAX);
	snprintf(f->figure[f->count].name, sizeof f->figure[0].name, "%s", name);
	f->figure[f->count++].value = value;
}

void find_verdict(struct finding *f, bool agrees, const char *because, ...)
{
	va_list args;

	if (agrees || !f->agrees)
		return;
	f->agrees = false;
	va_start(args, because);
	vsnprintf(f->because, sizeof f->because, because, args);
	va_end(args);
}

const char *order_name(const struct growth *g)
{
	if (g->high < 0.15 && g->low > -0.15)
		return "O(1)";
	if (g->low > 0.8 && g->high < 1.2)
		return "O(n)";
	return "between";
}

/* "0.00", where printf would say "-0.00". */
static double no_minus_zero(double x)
{
	return fabs(x) < 0.005 ? 0 : x;
}

void find_growth(struct finding *f, const char *what, const struct growth *g, enum order told)
{
	const char *const found = order_name(g), *const want = told == ORDER_LINEAR ? "O(n)"
	    : "O(1)";

	find_text(f, "%s ~ n^%.2f [%.2f, %.2f]: %.0f to %.0f %s for n = %.0f to %.0f", what,
	    no_minus_zero(g->exponent), no_minus_zero(g->low), no_minus_zero(g->high), g->first,
	    g->last,
	    g->unit, g->n_first, g->n_last);
	find_figure(f, "exponent", g->exponent);
	find_figure(f, "exponent_low", g->low);
	find_figure(f, "exponent_high", g->high);
	find_verdict(f, strcmp(found, want) == 0, "%s grows as n^%.2f, not %s", what, g->exponent,
	    want);
}

void find_missing(const char *system)
{
	CHECK(current != NULL);
	*current = (struct finding){0};
	snprintf(current->missing, sizeof current->missing, "%s", system);
	_exit(EXIT_FINE);
}
