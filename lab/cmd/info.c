/* info.c - dmm info: what is in a recording, read once from end to end.
 *
 * Memory: the objects that are live, the call sites, one block a thread; never the events.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "trace/no_events.h"
#include "cli/json.h"
#include "cli/lab.h"
#include "trace/symbols.h"
#include "cli/table.h"
#include "trace/stream.h"
#include "cli/units.h"
#include "cli/plain.h"

enum { KEY_TOP = OPTION_OWN, SIZES = 48, VALUE_LEN = 512 };

struct site {
	uint64_t objects, bytes; /* never freed */
	uint64_t oldest; /* tick */
	uint32_t stack;
};

struct info {
	const char *path;
	enum format format;
	size_t top;
	struct trace_file file;
	struct trace_stream stream;
	uint64_t calls[TRACE_OPS], failed, bytes_asked, allocs;
	uint64_t peak_tick, seen_peak, last_tick;
	uint64_t *sizes; /* allocations by power of two */
	uint32_t threads;
	bool wrapped; /* of some sites only wrappers are known */
	bool timeless; /* an import without times: ticks only count events */
	struct site *sites; /* by stack, then sorted by bytes */
	size_t site_count;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct info *const i = state->input;

	switch (key) {
	case OPTION_FORMAT:
		i->format = option_format(arg);
		break;
	case KEY_TOP:
		i->top = option_count("top", arg, 1);
		break;
	case ARGP_KEY_ARG:
		if (i->path != NULL)
			return ARGP_ERR_UNKNOWN;
		i->path = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void count(struct info *i, const struct step *step)
{
	const struct trace_event *const ev = &step->ev;

	i->last_tick = ev->tick;
	if (ev->begin)
		return;
	i->calls[ev->op]++;
	i->failed += ev->addr == 0 && (ev->class & TRACE_IS_FREE) == 0 && ev->size != 0;
	if (step->kind == STEP_ALLOC || step->kind == STEP_RESIZE) {
		i->allocs++;
		i->bytes_asked += ev->size;
	}
	if (i->stream.peak_payload > i->seen_peak) {
		i->seen_peak = i->stream.peak_payload;
		i->peak_tick = ev->tick;
	}
}

static bool read_events(struct info *i, struct trace_error *e)
{
	struct step step;
	int r;

	if (!trace_stream_open(&i->stream, &i->file))
		return trace_fail(e, TRACE_NOWHERE, "no memory");
	while ((r = trace_stream_next(&i->stream, &step, e)) > 0)
		count(i, &step);
	return r == 0;
}

static int by_bytes(const void *a, const void *b)
{
	const struct site *const x = a, *const y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

/* What lives at the end, by call site. */
static void find_leaks(struct info *i)
{
	const uint32_t nodes = trace_reader_nodes(i->stream.reader);
	const struct live *const live = &i->stream.live;

	i->sites = calloc((size_t)nodes + 1, sizeof *i->sites);
	if (i->sites == NULL)
		lab_die(EXIT_OURS, "no memory for %u call sites", nodes);
	for (size_t k = 0; k < live->cap; k++) {
		const struct live_object *const o = &live->at[k];
		struct site *const s = &i->sites[o->stack];
		if (o->addr == 0)
			continue;
		if (s->objects++ == 0 || o->born < s->oldest)
			s->oldest = o->born;
		s->bytes += o->size;
		s->stack = o->stack;
	}
	for (size_t k = 0; k <= nodes; k++)
		if (i->sites[k].objects != 0)
			i->sites[i->site_count++] = i->sites[k];
	qsort(i->sites, i->site_count, sizeof *i->sites, by_bytes);
}

static void count_threads(struct info *i)
{
	for (size_t k = 0; k < i->file.count; k++)
		if (i->file.blocks[k].thread > i->threads)
			i->threads = i->file.blocks[k].thread;
}

static uint64_t end_value(const struct info *i, const char *key)
{
	char text[VALUE_LEN];
	return trace_file_value(&i->file, TRACE_END, key, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

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
	const size_t count = symbols_path(symbols, i->stream.reader, stack, names, &only_wrappers);
	for (size_t depth = 0; depth < count && depth < 12; depth++)
		printf("  %s%s\n", depth == 0 ? "" : "  by ", plain(names[depth]));
	i->wrapped |= only_wrappers;
}

static void print_leaks(struct info *i)
{
	char bytes[UNITS_LEN], age[UNITS_LEN];
	struct symbols *const symbols = symbols_open(&i->file);

	if (symbols == NULL)
		lab_die(EXIT_OURS, "no memory for symbols");
	printf("\nnever freed: %zu object%s, %s, from %zu call site%s\n", i->stream.live.count,
	    i->stream.live.count == 1 ? "" : "s", units_bytes(bytes, (double)i->stream.payload), i->site_count,
	    i->site_count == 1 ? "" : "s");
	for (size_t k = 0; k < i->site_count && k < i->top; k++) {
		const struct site *const s = &i->sites[k];
		printf("%10s in %" PRIu64 " object%s, the oldest since %s\n",
		    units_bytes(bytes, (double)s->bytes), s->objects, s->objects == 1 ? "" : "s",
		    moment(i, age, s->oldest));
		print_stack(i, symbols, s->stack);
	}
	if (i->site_count > i->top)
		printf("  ... and %zu more call sites: --top=N\n", i->site_count - i->top);
	if (i->wrapped)
		puts("of some sites only wrappers of malloc are known: record with --stacks=dwarf, or with the "
		     "debugging information of the program");
	symbols_close(symbols);
}

static void print_cost(const struct info *i)
{
	const uint64_t events = end_value(i, "events");

	if (i->file.head.tick_is_ns || events == 0)
		return;
	printf("recording cost     %.1f ns an event to write it, on top of %.1f ns to note it; %" PRIu64
	       " events lost\n", (double)end_value(i, "flush_ns") / (double)events,
	    (double)end_value(i, "note_ps") / 1000, end_value(i, "lost"));
}

static void print_silence(const struct info *i)
{
	char why[VALUE_LEN], exe[VALUE_LEN];

	if (trace_file_value(&i->file, TRACE_META, "paused", why, sizeof why))
		snprintf(why, sizeof why, "recording was never started (--paused)");
	else if (!trace_file_value(&i->file, TRACE_META, "silent", why, sizeof why)) {
		if (trace_file_value(&i->file, TRACE_META, "exe", exe, sizeof exe) && exe[0] == '/')
			explain_silence(exe, true, trace_file_signal(&i->file), why, sizeof why);
		else
			snprintf(why, sizeof why, "the recording does not say which program it was");
	}
	printf("no events: %s\n", why);
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
		snprintf(text, cap, ", up to the last call before signal %d (%s)", signal, strsignal(signal));
	else
		snprintf(text, cap, ", without an end: the program was killed, crashed or replaced itself, or the "
			"disk was full");
	return text;
}

static void print_head(const struct info *i)
{
	static const char *const keys[] = {"command", "exe", "allocator", "source", "lost_in_import", "note"};
	char value[VALUE_LEN], a[UNITS_LEN], b[UNITS_LEN];

	for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
		if (trace_file_value(&i->file, TRACE_META, keys[k], value, sizeof value))
			printf("%-18s %s\n", keys[k], plain(value));
	printf("recording          %s, %s, %.2f bytes an event%s%s\n", plain(i->path),
	    units_bytes(a, (double)i->file.len),
	    i->file.events != 0 ? (double)i->file.len / (double)i->file.events : 0.0,
	    (i->file.head.flags & TRACE_SCRUBBED) != 0 ? ", scrubbed" : "", ending(i, value, sizeof value));
	if (i->file.head.pid != 0)
		snprintf(b, sizeof b, "pid %u, ", i->file.head.pid);
	printf("process            %s%u thread%s", i->file.head.pid != 0 ? b : "", i->threads,
	    i->threads == 1 ? "" : "s");
	printf(", %s\n", i->timeless ? "no times known"
	                            : units_seconds(b, (double)trace_file_ns(&i->file, i->last_tick) * 1e-9));
}

static void print_text(struct info *i)
{
	char a[UNITS_LEN], b[UNITS_LEN];

	print_head(i);
	if (i->stream.events == 0) {
		print_silence(i);
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
		    i->stream.foreign, (i->file.head.flags & TRACE_FORKED) != 0 ? ": inherited by the fork" : "");
	if (i->stream.overlaid != 0)
		printf("missed frees       %" PRIu64 " addresses were given out while live\n",
		    i->stream.overlaid);
	print_cost(i);
	print_leaks(i);
}

static void print_json(struct info *i)
{
	struct json j;
	struct symbols *const symbols = symbols_open(&i->file);
	char value[VALUE_LEN];
	const char *names[SYMBOLS_DEPTH];

	json_begin(&j, stdout);
	json_schema(&j, "dmm-info", 2);
	json_string(&j, "recording", i->path);
	json_string(&j, "command",
	    trace_file_value(&i->file, TRACE_META, "command", value, sizeof value) ? value : NULL);
	json_bool(&j, "ended", i->file.ended);
	json_integer(&j, "bytes", (int64_t)i->file.len);
	json_integer(&j, "events", (int64_t)i->stream.events);
	json_integer(&j, "threads", i->threads);
	json_number(&j, "seconds",
	    i->timeless ? (double)NAN : (double)trace_file_ns(&i->file, i->last_tick) * 1e-9);
	json_integer(&j, "peak_payload_bytes", (int64_t)i->stream.peak_payload);
	json_integer(&j, "peak_objects", (int64_t)i->stream.peak_count);
	json_integer(&j, "peak_anon_bytes", (int64_t)i->file.peak_anon_kib * 1024);
	json_integer(&j, "live_bytes", (int64_t)i->stream.payload);
	json_integer(&j, "live_objects", (int64_t)i->stream.live.count);
	json_integer(&j, "foreign_frees", (int64_t)i->stream.foreign);
	json_integer(&j, "missed_frees", (int64_t)i->stream.overlaid);
	json_integer(&j, "lost_events", (int64_t)end_value(i, "lost"));
	json_object(&j, "calls");
	for (int op = 0; op < TRACE_OPS; op++)
		if (i->calls[op] != 0)
			json_integer(&j, trace_op_name[op], (int64_t)i->calls[op]);
	json_end(&j);
	json_array(&j, "never_freed");
	for (size_t k = 0; k < i->site_count && k < i->top; k++) {
		json_object(&j, NULL);
		json_integer(&j, "bytes", (int64_t)i->sites[k].bytes);
		json_integer(&j, "objects", (int64_t)i->sites[k].objects);
		json_array(&j, "stack");
		const size_t count =
		    symbols != NULL ? symbols_path(symbols, i->stream.reader, i->sites[k].stack, names, NULL) : 0;
		for (size_t n = 0; n < count; n++)
			json_string(&j, NULL, names[n]);
		json_end(&j);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
	if (symbols != NULL)
		symbols_close(symbols);
}

int cmd_info(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"top", KEY_TOP, "N", 0, "Call sites in the list of what was never freed (10)", 0},
	    OPTION_FORMAT_LINE, {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T",
	    .doc = "What is in a recording, and what was never freed, by call site."};
	struct info i = {.top = 10};
	char clock[VALUE_LEN];
	struct trace_error e;

	options_parse(&argp, argc, argv, &i);
	if (i.path == NULL)
		lab_die(EXIT_USAGE, "info about what?  dmm info T");
	if (i.format == FORMAT_CSV)
		lab_die(EXIT_USAGE, "info has no CSV; 'dmm export --to=csv' has the events");
	if (!trace_file_open(&i.file, i.path, &e) || !read_events(&i, &e))
		lab_die(EXIT_FAULT, "%s: %s", i.path, e.text);
	count_threads(&i);
	i.timeless = trace_file_value(&i.file, TRACE_META, "clock", clock, sizeof clock) &&
	    strcmp(clock, "none") == 0;
	find_leaks(&i);
	if (i.format == FORMAT_JSON)
		print_json(&i);
	else
		print_text(&i);
	const bool damaged = i.file.damage.text[0] != '\0';
	fflush(stdout);
	if (damaged)
		lab_say("%s: %s; shown is what comes before", i.path, i.file.damage.text);
	else if (i.stream.events != 0)
		lab_next(NULL, "dmm replay --model %s", i.path);
	free(i.sites);
	trace_stream_close(&i.stream);
	trace_file_close(&i.file);
	return damaged ? EXIT_FAULT : EXIT_FINE;
}
