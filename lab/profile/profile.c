/* profile.c - see profile.h. */
#include "profile/profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/clock.h"
#include "cli/lab.h"
#include "cli/table.h"
#include "cli/units.h"
#include "inspect/profile.h"
#include "trace/pprof.h"
#include "trace/speedscope.h"
#include "trace/symbols.h"

enum { WHATS = PROFILE_TEMPORARY + 1, PATH_NAMES = 6 };

struct profile_out {
	struct profile_order order;
	struct outside outside;
	struct outside_profile profile;
	struct symbols *symbols;
	FILE *out;
};

static struct profile_sum sum_of(const struct profile_out *x, const struct profile_site *s,
    enum profile_what what)
{
	const struct profile_sum sums[WHATS] = {[PROFILE_LIVE] = s->live,
	    [PROFILE_ALLOCATED] = s->allocated,
	    [PROFILE_PEAK] = profile_peak(&x->profile.head, s),
	    [PROFILE_TEMPORARY] = s->temporary};

	return sums[what];
}

static uint64_t objects_of(struct profile_sum sum)
{
	return (sum.objects + PROFILE_FRACTION / 2) / PROFILE_FRACTION;
}

/* The innermost frames that hand allocations on, as operator new does, are left out,
 * unless all do. */
static size_t leave_wrappers(struct profile_out *x, const struct profile_site *s)
{
	for (size_t i = 0; i < s->depth; i++) {
		const struct symbols_place *const p =
		    symbols_place(x->symbols, (uintptr_t)s->at[i]);
		if (p->wrappers < p->count)
			return i;
	}
	return 0;
}

/* A stack as names, innermost first. */
static size_t names_of(struct profile_out *x, const struct profile_site *s,
    const char *names[SYMBOLS_DEPTH])
{
	const size_t first = leave_wrappers(x, s);
	size_t n = 0;

	for (size_t i = first; i < s->depth; i++) {
		const struct symbols_place *const p =
		    symbols_place(x->symbols, (uintptr_t)s->at[i]);
		const size_t left = i == first && p->wrappers < p->count ? p->wrappers : 0;
		for (size_t k = left; k < p->count && n < SYMBOLS_DEPTH; k++)
			names[n++] = p->name[k];
	}
	if (n == 0)
		names[n++] = "(unknown)";
	return n;
}

/* ---- for other tools ------------------------------------------------------------------------- */

static void write_folded(struct profile_out *x)
{
	const char *names[SYMBOLS_DEPTH];
	const struct profile_site *s;
	size_t at = 0;

	while ((s = outside_next_site(&x->profile, &at)) != NULL) {
		const uint64_t bytes = sum_of(x, s, x->order.what).bytes;
		if (bytes == 0)
			continue;
		for (size_t n = names_of(x, s, names); n-- > 0;) {
			for (const char *c = names[n]; *c != '\0'; c++)
				fputc(*c == ';' ? ':' : *c, x->out);
			fputc(n != 0 ? ';' : ' ', x->out);
		}
		fprintf(x->out, "%" PRIu64 "\n", bytes);
	}
}

static void write_speedscope(struct profile_out *x)
{
	static const char *const kinds[WHATS] = {
	    "live", "allocated", "live at the peak", "temporary"};
	struct speedscope *const out = speedscope_open(kinds, WHATS);
	const char *names[SYMBOLS_DEPTH];
	uint64_t weight[WHATS];
	const struct profile_site *s;
	size_t at = 0;

	if (out == NULL)
		lab_die(EXIT_OURS, "no memory for a profile");
	while ((s = outside_next_site(&x->profile, &at)) != NULL) {
		for (int what = 0; what < WHATS; what++)
			weight[what] = sum_of(x, s, (enum profile_what)what).bytes;
		speedscope_sample(out, names, names_of(x, s, names), weight);
	}
	speedscope_close(out, x->out, x->outside.memory.title);
}

static void put_sum(uint64_t *value, struct profile_sum sum)
{
	value[0] = objects_of(sum);
	value[1] = sum.bytes;
}

static void write_pprof(struct profile_out *x)
{
	const struct profile_head *const head = &x->profile.head;
	const struct profile_site *s;
	size_t at = 0;

	const uint64_t now_ns = clock_ns(CLOCK_REALTIME);
	const struct pprof_head about = {.wall_ns = now_ns, .period = head->mean,
	    .values = PPROF_VALUES, .maps = x->profile.maps};
	if (x->order.output == NULL && isatty(fileno(x->out)))
		lab_die(EXIT_USAGE, "a pprof profile is binary: write it to a file by -o F.pb.gz");
	struct pprof *const p = pprof_open(fileno(x->out), &about, x->symbols);
	if (p == NULL)
		lab_die(EXIT_OURS, "no memory for a profile");
	while ((s = outside_next_site(&x->profile, &at)) != NULL) {
		uint64_t value[PPROF_VALUES], addr[PROFILE_FRAMES];
		const size_t first = leave_wrappers(x, s);
		for (size_t i = first; i < s->depth; i++)
			addr[i - first] = (uintptr_t)s->at[i];
		put_sum(&value[PPROF_ALLOC_OBJECTS], s->allocated);
		put_sum(&value[PPROF_INUSE_OBJECTS], s->live);
		put_sum(&value[PPROF_PEAK_OBJECTS], profile_peak(head, s));
		put_sum(&value[PPROF_TEMPORARY_OBJECTS], s->temporary);
		pprof_sample(p, addr, s->depth - first, value);
	}
	if (!pprof_close(p, now_ns - min_size(now_ns, head->begun_ns)))
		lab_die(EXIT_OURS, "the profile cannot be written");
}

/* ---- for people ------------------------------------------------------------------------------ */

static const struct profile_out *sorting; /* qsort has no argument for it */

static int by_bytes(const void *a, const void *b)
{
	const uint64_t x = sum_of(sorting, *(const struct profile_site *const *)a,
	    sorting->order.what).bytes;
	const uint64_t y = sum_of(sorting, *(const struct profile_site *const *)b,
	    sorting->order.what).bytes;
	return x < y ? 1 : x > y ? -1 : 0;
}

static const struct profile_site **sorted(const struct profile_out *x, size_t *count)
{
	const struct profile_site *s;
	size_t n = 0, at = 0;

	while (outside_next_site(&x->profile, &at) != NULL)
		n++;
	const struct profile_site **const all = calloc(n + 1, sizeof *all);
	if (all == NULL)
		lab_die(EXIT_OURS, "no memory for %zu call sites", n);
	for (n = at = 0; (s = outside_next_site(&x->profile, &at)) != NULL;)
		all[n++] = s;
	sorting = x;
	qsort(all, n, sizeof *all, by_bytes);
	*count = n;
	return all;
}

static void put_site(struct profile_out *x, struct table *t, const struct profile_site *s)
{
	const char *names[SYMBOLS_DEPTH];
	char path[PATH_NAMES * SYMBOLS_LEN + 64] = "", buf[UNITS_LEN];
	const size_t count = names_of(x, s, names);
	size_t n = 0;

	for (int what = 0; what < WHATS; what++)
		table_cell(t, "%s",
		    units_bytes(buf, (double)sum_of(x, s, (enum profile_what)what).bytes));
	table_cell(t, "%s", units_count(buf, (double)objects_of(sum_of(x, s, x->order.what))));
	for (size_t i = 0; i < count && i < PATH_NAMES; i++)
		n += (size_t)snprintf(path + n, sizeof path - n, "%s%s", i != 0 ? " < " : "",
		    names[i]);
	table_cell(t, "%s%s", path, count > PATH_NAMES ? " < ..." : "");
}

static void write_text(struct profile_out *x)
{
	static const struct column columns[] = {{"live", true}, {"allocated", true},
	    {"at peak", true},
	    {"temporary", true}, {"objects", true}, {"called by", false}};
	const struct profile_head *const h = &x->profile.head;
	char live[UNITS_LEN], peak[UNITS_LEN], mean[UNITS_LEN];
	struct table t;
	size_t count;
	const struct profile_site **const all = sorted(x, &count);

	fprintf(x->out,
	    "%s: about %s live, %s at the peak; %" PRIu64
	    " samples, one each %s on average, at %zu "
	    "call sites\n\n",
	    x->outside.memory.title, units_bytes(live, (double)h->live_bytes),
	    units_bytes(peak, (double)h->peak_bytes), h->samples,
	    units_bytes(mean, (double)h->mean), count);
	table_begin(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < count && i < x->order.rows; i++)
		put_site(x, &t, all[i]);
	table_text(&t, x->out);
	table_end(&t);
	if (count > x->order.rows)
		fprintf(x->out, "and %zu more call sites (--rows)\n", count - x->order.rows);
	free(all);
	lab_next(NULL, "dmm profile --pid=%d --to=pprof -o heap.pb.gz", x->order.pid);
}

/* ---- the command ----------------------------------------------------------------------------- */

int profile_run(const struct profile_order *order)
{
	static void (*const write_as[])(struct profile_out *) = {[PROFILE_TO_TEXT] = write_text,
	    [PROFILE_TO_PPROF] = write_pprof,
	    [PROFILE_TO_FOLDED] = write_folded,
	    [PROFILE_TO_SPEEDSCOPE] = write_speedscope};
	struct profile_out x = {.order = *order, .out = stdout};
	struct memory_error e;

	if (!outside_open_process(&x.outside, order->pid, &e) ||
	    !outside_read_profile(&x.outside, &x.profile, &e))
		lab_die(EXIT_OURS, "%s", e.text);
	x.symbols = symbols_open_maps(x.profile.maps, (uint32_t)order->pid);
	if (x.symbols == NULL)
		lab_die(EXIT_OURS, "no memory for symbols");
	if (order->output != NULL && (x.out = fopen(order->output, "we")) == NULL)
		lab_die(EXIT_OURS, "%s cannot be written: %s", order->output,
		    strerror(errno));
	write_as[order->to](&x);
	const bool ok = fflush(x.out) == 0 && !ferror(x.out) &&
	    (order->output == NULL || fclose(x.out) == 0);
	if (!ok)
		lab_die(EXIT_OURS, "%s cannot be written: %s",
		    order->output != NULL ? order->output : "stdout", strerror(errno));
	if (x.profile.torn)
		lab_say("the process took samples while dmm read them: figures may miss a few");
	if (x.profile.head.lost != 0)
		lab_say("%" PRIu64 " samples were lost for want of memory", x.profile.head.lost);
	symbols_close(x.symbols);
	outside_drop_profile(&x.profile);
	outside_close(&x.outside);
	return EXIT_FINE;
}
