/* survey.c - what the program itself did: twice through the recording, in bounded memory.
 *
 * The first time, without stacks, makes the calls ready for models and finds when most was live;
 * the second looks at call sites and lives.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/array.h"
#include "report/report.h"

enum { EVEN_MOMENTS = REPORT_MOMENTS - 2,
    WALKED = 60000000 /* objects, in all walks of a design */ };

/* Where the recording missed frees, calls made ready are not the program's: count those. */
static bool count_calls(struct report_survey *s, struct trace_error *e)
{
	struct step step;
	uint64_t seen = 0;
	int r;

	if (!trace_stream_open(&s->stream, &s->file))
		return trace_fail(e, TRACE_NOWHERE, "no memory");
	trace_reader_want_stacks(s->stream.reader, false);
	while ((r = trace_stream_next(&s->stream, &step, e)) > 0) {
		if (s->stream.peak_payload > seen && !step.ev.begin) {
			seen = s->stream.peak_payload;
			s->peak_event = s->stream.events;
			s->peak_ns = step.ev.tick;
		}
	}
	s->events = s->stream.events;
	s->peak_payload = s->stream.peak_payload;
	s->peak_count = s->stream.peak_count;
	s->peak_ns = trace_file_ns(&s->file, s->peak_ns);
	trace_stream_close(&s->stream);
	return r == 0;
}

static bool first_reading(struct report_survey *s, struct trace_error *e)
{
	const struct replay_head *h;

	if (!replay_ops_build(&s->ops, s->path, e))
		return false;
	h = s->ops.head;
	if (h->overlaid != 0)
		return count_calls(s, e);
	s->events = h->calls;
	s->peak_payload = h->peak_payload;
	s->peak_count = h->peak_count;
	s->peak_event = h->peak_payload != 0 ? h->peak_at + 1 : 0;
	return true;
}

static void plan_moments(struct report_survey *s)
{
	const uint64_t n = s->events;

	for (uint64_t i = 1; i <= EVEN_MOMENTS; i++) {
		const uint64_t event = n * i / EVEN_MOMENTS, before = n * (i - 1) / EVEN_MOMENTS;
		if (before < s->peak_event && s->peak_event < event)
			s->moment[s->moment_count++] = (struct report_moment){"peak", s->peak_event,
			    0, 0};
		if (event != 0 && event != before)
			s->moment[s->moment_count++] = (struct report_moment){
			    event == n ? "end" : event == s->peak_event ? "peak" : NULL, event, 0,
			    0};
	}
}

static struct report_site *site_of(struct report_survey *s, uint32_t stack)
{
	if (!ARRAY_RESERVE(s->sites, s->site_cap, (size_t)stack + 1))
		return NULL;
	return &s->sites[stack];
}

static unsigned log2_of(uint64_t x, unsigned slots)
{
	const unsigned log = x == 0 ? 0 : 64 - (unsigned)__builtin_clzll(x);
	return log < slots ? log : slots - 1;
}

static void count_life(struct report_survey *s, const struct live_object *o, unsigned by_ns,
    unsigned by_calls)
{
	const unsigned size = log2_of(o->size, LIFE_SIZES);

	s->life_count[by_ns][size]++;
	s->life_bytes[by_ns][size] += o->size;
	s->call_count[by_calls][size]++;
	s->call_bytes[by_calls][size] += o->size;
}

/* `user` of an object is the call that made it. */
static void count_death(struct report_survey *s, const struct live_object *o, uint64_t tick)
{
	const uint64_t ns = trace_file_ns(&s->file, tick) - trace_file_ns(&s->file, o->born);
	count_life(s, o, log2_of(tick >= o->born ? ns : 0, LIFE_TIMES - 1),
	    log2_of(s->stream.events - o->user, LIFE_TIMES - 1));
}

static void site_lost(struct report_survey *s, const struct live_object *o)
{
	struct report_site *const site = &s->sites[o->stack];
	site->live_bytes -= o->size;
	site->live_count--;
}

static bool site_got(struct report_survey *s, const struct live_object *o)
{
	struct report_site *const site = site_of(s, o->stack);

	if (site == NULL)
		return false;
	site->total_bytes += o->size;
	site->total_count++;
	site->live_bytes += o->size;
	site->live_count++;
	s->allocs++;
	s->bytes_asked += o->size;
	return true;
}

static bool count_step(struct report_survey *s, const struct step *step)
{
	if (step->overlaid)
		site_lost(s, &step->dropped);
	switch (step->kind) {
	case STEP_ALLOC:
		step->object->user = s->stream.events;
		return site_got(s, step->object);
	case STEP_FREE:
		count_death(s, &step->was, step->ev.tick);
		site_lost(s, &step->was);
		return true;
	case STEP_RESIZE: /* one life, whatever it moved; it belongs to who resized it last */
		step->object->born = step->was.born;
		site_lost(s, &step->was);
		return site_got(s, step->object);
	case STEP_NONE:
	case STEP_FOREIGN:
		break;
	}
	return true;
}

static void take_moment(struct report_survey *s, size_t k, uint64_t tick)
{
	s->moment[k].ns = trace_file_ns(&s->file, tick);
	s->moment[k].payload = s->stream.payload;
	for (size_t i = 0; i < s->site_cap; i++) {
		struct report_site *const site = &s->sites[i];
		site->bytes[k] = (float)site->live_bytes;
		site->count[k] = (float)site->live_count;
		site->most = max_size(site->most, site->live_bytes);
	}
}

static bool second_reading(struct report_survey *s, struct trace_error *e)
{
	struct step step;
	uint64_t last = s->file.head.start_tick;
	size_t k = 0;
	int r;

	if (!trace_stream_open(&s->stream, &s->file))
		return trace_fail(e, TRACE_NOWHERE, "no memory");
	while ((r = trace_stream_next(&s->stream, &step, e)) > 0) {
		if (!count_step(s, &step))
			return trace_fail(e, TRACE_NOWHERE, "no memory for %zu call sites",
			    s->site_cap);
		last = step.ev.tick;
		if (s->stream.events == s->peak_event && !step.ev.begin && s->peak_ns == 0)
			s->peak_ns = trace_file_ns(&s->file, last);
		if (k < s->moment_count && s->stream.events == s->moment[k].event && !step.ev.begin)
			take_moment(s, k++, step.ev.tick);
	}
	for (; k < s->moment_count; k++) /* the last call may have been half a realloc */
		take_moment(s, k, s->file.head.start_tick);
	const struct live *const live = &s->stream.live;
	for (size_t i = 0; i < live->cap; i++)
		if (live->at[i].addr != 0)
			count_life(s, &live->at[i], LIFE_TIMES - 1, LIFE_TIMES - 1);
	s->ns = trace_file_ns(&s->file, last);
	s->end_payload = s->stream.payload;
	s->end_count = live->count;
	return r == 0;
}

static int by_size(const void *a, const void *b)
{
	const struct report_site *const x = a, *const y = b;

	if (x->most != y->most)
		return x->most > y->most ? -1 : 1;
	if (x->total_bytes != y->total_bytes)
		return x->total_bytes > y->total_bytes ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

static void sort_sites(struct report_survey *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->site_cap; i++) {
		s->has_stacks |= i != 0 && s->sites[i].total_count != 0;
		if (s->sites[i].total_count == 0)
			continue;
		s->sites[n] = s->sites[i];
		s->sites[n++].stack = (uint32_t)i;
	}
	s->site_count = n;
	qsort(s->sites, n, sizeof *s->sites, by_size);
}

bool report_survey(struct report_survey *s, const char *path, struct trace_error *e)
{
	memset(s, 0, sizeof *s);
	s->path = path;
	if (!trace_file_open(&s->file, path, e) || !first_reading(s, e))
		return false;
	for (size_t i = 0; i < s->file.count; i++)
		s->threads = s->file.blocks[i].thread > s->threads ? s->file.blocks[i].thread
		    : s->threads;
	s->threads += s->threads == 0; /* some imports number their only one 0 */
	plan_moments(s);
	s->samples = max_size(REPORT_SAMPLES_MIN, min_size(REPORT_SAMPLES,
	    WALKED / (s->peak_count + 1)));
	if (site_of(s, 0) == NULL)
		return trace_fail(e, TRACE_NOWHERE, "no memory");
	if (!second_reading(s, e))
		return false;
	sort_sites(s);
	return true;
}

void report_survey_close(struct report_survey *s)
{
	trace_stream_close(&s->stream);
	trace_file_close(&s->file);
	replay_ops_close(&s->ops);
	free(s->sites);
}
