/* judge.c - from counters to findings.
 *
 * The thresholds, each chosen so that the recordings of healthy programs (cc, git, python3, redis,
 * sqlite3: test/recordings) have no finding:
 *   growth      rises in each third of the run and by a tenth of the peak in all, the last third by
 *               a quarter of the average third at least; before the end the site's objects are not
 *               freed, or next to none; 64 KiB at least, and a fiftieth of what the process holds
 *               in all: a compiler keeps its own heap beside malloc's
 *   pinned      sparse pages hold 1 MiB and a tenth of the peak beside what lives in them, for a
 *               quarter of the run
 *   retained    at most half of the peak is live for a quarter of the run after it; 4 MiB at least
 *   oversized   payload that never became resident: 1 MiB and a fifth of the peak; or realloc gave
 *               back as much as that
 *   churn       a site's temporary objects take 3 % of the run, at CALL_NS a call
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/units.h"
#include "diagnose/gather.h"
#include "trace/caveat.h"

const char *const finding_names[FINDING_KINDS] = {
    "growth", "pinned", "retained", "oversized", "churn"};

enum {
	GROWTH_LEAST = 64 << 10, /* bytes, as the next two */
	HELD_LEAST = 1 << 20,
	RETAINED_LEAST = 4 << 20,
	GROWN_OBJECTS = 4, /* in a third */
	PINNED_MARKS = MARKS / 4,
	PINNED_PART = 8,
};
static const double growth_share = 0.02; /* of the process */
static const double call_ns = 20; /* malloc or free, found in cache */
static const double churn_share = 0.03, seconds_least = 0.02;

static struct diagnose_finding *add(struct diagnosis *d, enum finding_kind kind, uint32_t stack)
{
	static struct diagnose_finding spare;

	if (d->count == FINDINGS_MAX)
		return &spare;
	d->finding[d->count] = (struct diagnose_finding){.kind = kind, .stack = stack};
	return &d->finding[d->count++];
}

static const char *plural(double count)
{
	return count == 1 ? "" : "s";
}

/* ---- growth ---------------------------------------------------------------------------------- */

enum { THIRD = MARKS / 3 };

/* Bytes that the site gained until shortly before the end, where programs clean up, if it gained
 * all the time; else 0. */
static double grown(const struct gather *g, const struct gathered_site *s)
{
	const double whole = (double)s->at[3 * THIRD] - (double)s->at[0];
	double last = 0;

	if (whole < GROWTH_LEAST || whole < 0.1 * (double)g->peak_payload ||
	    whole < growth_share * (double)g->file->peak_anon_kib * 1024 ||
	    (double)s->early_frees > 0.02 * (double)s->allocs)
		return 0;
	for (unsigned k = 0; k < 3 * THIRD; k += THIRD) {
		last = (double)s->at[k + THIRD] - (double)s->at[k];
		if (last <= 0 ||
		    (double)s->objects_at[k + THIRD] - (double)s->objects_at[k] < GROWN_OBJECTS)
			return 0;
	}
	return last >= whole / 12 ? whole : 0;
}

static void find_growth(struct diagnosis *d, const struct gather *g)
{
	uint32_t most = 0;
	double bytes = 0, all = 0;
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN], e[UNITS_LEN];

	for (size_t i = 0; i < g->site_cap; i++) {
		const double more = grown(g, &g->site[i]);
		all += more;
		if (more > bytes) {
			bytes = more;
			most = (uint32_t)i;
		}
	}
	if (bytes == 0)
		return;
	const struct gathered_site *const s = &g->site[most];
	const bool freed = s->live_bytes < s->live_peak / 2;
	struct diagnose_finding *const f = add(d, FINDING_GROWTH, most);
	f->bytes = s->live_peak;
	f->objects = freed ? s->allocs : s->live_objects;
	f->rate = d->seconds > 0 ? bytes / d->seconds : 0;
	const int n = snprintf(f->what, sizeof f->what,
	    "%s in %s objects %s, and they become more all the time",
	    units_bytes(a, (double)f->bytes), units_count(b, (double)f->objects),
	    freed ? "are freed only when the program ends" : "are never freed");
	if (f->rate > 0)
		snprintf(f->what + n, sizeof f->what - (size_t)n, ", by %s a second%s%s",
		    units_bytes(c, f->rate),
		    all > bytes ? "; all call sites that do so gained " : "",
		    all > bytes ? units_bytes(e, all) : "");
}

/* ---- pinned ---------------------------------------------------------------------------------- */

/* At this many marks, since a heap is sparse for a moment when one phase follows another. */
static unsigned marks_pinned(const struct gather *g)
{
	unsigned marks = 0;

	for (unsigned k = 0; k <= MARKS; k++)
		marks += g->held[k] >= HELD_LEAST && g->held[k] >= g->peak_payload / 10;
	return marks;
}

static void find_pinned(struct diagnosis *d, const struct gather *g)
{
	const uint64_t pages = g->sparse.pages * PAGE_BYTES;
	const double live = pages != 0 ? 100 * (double)g->sparse.live / (double)pages : 0;
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN];

	if (marks_pinned(g) < PINNED_MARKS || g->pins == 0)
		return;
	const struct pin *const p = &g->pin[0];
	struct diagnose_finding *const f = add(d, FINDING_PINNED, p->stack);
	f->bytes = p->pages * PAGE_BYTES - p->bytes;
	f->objects = p->objects;
	if (p->pages * PINNED_PART >= g->sparse.pages)
		snprintf(f->what, sizeof f->what,
		    "%s small object%s hold %s of pages that are otherwise free; all sparse pages "
		    "together: %s, of which %.0f %% is live",
		    units_count(a, (double)p->objects), plural((double)p->objects),
		    units_bytes(b, (double)(p->pages * PAGE_BYTES)), units_bytes(c, (double)pages),
		    live);
	else
		snprintf(f->what, sizeof f->what,
		    "objects of many call sites hold %s of pages of which %.0f %% is live; the "
		    "site that holds most by itself holds %s with %s object%s",
		    units_bytes(c, (double)pages), live,
		    units_bytes(b, (double)(p->pages * PAGE_BYTES)),
		    units_count(a, (double)p->objects), plural((double)p->objects));
}

/* ---- retained -------------------------------------------------------------------------------- */

/* Bytes that threads freed since the peak before they made no call for a quarter of the run. */
static uint64_t freed_by_idle(const struct gather *g, unsigned *threads)
{
	const uint64_t quarter = (g->end_tick - g->first_tick) / 4;
	uint64_t bytes = 0;
	size_t all = 0;

	*threads = 0;
	for (size_t i = 0; i < THREADS_MAX; i++) {
		const struct gathered_thread *const w = &g->worker[i];
		all += w->last_tick != 0;
		const bool to_the_end = g->end_tick - w->last_tick > w->idle_ticks;
		if (w->peak != g->peaks ||
		    (to_the_end ? g->end_tick - w->last_tick : w->idle_ticks) < quarter)
			continue;
		bytes += to_the_end ? w->freed_late : w->idle_freed;
		++*threads;
	}
	return all > 1 ? bytes : 0; /* a single thread is idle when the program is */
}

static void find_retained(struct diagnosis *d, const struct gather *g)
{
	uint64_t low = 0;
	unsigned marks = 0, after = 0, threads;
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN];

	for (unsigned k = 0; k <= FINE_MARKS; k++) {
		if (!g->timeless && g->first_tick + (uint64_t)((double)k / FINE_MARKS *
		        (double)(g->end_tick - g->first_tick)) < g->peak_tick)
			continue;
		after++;
		if (g->fine[k] > g->peak_payload / 2)
			continue;
		low += g->fine[k];
		marks++;
	}
	if (g->timeless || g->peak_payload < RETAINED_LEAST || marks * 4 < FINE_MARKS ||
	    d->seconds < seconds_least)
		return;
	const double live = (double)low / marks;
	uint32_t most = 0;
	for (size_t i = 0; i < g->site_cap; i++)
		if (g->site[i].live_peak > g->site[most].live_peak)
			most = (uint32_t)i;
	struct diagnose_finding *const f = add(d, FINDING_RETAINED, most);
	f->bytes = (uint64_t)((double)g->peak_payload - live);
	const uint64_t idle = freed_by_idle(g, &threads);
	int n = snprintf(f->what, sizeof f->what,
	    "after its peak of %s the program holds %s on average for %.0f %% of its run: what the "
	    "allocator keeps of the rest is unused",
	    units_bytes(a, (double)g->peak_payload), units_bytes(b, live),
	    100.0 * marks / (FINE_MARKS + 1));
	if (idle * 4 >= f->bytes && threads != 0)
		snprintf(f->what + n, sizeof f->what - (size_t)n,
		    "; %u thread%s freed %s of it and then made no call", threads, plural(threads),
		    units_bytes(c, (double)idle));
}

/* ---- oversized ------------------------------------------------------------------------------- */

static void find_untouched(struct diagnosis *d, const struct gather *g)
{
	const uint64_t resident = g->file->peak_anon_kib * 1024;
	uint32_t most = 0;
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN];

	if (resident == 0 || g->peak_payload < resident ||
	    g->peak_payload - resident < HELD_LEAST ||
	    g->peak_payload - resident < g->peak_payload / 5)
		return;
	for (size_t i = 0; i < g->site_cap; i++)
		if (g->site[i].large_peak > g->site[most].large_peak)
			most = (uint32_t)i;
	const struct gathered_site *const s = &g->site[most];
	if (s->large_peak < HELD_LEAST)
		return;
	struct diagnose_finding *const f = add(d, FINDING_OVERSIZED, most);
	f->bytes = g->peak_payload - resident;
	f->objects = s->allocs;
	snprintf(f->what, sizeof f->what,
	    "%s that the program asked for was never resident; most of its large objects, %s of %s "
	    "each, come from one place",
	    units_bytes(a, (double)f->bytes), units_bytes(b, (double)s->large_peak),
	    units_bytes(c, (double)s->large_size));
}

static void find_shrunk(struct diagnosis *d, const struct gather *g)
{
	uint32_t most = 0;
	char a[UNITS_LEN], b[UNITS_LEN];

	for (size_t i = 0; i < g->site_cap; i++)
		if (g->site[i].shrunk_bytes > g->site[most].shrunk_bytes)
			most = (uint32_t)i;
	const struct gathered_site *const s = &g->site[most];
	if (s->shrunk_bytes < HELD_LEAST || s->shrunk_bytes < g->peak_payload / 5)
		return;
	struct diagnose_finding *const f = add(d, FINDING_OVERSIZED, most);
	f->bytes = s->shrunk_bytes;
	f->objects = s->shrunk_count;
	snprintf(f->what, sizeof f->what,
	    "%s objects are asked for at more than twice the size that they keep: realloc gives %s "
	    "back",
	    units_count(a, (double)f->objects), units_bytes(b, (double)f->bytes));
}

/* ---- churn ----------------------------------------------------------------------------------- */

static void find_churn(struct diagnosis *d, const struct gather *g)
{
	uint32_t most = 0;
	char a[UNITS_LEN], b[UNITS_LEN];

	for (size_t i = 0; i < g->site_cap; i++)
		if (g->site[i].temporary > g->site[most].temporary)
			most = (uint32_t)i;
	const double count = (double)g->site[most].temporary;
	const double share = d->seconds > 0 ? 2 * count * call_ns * 1e-9 / d->seconds : 0;
	if (share < churn_share || d->seconds < seconds_least)
		return;
	struct diagnose_finding *const f = add(d, FINDING_CHURN, most);
	f->objects = g->site[most].temporary;
	f->rate = 2 * count / d->seconds;
	snprintf(f->what, sizeof f->what,
	    "%s objects live for at most %d calls, %s a second: about %.0f %% of the run goes into "
	    "their malloc and free",
	    units_count(a, count), CHURN_CALLS, units_count(b, count / d->seconds),
	    fmin(100 * share, 99));
}

/* ---- names, and what cannot be said ---------------------------------------------------------- */

static void name_site(struct diagnose_finding *f, const struct gather *g, struct symbols *symbols)
{
	const char *names[SYMBOLS_DEPTH];
	const size_t count = symbols_path(symbols, g->stream->reader, f->stack, names, NULL);
	size_t len = 0;

	for (size_t depth = 0; depth < count && depth < 3 && len < sizeof f->site; depth++)
		len += (size_t)snprintf(f->site + len, sizeof f->site - len, "%s%s",
		    depth == 0 ? "" : depth == 1 ? ", called by " : ", by ", names[depth]);
}

static void tell_unsaid(struct diagnosis *d, const struct gather *g)
{
	const char *text = "";

	d->limited = d->calls == 0 || g->timeless || d->seconds < seconds_least ||
	    d->calls < CAVEAT_CALLS || g->file->damage.text[0] != '\0';
	if (d->calls == 0)
		text = "nothing is allocated in it; dmm info tells why";
	else if (g->file->damage.text[0] != '\0')
		text = "the recording is cut off, and all this is about what comes before; let "
		       "a recorded run end, with room on the disk";
	else if (g->timeless)
		text = "the recording knows no times, so nothing can be said about growth a "
		       "second, idle time and churn; dmm record has them";
	else if (d->seconds < seconds_least || d->calls < CAVEAT_CALLS)
		text = "the recording is too short to say anything about growth, idle time and "
		       "churn; record a longer run";
	else if (trace_reader_nodes(g->stream->reader) == 0)
		text = "the recording has no call sites; dmm record --stacks=caller, fp or dwarf "
		       "brings them";
	snprintf(d->unsaid, sizeof d->unsaid, "%s", text);
}

static void judge(struct diagnosis *d, const struct gather *g)
{
	double sum = 0;

	d->calls = g->stream->events;
	d->peak_payload = g->peak_payload;
	d->end_payload = g->stream->payload;
	d->seconds = gather_seconds(g);
	for (unsigned k = 0; k <= FINE_MARKS; k++)
		sum += (double)g->fine[k];
	d->mean_payload = sum / (FINE_MARKS + 1);
	find_growth(d, g);
	find_pinned(d, g);
	find_retained(d, g);
	find_untouched(d, g);
	find_shrunk(d, g);
	find_churn(d, g);
	struct symbols *const symbols = symbols_open(g->file);
	for (size_t i = 0; symbols != NULL && i < d->count; i++)
		name_site(&d->finding[i], g, symbols);
	if (symbols != NULL)
		symbols_close(symbols);
	tell_unsaid(d, g);
}

/* ---- while somebody reads the recording ------------------------------------------------------ */

static bool out_of_memory(struct trace_error *e)
{
	return trace_fail(e, TRACE_NOWHERE, "no memory for the call sites");
}

struct gather *diagnose_begin(const struct trace_file *f, const struct trace_stream *s)
{
	struct gather *const g = malloc(sizeof *g);

	if (g == NULL || gather_open(g, f, s))
		return g;
	gather_close(g);
	free(g);
	return NULL;
}

bool diagnose_step(void *gather, struct step *step, struct trace_error *e)
{
	return gather_step(gather, step) || out_of_memory(e);
}

bool diagnose_end(struct gather *g, struct diagnosis *d, struct trace_error *e)
{
	const bool fine = d == NULL || gather_end(g);

	if (d != NULL)
		*d = (struct diagnosis){0};
	if (d != NULL && fine)
		judge(d, g);
	gather_close(g);
	free(g);
	return fine || out_of_memory(e);
}
