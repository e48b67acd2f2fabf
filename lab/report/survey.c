/* survey.c - what the program itself did, in bounded memory.
 *
 * The recording is decoded once.  Beside the survey itself, which looks at call sites and lives,
 * two more listen: one makes the calls ready for models, the other diagnoses.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/array.h"
#include "report/report.h"

enum { EVEN_MOMENTS = REPORT_MOMENTS - 2,
    WALKED = 60000000 /* objects, in all walks of a design */ };

static void plan_moments(struct report_survey *s)
{
	const uint64_t n = s->file.events;

	for (uint64_t i = 1; i <= EVEN_MOMENTS; i++) {
		const uint64_t event = n * i / EVEN_MOMENTS, before = n * (i - 1) / EVEN_MOMENTS;
		if (event != 0 && event != before)
			s->moment[s->moment_count++] = (struct report_moment){
			    event == n ? "end" : NULL, event, 0, 0};
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

static void count_death(struct report_survey *s, const struct live_object *o, uint64_t tick)
{
	const uint64_t ns = trace_file_ns(&s->file, tick) - trace_file_ns(&s->file, o->born);
	count_life(s, o, log2_of(tick >= o->born ? ns : 0, LIFE_TIMES - 1),
	    log2_of(s->stream.events - o->call, LIFE_TIMES - 1));
}

/* The site's first change after the peak: what it had then. */
static void note_peak_of(const struct report_survey *s, struct report_site *site)
{
	if (site->epoch == s->epoch)
		return;
	site->epoch = s->epoch;
	site->peak_bytes = site->live_bytes;
	site->peak_count = site->live_count;
}

static void site_lost(struct report_survey *s, const struct live_object *o)
{
	struct report_site *const site = &s->sites[o->stack];
	note_peak_of(s, site);
	site->live_bytes -= o->size;
	site->live_count--;
}

static bool site_got(struct report_survey *s, const struct live_object *o)
{
	struct report_site *const site = site_of(s, o->stack);

	if (site == NULL)
		return false;
	note_peak_of(s, site);
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

static bool survey_step(void *survey, struct step *step, struct trace_error *e)
{
	struct report_survey *const s = survey;
	const uint64_t tick = step->ev.tick;

	if (!count_step(s, step))
		return trace_fail(e, TRACE_NOWHERE, "no memory for %zu call sites", s->site_cap);
	s->ns = tick;
	if (step->ev.begin)
		return true;
	if (s->stream.payload > s->peak_payload) {
		s->peak_payload = s->stream.payload;
		s->peak_event = s->stream.events;
		s->peak_ns = tick;
		s->epoch++;
	}
	while (s->taken < s->moment_count && s->stream.events == s->moment[s->taken].event)
		take_moment(s, s->taken++, tick);
	return true;
}

/* The peak is known only now: make room for it among the even moments, or name that one. */
static void put_in_peak(struct report_survey *s)
{
	size_t k = 0;

	while (k < s->moment_count && s->moment[k].event < s->peak_event)
		k++;
	if (s->peak_event == 0)
		return;
	if (k < s->moment_count && s->moment[k].event == s->peak_event) {
		if (s->moment[k].name == NULL)
			s->moment[k].name = "peak";
		return;
	}
	memmove(&s->moment[k + 1], &s->moment[k], (s->moment_count - k) * sizeof *s->moment);
	s->moment[k] = (struct report_moment){"peak", s->peak_event, s->peak_ns, s->peak_payload};
	for (size_t i = 0; i < s->site_cap; i++) {
		struct report_site *const site = &s->sites[i];
		memmove(&site->bytes[k + 1], &site->bytes[k],
		    (s->moment_count - k) * sizeof *site->bytes);
		memmove(&site->count[k + 1], &site->count[k],
		    (s->moment_count - k) * sizeof *site->count);
		note_peak_of(s, site);
		site->bytes[k] = (float)site->peak_bytes;
		site->count[k] = (float)site->peak_count;
		site->most = max_size(site->most, site->peak_bytes);
	}
	s->moment_count++;
}

static void finish_reading(struct report_survey *s)
{
	const struct live *const live = &s->stream.live;

	while (s->taken < s->moment_count) /* the last call may have been half a realloc */
		take_moment(s, s->taken++, s->file.head.start_tick);
	for (size_t i = 0; i < live->cap; i++)
		if (live->at[i].addr != 0)
			count_life(s, &live->at[i], LIFE_TIMES - 1, LIFE_TIMES - 1);
	s->ns = trace_file_ns(&s->file, s->ns);
	s->peak_ns = trace_file_ns(&s->file, s->peak_ns);
	s->events = s->stream.events;
	s->peak_count = s->stream.peak_count;
	s->end_payload = s->stream.payload;
	s->end_count = live->count;
	put_in_peak(s);
}

static bool read_for_all(struct report_survey *s, struct trace_error *e)
{
	struct ops_build *const ops = ops_build_begin(&s->file, &s->stream, OPS_FOR_MODELS, e);
	struct gather *const gather = ops != NULL ? diagnose_begin(&s->file, &s->stream) : NULL;
	const struct trace_listener last = {.step = diagnose_step, .arg = gather};
	const struct trace_listener second = {.step = ops_build_step, .arg = ops, .next = &last};
	const struct trace_listener first = {.step = survey_step, .arg = s, .next = &second};

	if (ops != NULL && gather == NULL)
		trace_fail(e, TRACE_NOWHERE, "no memory");
	bool fine = gather != NULL && trace_stream_read(&s->stream, &first, e);
	if (gather != NULL)
		fine = diagnose_end(gather, fine ? &s->diagnosis : NULL, e) && fine;
	if (ops != NULL)
		fine = ops_build_end(ops, fine ? &s->ops : NULL, e) && fine;
	return fine;
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

static uint32_t threads_of(const struct trace_file *f)
{
	uint32_t threads = 0;

	for (size_t i = 0; i < f->count; i++)
		threads = max_size(threads, f->blocks[i].thread);
	return threads != 0 ? threads : 1; /* some imports number their only one 0 */
}

bool report_survey(struct report_survey *s, const char *path, struct trace_error *e)
{
	memset(s, 0, sizeof *s);
	s->path = path;
	if (!trace_file_open(&s->file, path, e))
		return false;
	s->threads = threads_of(&s->file);
	s->ns = s->file.head.start_tick;
	plan_moments(s);
	if (site_of(s, 0) == NULL || !trace_stream_open(&s->stream, &s->file))
		return trace_fail(e, TRACE_NOWHERE, "no memory");
	if (!read_for_all(s, e))
		return false;
	finish_reading(s);
	sort_sites(s);
	s->samples = max_size(REPORT_SAMPLES_MIN, min_size(REPORT_SAMPLES,
	    WALKED / (s->peak_count + 1)));
	return true;
}

void report_survey_close(struct report_survey *s)
{
	trace_stream_close(&s->stream);
	trace_file_close(&s->file);
	replay_ops_close(&s->ops);
	free(s->sites);
}
