/* progress.c - see progress.h. */
#include "cli/progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/plain.h"
#include "cli/screen.h"

enum { LABEL = 160, SECONDS_A_MINUTE = 60 };

static const double EVERY_S = 0.1;      /* between two times that the line is written */
static const double GUESS_SHARE = 0.01; /* from less no rest is guessed */
static const double MINUTES_FROM_S = 100;

static struct {
	int depth; /* of steps in steps */
	char label[LABEL];
	double share, begun_s, written_s;
	double from, to_share; /* the part of the step that is being done */
	bool parted;
	bool shown, quiet;
	double *to; /* of a child; NULL: this process shows its own line */
} now;

static bool is_watched(void)
{
	static int watched = -1;

	if (watched < 0)
		watched = isatty(STDERR_FILENO) != 0;
	return watched != 0 && now.to == NULL && !now.quiet;
}

static void write_line(double at_s)
{
	const double spent = at_s - now.begun_s;
	const double left = now.share > 0 ? spent / now.share - spent : 0;
	char share[32] = "", rest[64] = "";

	fflush(stdout); /* what stands there already stays above the line */
	if (now.share > 0)
		snprintf(share, sizeof share, ": %.0f %%", 100 * now.share);
	if (now.share >= GUESS_SHARE && left > MINUTES_FROM_S)
		snprintf(rest, sizeof rest, ", about %.0f min left", left / SECONDS_A_MINUTE);
	else if (now.share >= GUESS_SHARE)
		snprintf(rest, sizeof rest, ", about %.0f s left", left);
	/* A line that wraps could not be wiped: the label is cut, its figures stay. */
	const size_t figures = strlen(share) + strlen(rest) + 1, width = screen_width(stderr);
	const char *const label = plain(now.label);
	fprintf(stderr, "\r\033[K%.*s%s%s",
	    (int)screen_cut(label, width > figures ? width - figures : 0), label, share, rest);
	fflush(stderr);
	now.shown = true;
	now.written_s = at_s;
}

static void begin_step(const char *format, va_list args, bool anew)
{
	if (!is_watched())
		return;
	if (vsnprintf(now.label, sizeof now.label, format, args) >= LABEL) /* cut in a character? */
		now.label[screen_cut(now.label, screen_columns(now.label, LABEL - 1) - 1)] = '\0';
	if (anew)
		now.begun_s = clock_s(CLOCK_MONOTONIC);
	write_line(clock_s(CLOCK_MONOTONIC));
}

static void set_part(double from, double to, bool parted)
{
	now.from = from;
	now.to_share = to;
	now.parted = parted;
}

/* The step itself, or the first inside one of its parts. */
static bool is_told(void)
{
	return now.depth == 1 || (now.depth == 2 && now.parted);
}

void progress_begin(const char *format, ...)
{
	va_list args;
	const bool anew = now.depth++ == 0;

	if (anew) {
		set_part(0, 1, false);
		now.share = 0;
	}
	if (!is_told())
		return;
	va_start(args, format);
	begin_step(format, args, anew);
	va_end(args);
}

void progress_label(const char *format, ...)
{
	va_list args;

	if (!is_told())
		return;
	va_start(args, format);
	begin_step(format, args, false);
	va_end(args);
}

void progress_share(double share)
{
	const double whole = now.from + (now.to_share - now.from) * (share < 1 ? share : 1);

	if (!is_told())
		return;
	now.share = whole > now.share ? whole : now.share; /* a part may be done in two goes */
	if (now.to != NULL)
		__atomic_store(now.to, &now.share, __ATOMIC_RELAXED);
	if (!is_watched())
		return;
	const double at_s = clock_s(CLOCK_MONOTONIC);
	if (at_s - now.written_s >= EVERY_S)
		write_line(at_s);
}

void progress_hide(void)
{
	if (!now.shown || now.to != NULL)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	now.shown = false;
	now.written_s = 0;
}

void progress_quiet(bool quiet)
{
	progress_hide();
	now.quiet = quiet;
}

void progress_end(void)
{
	if (now.depth > 0 && --now.depth == 0)
		progress_hide();
}

void progress_part(double from, double to)
{
	if (now.depth == 1)
		set_part(from, to, true);
}

void progress_to(double *share)
{
	now.to = share;
	now.depth = 0;
	now.shown = false;
}
