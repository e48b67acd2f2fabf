/* profile.c - see profile.h.
 *
 * What was live at the peak is not copied at each new peak: a counter remembers its value as of the
 * peak that was current when it last changed, and catches up when it changes again.
 */
#include "budget/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/array.h"
#include "trace/caveat.h"
#include "trace/symbols.h"

const char *const measure_names[MEASURES] = {"calls", "bytes asked for", "bytes at the peak",
    "bytes on average", "bytes at the end"};

struct counter {
	uint64_t calls, asked, live;
	uint64_t at_peak, peak; /* live at peak number `peak` */
	uint64_t since;         /* moment of the last change */
	double area;            /* live x time */
};

struct profile_pass {
	struct trace_file file;
	struct trace_stream stream;
	struct counter *site;   /* by node */
	size_t cap;
	struct counter size[PROFILE_SIZES], all;
	uint64_t peaks, most, now, events;
	bool timeless;
};

/* ---- counting -------------------------------------------------------------------------------- */

static void change(struct profile_pass *p, struct counter *c, uint64_t more, uint64_t less)
{
	if (c->peak != p->peaks) {
		c->at_peak = c->live;
		c->peak = p->peaks;
	}
	c->area += (double)c->live * (double)(p->now - c->since);
	c->since = p->now;
	c->live += more - less;
}

static struct counter *size_of(struct profile_pass *p, uint64_t size)
{
	const unsigned log2 = log2_ceil(max_size(size, 1));
	return &p->size[min_size(log2, PROFILE_SIZES - 1)];
}

static void begin(struct profile_pass *p, uint32_t stack, uint64_t size)
{
	struct counter *const each[] = {&p->site[stack], size_of(p, size), &p->all};

	for (int i = 0; i < 3; i++) {
		change(p, each[i], size, 0);
		each[i]->calls++;
		each[i]->asked += size;
	}
}

static void end(struct profile_pass *p, const struct live_object *o)
{
	change(p, &p->site[o->stack], 0, o->size);
	change(p, size_of(p, o->size), 0, o->size);
	change(p, &p->all, 0, o->size);
}

static bool make_room(struct profile_pass *p, uint32_t node)
{
	return ARRAY_RESERVE(p->site, p->cap, (size_t)node + 1);
}

static void note(struct profile_pass *p, const struct step *step)
{
	p->now = p->timeless ? p->events : step->ev.tick;
	p->events++;
	if (step->overlaid)
		end(p, &step->dropped);
	if (step->kind == STEP_FREE || step->kind == STEP_RESIZE)
		end(p, &step->was);
	if (step->kind == STEP_ALLOC || step->kind == STEP_RESIZE)
		begin(p, step->ev.stack, step->ev.size);
	if (p->all.live > p->most) {
		p->most = p->all.live;
		p->peaks++;
	}
}

static bool read_all(struct profile_pass *p, struct trace_error *e)
{
	struct step step;
	int r = 0;
	bool room = true;

	while (room && (r = trace_stream_next(&p->stream, &step, e)) > 0) {
		room = make_room(p, step.ev.stack); /* what is freed has a site already */
		if (room)
			note(p, &step);
	}
	if (!room)
		return trace_fail(e, TRACE_NOWHERE, "no memory for the call sites");
	p->now = max_size(p->now, p->timeless ? p->events : p->file.end_tick);
	return r == 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* "f" of "f (file.c:12)": a name that contains " (" begins the line's parenthesis at the last
 * one. */
static size_t name_len(const char *name)
{
	const char *last = NULL;

	for (const char *at = name; (at = strstr(at, " (")) != NULL; at++)
		last = at;
	return last != NULL && strchr(last, ':') != NULL ? (size_t)(last - name) : strlen(name);
}

static char *site_name(const struct profile_pass *p, struct symbols *symbols, uint32_t stack)
{
	char *text = NULL;
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	if (stack == 0)
		fputs("(no call site recorded)", out);
	const char *names[SYMBOLS_DEPTH];
	const size_t count = symbols_path(symbols, p->stream.reader, stack, names, NULL);
	for (size_t depth = 0; depth < count && depth < PROFILE_FRAMES; depth++)
		fprintf(out, "%s%.*s", depth != 0 ? " <- " : "", (int)name_len(names[depth]),
		    names[depth]);
	return fclose(out) == 0 ? text : NULL;
}

static void put(const struct profile_pass *p, struct entry *to, struct counter *c, uint64_t begun)
{
	const double whole = (double)(p->now - begun);

	change((struct profile_pass *)p, c, 0, 0);
	to->value[MEASURE_CALLS] += (double)c->calls;
	to->value[MEASURE_ASKED] += (double)c->asked;
	to->value[MEASURE_PEAK] += (double)c->at_peak;
	to->value[MEASURE_MEAN] += whole > 0 ? c->area / whole : 0;
	to->value[MEASURE_END] += (double)c->live;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* Sites of one name become one. */
static void merge_names(struct profile *to)
{
	size_t n = 0;

	qsort(to->site, to->sites, sizeof *to->site, by_name);
	for (size_t i = 0; i < to->sites; i++) {
		if (n != 0 && strcmp(to->site[n - 1].name, to->site[i].name) == 0) {
			for (int m = 0; m < MEASURES; m++)
				to->site[n - 1].value[m] += to->site[i].value[m];
			free(to->site[i].name);
		} else {
			to->site[n++] = to->site[i];
		}
	}
	to->sites = n;
}

static bool put_sites(struct profile *to, struct profile_pass *p, uint64_t begun)
{
	struct symbols *const symbols = symbols_open(&p->file);

	to->site = calloc(p->cap + 1, sizeof *to->site);
	bool ok = symbols != NULL && to->site != NULL;
	for (size_t i = 0; ok && i < p->cap; i++) {
		if (p->site[i].calls == 0)
			continue;
		struct entry *const e = &to->site[to->sites];
		e->name = site_name(p, symbols, (uint32_t)i);
		ok = e->name != NULL;
		to->sites += ok;
		if (ok)
			put(p, e, &p->site[i], begun);
	}
	if (symbols != NULL)
		symbols_close(symbols);
	if (ok)
		merge_names(to);
	return ok;
}

static void put_sizes(struct profile *to, struct profile_pass *p, uint64_t begun)
{
	for (unsigned i = 0; i < PROFILE_SIZES; i++) {
		struct entry *const e = &to->size[i];
		put(p, e, &p->size[i], begun);
		if (asprintf(&e->name, i == 0 ? "0 and 1 bytes" : "%llu to %llu bytes",
		        (1ull << i) / 2 + 1, 1ull << i) < 0)
			e->name = NULL;
	}
}

static uint64_t first_tick(const struct trace_file *f)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < f->count; i++)
		first = min_size(first, f->blocks[i].first_tick);
	return f->count != 0 ? first : 0;
}

static bool read_pass(struct profile *to, struct profile_pass *p, struct trace_error *e)
{
	char clock[16];

	p->timeless = trace_file_value(&p->file, TRACE_META, "clock", clock, sizeof clock) &&
	    strcmp(clock, "none") == 0;
	const uint64_t begun = p->timeless ? 0 : first_tick(&p->file);
	if (!trace_file_value(&p->file, TRACE_META, "command", to->command, sizeof to->command))
		to->command[0] = '\0';
	if (!trace_stream_open(&p->stream, &p->file))
		return trace_fail(e, TRACE_NOWHERE, "no memory");
	if (!read_all(p, e))
		return false;
	put(p, &to->all, &p->all, begun);
	put_sizes(to, p, begun);
	to->leaked_objects = p->stream.live.count;
	to->seconds = p->timeless ? 0 : (double)trace_file_ns(&p->file, p->now) * 1e-9;
	return put_sites(to, p, begun) || trace_fail(e, TRACE_NOWHERE, "no memory for names");
}

bool profile_read(struct profile *to, const char *path, struct trace_error *e)
{
	static struct profile_pass p;

	p = (struct profile_pass){0};
	*to = (struct profile){.path = path};
	if (!trace_file_open(&p.file, path, e))
		return false;
	const bool ok = read_pass(to, &p, e);
	if (ok)
		caveats_say(&p.file, &(struct caveat_facts){p.stream.events,
		    trace_file_ns(&p.file, p.now), p.stream.peak_payload, UINT64_MAX, false});
	trace_stream_close(&p.stream);
	trace_file_close(&p.file);
	free(p.site);
	return ok;
}

void profile_close(struct profile *p)
{
	for (size_t i = 0; i < p->sites; i++)
		free(p->site[i].name);
	for (unsigned i = 0; i < PROFILE_SIZES; i++)
		free(p->size[i].name);
	free(p->site);
	*p = (struct profile){0};
}

const struct entry *profile_site(const struct profile *p, const char *name)
{
	const struct entry key = {.name = (char *)(uintptr_t)name};

	return p->sites != 0 ? bsearch(&key, p->site, p->sites, sizeof *p->site, by_name) : NULL;
}
