/* info_json.c - dmm info as JSON.
 *
 * Version 3: a site of "never_freed" and its like is a stack of functions and lines; in version 2
 * it was a stack of addresses, so that several sites could have the same "stack". */
#include "trace/info.h"

#include <math.h>
#include <stdio.h>

#include "cli/json.h"
#include "trace/symbols.h"

static void json_site(struct info *i, struct json *j, struct symbols *symbols, const struct site *s)
{
	const char *names[SYMBOLS_DEPTH];
	const size_t count =
	    symbols != NULL ? symbols_path(symbols, i->stream.reader, s->stack, names, NULL) : 0;

	json_object(j, NULL);
	json_count(j, "bytes", s->live_bytes);
	json_count(j, "objects", s->live_objects);
	json_count(j, "peak_bytes", s->peak_bytes);
	json_count(j, "peak_objects", s->peak_objects);
	json_count(j, "calls", s->calls);
	json_count(j, "total_bytes", s->total_bytes);
	json_count(j, "temporary", s->temporary);
	json_count(j, "freed", s->freed);
	json_number(j, "mean_life_seconds", info_mean_life(i, s));
	json_array(j, "stack");
	for (size_t n = 0; n < count; n++)
		json_string(j, NULL, names[n]);
	json_end(j);
	json_end(j);
}

static void json_sites(struct info *i, struct json *j)
{
	static const char *const lists[] = {[SITES_BY_LIVE] = "never_freed",
	    [SITES_BY_PEAK] = "at_peak",
	    [SITES_BY_CALLS] = "most_calls",
	    [SITES_BY_TEMPORARY] = "most_temporary"};
	struct symbols *const symbols = info_symbols(i);

	for (unsigned order = SITES_BY_LIVE; order <= SITES_BY_TEMPORARY; order++) {
		const size_t count = sites_sort(&i->sites, (enum sites_order)order);
		json_array(j, lists[order]);
		for (size_t k = 0; k < count && k < i->top; k++)
			json_site(i, j, symbols, &i->sites.at[k]);
		json_end(j);
	}
	if (symbols != NULL)
		symbols_close(symbols);
}

static void json_family(const struct info *i, struct json *j)
{
	json_array(j, "processes");
	for (size_t k = 0; k < i->family.count; k++) {
		const struct relative *const r = &i->family.at[k];
		json_object(j, NULL);
		json_integer(j, "pid", r->pid);
		json_integer(j, "parent", r->parent);
		json_string(j, "recording", r->path[0] != '\0' ? r->path : NULL);
		json_count(j, "events", r->events);
		json_string(j, "what", r->what);
		json_end(j);
	}
	json_end(j);
}

void info_json(struct info *i)
{
	struct json j;
	char value[INFO_VALUE_LEN];

	json_begin(&j, stdout);
	json_schema(&j, "dmm-info", 3);
	json_string(&j, "recording", i->path);
	json_string(&j, "command",
	    trace_file_value(&i->file, TRACE_META, "command", value, sizeof value) ? value : NULL);
	json_bool(&j, "ended", i->file.ended);
	json_count(&j, "bytes", i->file.len);
	json_count(&j, "events", i->stream.events);
	json_integer(&j, "threads", i->threads);
	json_number(&j, "seconds",
	    i->timeless ? (double)NAN : (double)trace_file_ns(&i->file, i->last_tick) * 1e-9);
	json_count(&j, "peak_payload_bytes", i->stream.peak_payload);
	json_count(&j, "peak_objects", i->stream.peak_count);
	json_count(&j, "peak_anon_bytes", i->file.peak_anon_kib * 1024);
	json_count(&j, "live_bytes", i->stream.payload);
	json_count(&j, "live_objects", i->stream.live.count);
	json_count(&j, "foreign_frees", i->stream.foreign);
	json_count(&j, "missed_frees", i->stream.overlaid);
	json_count(&j, "lost_events", info_end_value(i, "lost"));
	json_object(&j, "calls");
	for (int op = 0; op < TRACE_OPS; op++)
		if (i->calls[op] != 0)
			json_count(&j, trace_op_name[op], i->calls[op]);
	json_end(&j);
	json_sites(i, &j);
	json_family(i, &j);
	json_end(&j);
}
