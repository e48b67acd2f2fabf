/* info_print.c - what dmm info prints. */
#include "trace/info.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/plain.h"
#include "cli/screen.h"
#include "cli/units.h"
#include "trace/caveat.h"
#include "trace/no_events.h"
#include "trace/symbols.h"

enum { HEAD = 19 }; /* columns before a value of the head */

/* When that was, from the beginning. */
static const char *moment(const struct info *i, char text[UNITS_LEN], uint64_t tick)
{
	if (!i->timeless)
		return units_seconds(text, (double)trace_file_ns(&i->file, tick) * 1e-9);
	snprintf(text, UNITS_LEN, "event %" PRIu64, tick);
	return text;
}

static void print_calls(const struct info *i)
{
	for (int op = 0; op < TRACE_OPS; op++)
		if (i->calls[op] != 0)
			printf("  %-22s %12" PRIu64 "\n", trace_op_name[op], i->calls[op]);
	if (i->failed != 0)
		printf("  %-22s %12" PRIu64 "\n", "of these failed", i->failed);
}

static void print_stack(struct info *i, struct symbols *symbols, uint32_t stack)
{
	if (stack == 0) {
		puts("  (no call site recorded)");
		return;
	}
	const char *names[SYMBOLS_DEPTH];
	bool only_wrappers;
	const size_t count = symbols_path_to(symbols, i->stream.reader, stack, INFO_FRAMES, names,
	    &only_wrappers);
	for (size_t depth = 0; depth < count; depth++)
		printf("  %s%s\n", depth == 0 ? "" : "  by ", plain(names[depth]));
	i->wrapped |= only_wrappers;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* The figure of a site that counts in this list. */
static void print_weight(const struct info *i, const struct site *s, enum sites_order order)
{
	char a[UNITS_LEN], b[UNITS_LEN];

	switch (order) {
	case SITES_BY_LIVE:
		printf("%10s in %" PRIu64 " object%s, the oldest since %s\n",
		    units_bytes(a, (double)s->live_bytes), s->live_objects, plural(s->live_objects),
		    moment(i, b, s->oldest));
		break;
	case SITES_BY_PEAK:
		printf("%10s in %" PRIu64 " object%s\n", units_bytes(a, (double)s->peak_bytes),
		    s->peak_objects, plural(s->peak_objects));
		break;
	case SITES_BY_CALLS:
		printf("%10s calls for %s", units_count(a, (double)s->calls),
		    units_bytes(b, (double)s->total_bytes));
		if (s->freed != 0 && !i->timeless)
			printf(", freed after %s on average",
			    units_seconds(a, info_mean_life(i, s)));
		puts("");
		break;
	default:
		printf("%10s of %s freed within the next %d calls\n",
		    units_count(a, (double)s->temporary), units_count(b, (double)s->calls),
		    SITES_TEMPORARY_CALLS);
	}
}

static void print_list(struct info *i, struct symbols *symbols, enum sites_order order)
{
	const size_t count = sites_sort(&i->sites, order);

	for (size_t k = 0; k < count && k < i->top; k++) {
		print_weight(i, &i->sites.at[k], order);
		print_stack(i, symbols, i->sites.at[k].stack);
	}
	if (count > i->top)
		printf("  ... and %zu more call site%s: --top=N\n", count - i->top,
		    plural(count - i->top));
}

static void print_sites(struct info *i)
{
	char bytes[UNITS_LEN];
	struct symbols *const symbols = info_symbols(i);

	if (symbols == NULL)
		lab_die(EXIT_OURS, "no memory for symbols");
	printf("\nat the peak, by call site\n");
	print_list(i, symbols, SITES_BY_PEAK);
	printf("\nmost calls\n");
	print_list(i, symbols, SITES_BY_CALLS);
	if (sites_sort(&i->sites, SITES_BY_TEMPORARY) != 0) {
		printf("\nmost temporary\n");
		print_list(i, symbols, SITES_BY_TEMPORARY);
	}
	const size_t leaks = sites_sort(&i->sites, SITES_BY_LIVE);
	printf("\nnever freed: %zu object%s, %s, from %zu call site%s\n", i->stream.live.count,
	    plural(i->stream.live.count), units_bytes(bytes, (double)i->stream.payload), leaks,
	    plural(leaks));
	print_list(i, symbols, SITES_BY_LIVE);
	if (i->wrapped)
		screen_text(stdout, 0,
		    "of some sites only wrappers of malloc are known: record with --stacks=dwarf, "
		    "or with the debugging information of the program");
	symbols_close(symbols);
}

/* Does x come before y, where only some can be shown?  The first process does, then those with most
 * events, then those that were not recorded. */
static bool more_telling(const struct family *f, size_t x, size_t y)
{
	const struct relative *const a = &f->at[x], *const b = &f->at[y];
	const bool recorded_a = a->path[0] != '\0', recorded_b = b->path[0] != '\0';

	if (x == 0 || y == 0)
		return x == 0;
	if (recorded_a != recorded_b)
		return recorded_a;
	return a->events != b->events ? a->events > b->events : x < y;
}

static bool is_among_top(const struct info *i, size_t k)
{
	size_t before = 0;

	for (size_t other = 0; other < i->family.count; other++)
		before += other != k && more_telling(&i->family, other, k);
	return before < i->top;
}

/* The most telling processes, and the parents of each that is shown, so that it does not stand
 * under another process.  The caller frees the result. */
static bool *choose_shown(const struct info *i)
{
	const struct relative *const at = i->family.at;
	bool *const shown = calloc(i->family.count, sizeof *shown);

	if (shown == NULL)
		lab_die(EXIT_OURS, "no memory for the list of processes");
	for (size_t k = i->family.count; k-- > 0;) {
		shown[k] = shown[k] || is_among_top(i, k);
		for (size_t above = k; shown[k] && above-- > 0;)
			if (at[above].depth < at[k].depth) {
				shown[above] = true;
				break;
			}
	}
	return shown;
}

/* A shell's whole script may be a command: on a terminal it ends with its line. */
static void print_command(const char *what, int used)
{
	const size_t width = screen_width(stdout), least = 20;
	const size_t room = width > (size_t)used + least ? width - (size_t)used : least;

	printf("%.*s\n", (int)screen_cut(what, width == SCREEN_NO_LIMIT ? strlen(what) : room),
	    what);
}

static void print_relative(const struct relative *r)
{
	char events[UNITS_LEN];
	int used = printf("%*spid %u  ", 2 + 2 * r->depth, "", r->pid);

	if (r->path[0] != '\0')
		used += printf("%s events  %s  ", units_count(events, (double)r->events),
		    plain(r->path));
	print_command(plain(r->what), used);
}

/* Parents before children, those with most events first; T alone is not worth a list. */
static void print_family(const struct info *i)
{
	size_t left_out = 0, unrecorded = 0;

	if (i->family.count < 2)
		return;
	bool *const shown = choose_shown(i);
	printf("\nprocesses\n");
	for (size_t k = 0; k < i->family.count; k++) {
		const struct relative *const r = &i->family.at[k];
		if (shown[k])
			print_relative(r);
		left_out += !shown[k];
		unrecorded += !shown[k] && r->path[0] == '\0';
	}
	if (left_out != 0) {
		printf("  ... and %zu more", left_out);
		if (unrecorded != 0)
			printf(", %zu of them not recorded", unrecorded);
		puts(": --top=N");
	}
	free(shown);
}

static void print_cost(const struct info *i)
{
	const uint64_t events = info_end_value(i, "events");

	if (i->file.head.tick_is_ns || events == 0)
		return;
	printf("%-*s", HEAD, "recording cost");
	screen_words(stdout, HEAD,
	    "%.1f ns an event to note it, %.1f ns to write it in the program, %.1f ns in dmm; "
	    "%" PRIu64 " events lost",
	    (double)info_end_value(i, "note_ps") / 1000,
	    (double)info_end_value(i, "flush_ns") / (double)events,
	    (double)info_end_value(i, "packer_ns") / (double)events, info_end_value(i, "lost"));
}

static void print_silence(const struct info *i)
{
	char why[INFO_VALUE_LEN], exe[INFO_VALUE_LEN];

	if (i->file.damage.text[0] != '\0')
		snprintf(why, sizeof why, "%s", i->file.damage.text);
	else if (trace_file_value(&i->file, TRACE_META, "paused", why, sizeof why))
		snprintf(why, sizeof why, "recording was never started (--paused)");
	else if (!trace_file_value(&i->file, TRACE_META, "silent", why, sizeof why)) {
		if (trace_file_value(&i->file, TRACE_META, "exe", exe, sizeof exe) && exe[0] == '/')
			explain_silence(exe, true, trace_file_signal(&i->file), why, sizeof why);
		else
			snprintf(why, sizeof why,
			    "the recording does not say which program it was");
	}
	screen_words(stdout, 0, "no events: %s", why);
}

static const char *ending(const struct info *i, char *text, size_t cap)
{
	const int signal = trace_file_signal(&i->file);
	char why[64];

	if (trace_file_value(&i->file, TRACE_END, "stopped", why, sizeof why))
		snprintf(text, cap, ", stopped: %s", why);
	else if (i->file.ended)
		text[0] = '\0';
	else if (i->file.running)
		snprintf(text, cap, "; the program is still running");
	else if (signal != 0)
		snprintf(text, cap, ", up to %s signal %d (%s)",
		    i->file.damage.text[0] == '\0' ? "the last call before" : "a moment before",
		    signal, strsignal(signal));
	else
		snprintf(text, cap,
		    ", without an end: the program was killed, crashed or replaced itself, or the "
		    "disk was full");
	return text;
}

static void print_head(const struct info *i)
{
	static const char *const keys[] = {
	    "command", "exe", "python", "allocator", "source", "lost_in_import", "note"};
	char value[INFO_VALUE_LEN], a[UNITS_LEN], b[UNITS_LEN];

	for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
		if (trace_file_value(&i->file, TRACE_META, keys[k], value, sizeof value))
			printf("%-*s%s\n", HEAD, keys[k], plain(value));
	printf("%-*s", HEAD, "recording");
	screen_words(stdout, HEAD, "%s, %s, %.2f bytes an event%s%s", plain(i->path),
	    units_bytes(a, (double)i->file.len),
	    i->file.events != 0 ? (double)i->file.len / (double)i->file.events : 0.0,
	    (i->file.head.flags & TRACE_SCRUBBED) != 0 ? ", scrubbed" : "",
	    ending(i, value, sizeof value));
	if (i->file.head.pid != 0)
		snprintf(b, sizeof b, "pid %u, ", i->file.head.pid);
	printf("process            %s%u thread%s", i->file.head.pid != 0 ? b : "", i->threads,
	    i->threads == 1 ? "" : "s");
	printf(", %s\n",
	    i->timeless ? "no times known"
	                : units_seconds(b, (double)trace_file_ns(&i->file, i->last_tick) * 1e-9));
}

static void print_text(struct info *i)
{
	char a[UNITS_LEN], b[UNITS_LEN];

	print_head(i);
	if (i->stream.events == 0) {
		print_silence(i);
		print_family(i);
		return;
	}
	printf("calls              %" PRIu64 "\n", i->stream.events);
	print_calls(i);
	printf("allocated          %s in %s objects, %.0f bytes each on average\n",
	    units_bytes(a, (double)i->bytes_asked), units_count(b, (double)i->allocs),
	    i->allocs != 0 ? (double)i->bytes_asked / (double)i->allocs : 0.0);
	printf("peak payload       %s", units_bytes(a, (double)i->stream.peak_payload));
	printf(" at %s, at most %" PRIu64 " objects\n",
	    moment(i, b, i->peak_tick), i->stream.peak_count);
	if (i->file.peak_anon_kib != 0)
		printf("peak anonymous RSS %s (all of the process, seen at flushes)\n",
		    units_bytes(a, (double)i->file.peak_anon_kib * 1024));
	if (i->stream.foreign != 0)
		printf("foreign frees      %" PRIu64 " of objects that the recording never saw%s\n",
		    i->stream.foreign,
		    (i->file.head.flags & TRACE_FORKED) != 0 ? ": inherited by the fork" : "");
	if (i->stream.overlaid != 0)
		printf("missed frees       %" PRIu64 " addresses were given out while live\n",
		    i->stream.overlaid);
	print_cost(i);
	print_family(i);
	print_sites(i);
}

int info_print(struct info *i)
{
	struct trace_error e;

	if (!info_read(i, &e))
		lab_die(EXIT_FAULT, "%s: %s", i->path, e.text);
	if (i->format == FORMAT_JSON)
		info_json(i);
	else
		print_text(i);
	const bool damaged = i->file.damage.text[0] != '\0';
	fflush(stdout);
	caveats_say(&i->file, &(struct caveat_facts){i->stream.events,
	    trace_file_ns(&i->file, max_size(i->last_tick, i->file.end_tick)),
	    i->stream.peak_payload, UINT64_MAX, false});
	if (!damaged && i->stream.events != 0)
		lab_next(NULL, "dmm replay --model %s", lab_quoted(i->path));
	info_close(i);
	return damaged ? EXIT_FAULT : EXIT_FINE;
}
