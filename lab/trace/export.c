/* export.c - a recording as folded stacks, as DHAT's JSON, as CSV, for pprof. */
#include "trace/export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/array.h"
#include "cli/json.h"
#include "cli/lab.h"
#include "cli/progress.h"
#include "trace/pprof.h"
#include "trace/speedscope.h"
#include "trace/stream.h"
#include "trace/symbols.h"

enum { DEPTH_MAX = 1024, VALUE_LEN = 512 };

/* The figures of one call site; the fields have DHAT's names. */
struct export_site {
	uint64_t total_bytes, total_blocks, lifetime;
	uint64_t live_bytes, live_blocks, max_bytes, max_blocks;
	uint64_t peak_bytes, peak_blocks; /* at the global peak */
	uint64_t seen; /* peaks of which peak_* was taken */
};

struct export {
	struct export_order order;
	struct trace_file file;
	struct trace_stream stream;
	struct export_site *sites; /* by stack */
	size_t cap;
	struct symbols *symbols;
	uint64_t peak_tick, last_tick, peak;
	bool timeless; /* an import without times: ticks only count events */
	struct trace_error damage; /* where reading ended, if not at the end */
	FILE *out;
};

static struct export_site *site_of(struct export *x, uint32_t stack)
{
	if (!ARRAY_RESERVE(x->sites, x->cap, (size_t)stack + 1))
		lab_die(EXIT_OURS, "no memory for %u call sites", stack);
	return &x->sites[stack];
}

static void site_grew(struct export *x, const struct live_object *o)
{
	struct export_site *const s = site_of(x, o->stack);

	s->total_bytes += o->size;
	s->total_blocks++;
	s->live_bytes += o->size;
	s->live_blocks++;
	if (s->live_bytes > s->max_bytes) {
		s->max_bytes = s->live_bytes;
		s->max_blocks = s->live_blocks;
	}
}

static void site_shrank(struct export *x, const struct live_object *o, uint64_t now)
{
	struct export_site *const s = site_of(x, o->stack);

	s->live_bytes -= o->size;
	s->live_blocks--;
	s->lifetime += now - o->born;
}

/* Two passes: the first finds when the payload is at its peak, the second looks at
 * the sites then. */
static void read_sites(struct export *x, uint64_t peak_at)
{
	struct step step;

	if (!trace_stream_open(&x->stream, &x->file))
		lab_die(EXIT_OURS, "no memory");
	memset(x->sites, 0, x->cap * sizeof *x->sites);
	while (trace_stream_next(&x->stream, &step, &x->damage) > 0) {
		x->last_tick = step.ev.tick;
		if (step.kind == STEP_FREE || step.kind == STEP_RESIZE)
			site_shrank(x, &step.was, step.ev.tick);
		if (step.kind == STEP_ALLOC || step.kind == STEP_RESIZE)
			site_grew(x, step.object);
		if (x->stream.peak_payload > x->peak) {
			x->peak = x->stream.peak_payload;
			x->peak_tick = step.ev.tick;
		}
		if (peak_at != 0 && step.ev.tick == peak_at && x->stream.payload == x->peak)
			for (size_t i = 0; i < x->cap; i++) {
				x->sites[i].peak_bytes = x->sites[i].live_bytes;
				x->sites[i].peak_blocks = x->sites[i].live_blocks;
			}
	}
}

/* An object that is live at the end has lived until then. */
static void end_lives(struct export *x)
{
	const struct live *const live = &x->stream.live;

	for (size_t k = 0; k < live->cap; k++)
		if (live->at[k].addr != 0)
			site_of(x, live->at[k].stack)->lifetime += x->last_tick - live->at[k].born;
}

static size_t frames_of(const struct export *x, uint32_t stack, uint32_t *frames)
{
	size_t n = 0;

	for (; stack != 0 && n < DEPTH_MAX; n++) {
		frames[n] = stack;
		stack = trace_reader_node(x->stream.reader, stack)->parent;
	}
	return n;
}

static const char *name_of(const struct export *x, uint32_t node)
{
	return symbols_name(x->symbols, trace_reader_node(x->stream.reader, node)->addr);
}

static uint64_t weight(const struct export *x, const struct export_site *s)
{
	return x->order.what == EXPORT_ALLOCATED ? s->total_bytes
	    : x->order.what == EXPORT_LEAKED     ? s->live_bytes
	                                 : s->peak_bytes;
}

static void put_frame(FILE *out, const char *name)
{
	for (; *name != '\0'; name++)
		fputc(*name == ';' ? ':' : *name, out);
}

static void write_folded(struct export *x)
{
	const char *frames[SYMBOLS_DEPTH];

	for (uint32_t stack = 0; stack < x->cap; stack++) {
		if (weight(x, &x->sites[stack]) == 0)
			continue;
		for (size_t n = symbols_path(x->symbols, x->stream.reader, stack, frames, NULL);
		     n-- > 0;) {
			put_frame(x->out, frames[n]);
			if (n != 0)
				fputc(';', x->out);
		}
		fprintf(x->out, "%s %" PRIu64 "\n", stack == 0 ? "(unknown)" : "",
		    weight(x, &x->sites[stack]));
	}
}

/* ---- DHAT: its viewer merges stacks by frame numbers, so one address has one --------------- */

/* Microseconds, or events where there are no times. */
static int64_t dhat_time(const struct export *x, uint64_t ticks)
{
	const uint64_t tick = x->file.head.start_tick + ticks;
	return (int64_t)(x->timeless ? ticks : trace_file_ns(&x->file, tick) / 1000);
}

/* Number the addresses of all nodes from 1 into frames (key: address + 1), and
 * write their table. */
static void write_frame_table(struct export *x, struct json *j, struct live *frames)
{
	char text[SYMBOLS_LEN + 24];

	json_array(j, "ftbl");
	json_string(j, NULL, "[root]");
	for (uint32_t n = 1; n <= trace_reader_nodes(x->stream.reader); n++) {
		const uint64_t addr = trace_reader_node(x->stream.reader, n)->addr;
		const size_t before = frames->count;
		struct live_object *const f = live_add(frames, addr + 1);
		if (f == NULL)
			lab_die(EXIT_OURS, "no memory for %zu frames", before);
		if (frames->count == before)
			continue;
		f->user = frames->count;
		snprintf(text, sizeof text, "0x%" PRIX64 ": %s", addr, name_of(x, n));
		json_string(j, NULL, text);
	}
	json_end(j);
}

static void write_dhat_point(const struct export *x, struct json *j, uint32_t stack,
    const struct live *table)
{
	const struct export_site *const s = &x->sites[stack];
	uint32_t frames[DEPTH_MAX];
	const size_t n =
	    frames_of(x, symbols_leave_wrappers(x->symbols, x->stream.reader, stack), frames);

	json_object(j, NULL);
	json_count(j, "tb", s->total_bytes);
	json_count(j, "tbk", s->total_blocks);
	json_integer(j, "tl", dhat_time(x, s->lifetime));
	json_count(j, "mb", s->max_bytes);
	json_count(j, "mbk", s->max_blocks);
	json_count(j, "gb", s->peak_bytes);
	json_count(j, "gbk", s->peak_blocks);
	json_count(j, "eb", s->live_bytes);
	json_count(j, "ebk", s->live_blocks);
	json_array(j, "fs");
	for (size_t i = 0; i < n; i++)
		json_count(j, NULL,
		    live_slot(table,
		        trace_reader_node(x->stream.reader, frames[i])->addr + 1)
		        ->user);
	if (n == 0)
		json_integer(j, NULL, 0);
	json_end(j);
	json_end(j);
}

static void write_dhat(struct export *x)
{
	struct json j;
	struct live frames;
	char command[VALUE_LEN];

	if (!live_open(&frames))
		lab_die(EXIT_OURS, "no memory");
	end_lives(x);
	json_begin(&j, x->out);
	json_integer(&j, "dhatFileVersion", 2);
	json_string(&j, "mode", "heap");
	json_string(&j, "verb", "Allocated");
	json_bool(&j, "bklt", true);
	json_bool(&j, "bkacc", false);
	json_string(&j, "tu", x->timeless ? "events" : "us");
	json_string(&j, "Mtu", x->timeless ? "Mevent" : "s");
	json_integer(&j, "tuth", 1000);
	json_string(&j, "cmd",
	    trace_file_value(&x->file, TRACE_META, "command", command, sizeof command) ? command
	                                                                               : "?");
	json_integer(&j, "pid", x->file.head.pid);
	json_integer(&j, "tg", dhat_time(x, x->peak_tick - x->file.head.start_tick));
	json_integer(&j, "te", dhat_time(x, x->last_tick - x->file.head.start_tick));
	write_frame_table(x, &j, &frames);
	json_array(&j, "pps");
	for (uint32_t stack = 0; stack < x->cap; stack++)
		if (x->sites[stack].total_blocks != 0)
			write_dhat_point(x, &j, stack, &frames);
	json_end(&j);
	json_end(&j);
	live_close(&frames);
}

/* ---- pprof ---------------------------------------------------------------------------------- */

static void sample_site(struct export *x, struct pprof *p, uint32_t stack)
{
	const struct export_site *const s = &x->sites[stack];
	const uint64_t value[PPROF_RECORDED] = {[PPROF_ALLOC_OBJECTS] = s->total_blocks,
	    [PPROF_ALLOC_SPACE] = s->total_bytes,
	    [PPROF_INUSE_OBJECTS] = s->live_blocks,
	    [PPROF_INUSE_SPACE] = s->live_bytes,
	    [PPROF_PEAK_OBJECTS] = s->peak_blocks,
	    [PPROF_PEAK_SPACE] = s->peak_bytes};
	uint32_t frames[DEPTH_MAX];
	uint64_t addr[DEPTH_MAX];
	const size_t n =
	    frames_of(x, symbols_leave_wrappers(x->symbols, x->stream.reader, stack), frames);

	for (size_t i = 0; i < n; i++)
		addr[i] = trace_reader_node(x->stream.reader, frames[i])->addr;
	pprof_sample(p, addr, n, value);
}

static void write_pprof(struct export *x)
{
	const char *const name = x->order.output != NULL ? x->order.output : "stdout";
	const uint64_t begin = trace_file_ns(&x->file, x->file.head.start_tick);

	if (x->order.output == NULL && isatty(fileno(x->out)))
		lab_die(EXIT_USAGE, "a pprof profile is binary: write it to a file by -o F.pb.gz");
	/* a sample for each byte: all are recorded */
	const struct pprof_head head = {.wall_ns = x->file.head.wall_ns, .period = 1,
	    .values = PPROF_RECORDED};
	struct pprof *const p = pprof_open(fileno(x->out), &head, x->symbols);
	if (p == NULL)
		lab_die(EXIT_OURS, "no memory for a profile");
	pprof_maps(p, &x->file);
	for (uint32_t stack = 0; stack < x->cap; stack++)
		if (x->sites[stack].total_blocks != 0)
			sample_site(x, p, stack);
	if (!pprof_close(p, x->timeless ? 0 : trace_file_ns(&x->file, x->last_tick) - begin))
		lab_die(EXIT_OURS, "%s cannot be written: %s", name, strerror(errno));
}

/* ---- speedscope ------------------------------------------------------------------------------ */

static void write_speedscope(struct export *x)
{
	static const char *const kinds[] = {"allocated", "never freed", "live at the peak"};
	struct speedscope *const out = speedscope_open(kinds, sizeof kinds / sizeof *kinds);
	const char *frames[SYMBOLS_DEPTH];

	if (out == NULL)
		lab_die(EXIT_OURS, "no memory for a profile");
	for (uint32_t stack = 0; stack < x->cap; stack++) {
		const struct export_site *const s = &x->sites[stack];
		const uint64_t weight[] = {s->total_bytes, s->live_bytes, s->peak_bytes};
		size_t n = symbols_path(x->symbols, x->stream.reader, stack, frames, NULL);
		if (s->total_blocks == 0)
			continue;
		if (n == 0)
			frames[n++] = "(unknown)";
		speedscope_sample(out, frames, n, weight);
	}
	speedscope_close(out, x->out, x->order.path);
}

/* ---- CSV ------------------------------------------------------------------------------------ */

static void put_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputs("\"\n", out);
}

static void write_row(struct export *x, const struct step *step)
{
	static const char *const kinds[] = {"none", "alloc", "free", "resize", "foreign"};
	const struct trace_event *const ev = &step->ev;
	const uint64_t caller =
	    ev->stack != 0 ? trace_reader_node(x->stream.reader, ev->stack)->addr : 0;

	fprintf(x->out,
	    "%" PRIu64 ",%u,%s,%s,0x%" PRIx64 ",0x%" PRIx64 ",%" PRIu64 ",%" PRIu64 ",0x%" PRIx64
	    ",",
	    trace_file_ns(&x->file, ev->tick), ev->thread, trace_op_name[ev->op], kinds[step->kind],
	    ev->addr, ev->old, ev->size, ev->align_log2 != 0 ? (uint64_t)1 << ev->align_log2 : 0,
	    caller);
	put_quoted(x->out, symbols_site(x->symbols, x->stream.reader, ev->stack));
}

static void write_csv(struct export *x)
{
	struct step step;
	static double unseen;

	if (isatty(fileno(x->out))) /* the rows themselves show how far it is */
		progress_to(&unseen);
	if (!trace_stream_open(&x->stream, &x->file))
		lab_die(EXIT_OURS, "no memory");
	fprintf(x->out, "%s,thread,op,kind,address,old,size,align,caller,function\n",
	    x->timeless ? "event" : "ns");
	while (trace_stream_next(&x->stream, &step, &x->damage) > 0)
		if (!step.ev.begin)
			write_row(x, &step);
}

static void write_sites(struct export *x)
{
	read_sites(x, 0);
	if (x->order.to != EXPORT_TO_FOLDED || x->order.what == EXPORT_PEAK) {
		trace_stream_close(&x->stream);
		read_sites(x, x->peak_tick);
	}
	if (x->order.to == EXPORT_TO_DHAT)
		write_dhat(x);
	else if (x->order.to == EXPORT_TO_PPROF)
		write_pprof(x);
	else if (x->order.to == EXPORT_TO_SPEEDSCOPE)
		write_speedscope(x);
	else
		write_folded(x);
}

/* No times: the clock of the recording says so. */
static void look_at_clock(struct export *x)
{
	char clock[VALUE_LEN];

	x->timeless = trace_file_value(&x->file, TRACE_META, "clock", clock, sizeof clock) &&
	    strcmp(clock, "none") == 0;
}

static int finish(struct export *x)
{
	const char *const name = x->order.output != NULL ? x->order.output : "stdout";

	if (fflush(x->out) != 0 || ferror(x->out) != 0 ||
	    (x->order.output != NULL && fclose(x->out) != 0))
		lab_die(EXIT_OURS, "%s cannot be written: %s", name, strerror(errno));
	const struct trace_error *const e =
	    x->damage.text[0] != '\0' ? &x->damage : &x->file.damage;
	if (e->text[0] == '\0')
		return EXIT_FINE;
	lab_say("%s: %s; only the part before that is exported", x->order.path, e->text);
	return EXIT_FAULT;
}

int export_run(const struct export_order *order)
{
	struct export x = {.order = *order, .out = stdout};
	struct trace_error e;

	if (!trace_file_open(&x.file, order->path, &e))
		lab_die(EXIT_FAULT, "%s: %s", order->path, e.text);
	if (order->output != NULL && (x.out = fopen(order->output, "we")) == NULL)
		lab_die(EXIT_OURS, "%s cannot be written: %s", order->output,
		    strerror(errno));
	x.cap = 1;
	x.sites = calloc(1, sizeof *x.sites);
	x.symbols = symbols_open(&x.file);
	if (x.symbols == NULL || x.sites == NULL)
		lab_die(EXIT_OURS, "no memory for symbols");
	look_at_clock(&x);
	if (order->to == EXPORT_TO_CSV)
		write_csv(&x);
	else
		write_sites(&x);
	const int status = finish(&x);
	symbols_close(x.symbols);
	trace_stream_close(&x.stream);
	trace_file_close(&x.file);
	free(x.sites);
	return status;
}
