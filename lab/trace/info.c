/* info.c - reads a recording for dmm info: calls, peak, call sites, relatives. */
#include "trace/info.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "observe/script_names.h"
#include "trace/alike.h"
#include "trace/symbols.h"

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
	while ((r = trace_stream_next(&i->stream, &step, e)) > 0) {
		count(i, &step);
		sites_step(&i->sites, &i->stream, &step);
	}
	if (!sites_end(&i->sites, &i->stream))
		return trace_fail(e, TRACE_NOWHERE, "no memory for all call sites");
	return r == 0;
}

static void count_threads(struct info *i)
{
	for (size_t k = 0; k < i->file.count; k++)
		if (i->file.blocks[k].thread > i->threads)
			i->threads = i->file.blocks[k].thread;
}

uint64_t info_end_value(const struct info *i, const char *key)
{
	char text[INFO_VALUE_LEN];
	return trace_file_value(&i->file, TRACE_END, key, text, sizeof text)
	           ? strtoull(text, NULL, 10)
	           : 0;
}

static double seconds(const struct info *i, uint64_t ticks)
{
	return (double)trace_file_ns(&i->file, i->file.head.start_tick + ticks) * 1e-9;
}

struct shown {
	struct symbols *symbols;
	const struct trace_reader *reader;
};

/* Python's library calls malloc from many places for one line of the program. */
static uint32_t shown_as(void *arg, uint32_t stack)
{
	const struct shown *const s = arg;
	const uint32_t own = stack != 0 ? symbols_leave_wrappers(s->symbols, s->reader, stack) : 0;

	return own != 0 && script_is_address(trace_reader_node(s->reader, own)->addr) ? own : stack;
}

struct symbols *info_symbols(struct info *i)
{
	struct symbols *const symbols = symbols_open(&i->file);

	if (symbols == NULL)
		return NULL;
	sites_merge(&i->sites, shown_as, &(struct shown){symbols, i->stream.reader});
	if (alike_merge(&i->sites, symbols, i->stream.reader,
	    i->format == FORMAT_JSON ? SYMBOLS_DEPTH : INFO_FRAMES))
		return symbols;
	symbols_close(symbols);
	return NULL;
}

double info_mean_life(const struct info *i, const struct site *s)
{
	return s->freed != 0 && !i->timeless ? seconds(i, s->lifetime / s->freed) : (double)NAN;
}

bool info_read(struct info *i, struct trace_error *e)
{
	char clock[INFO_VALUE_LEN];

	if (!trace_file_open(&i->file, i->path, e) || !read_events(i, e))
		return false;
	count_threads(i);
	i->timeless = trace_file_value(&i->file, TRACE_META, "clock", clock, sizeof clock) &&
	    strcmp(clock, "none") == 0;
	i->family = family_read(i->path);
	return true;
}

void info_close(struct info *i)
{
	sites_free(&i->sites);
	family_free(&i->family);
	trace_stream_close(&i->stream);
	trace_file_close(&i->file);
}
