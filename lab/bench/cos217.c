/* cos217.c - the seven classical patterns of a heap manager's exercise, over every system.
 *
 * Each cell (a system, a pattern) runs in a process of its own on the real break and real mappings.
 * Mapped is what the system held at its peak by our own count of brk and mmap; in use is what of it
 * the kernel made resident, at its peak, since a page that nobody touched costs nothing.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "allocators/design.h"
#include "base/assert.h"
#include "base/rng.h"
#include "bench/bench.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/units.h"
#include "cli/progress.h"

enum { COUNT = 10000, SIZE = 1000, ROUNDS = 3, SEED = 217, HOLE = 16 };

struct pattern_run {
	struct bench_heap *heap;
	char **slot; /* 2 * count pointers, NULL at first */
	size_t count, size;
	struct rng rng;
};

static char *take(struct pattern_run *j, size_t n)
{
	char *const p = bench_alloc(j->heap, n);
	p[0] = p[n - 1] = 1; /* as a program would */
	return p;
}

static size_t random_size(struct pattern_run *j)
{
	return rng_below(&j->rng, j->size) + 1;
}

static void fill(struct pattern_run *j, bool random)
{
	for (size_t i = 0; i < j->count; i++)
		j->slot[i] = take(j, random ? random_size(j) : j->size);
}

static void drain_last_first(struct pattern_run *j)
{
	for (size_t i = j->count; i-- > 0;)
		bench_free(j->heap, j->slot[i]);
}

static void drain_first_first(struct pattern_run *j)
{
	for (size_t i = 0; i < j->count; i++)
		bench_free(j->heap, j->slot[i]);
}

static void lifo_fixed(struct pattern_run *j)
{
	fill(j, false);
	drain_last_first(j);
}

static void fifo_fixed(struct pattern_run *j)
{
	fill(j, false);
	drain_first_first(j);
}

static void lifo_random(struct pattern_run *j)
{
	fill(j, true);
	drain_last_first(j);
}

static void fifo_random(struct pattern_run *j)
{
	fill(j, true);
	drain_first_first(j);
}

/* In random order: a slot that is empty is filled, one that is full is emptied. */
static void shuffle(struct pattern_run *j, bool random)
{
	const size_t slots = j->count / 3 + 1;

	for (size_t i = 0; i < 2 * j->count; i++) {
		char **const slot = &j->slot[rng_below(&j->rng, slots)];
		if (*slot != NULL)
			bench_free(j->heap, *slot);
		*slot = *slot != NULL ? NULL : take(j, random ? random_size(j) : j->size);
	}
	for (size_t i = 0; i < slots; i++)
		if (j->slot[i] != NULL)
			bench_free(j->heap, j->slot[i]);
}

static void random_fixed(struct pattern_run *j)
{
	shuffle(j, false);
}

static void random_random(struct pattern_run *j)
{
	shuffle(j, true);
}

/* Many small holes that cannot merge, all of which a search for a larger chunk passes in vain. */
static void worst(struct pattern_run *j)
{
	for (size_t i = 0; i < 2 * j->count; i++)
		j->slot[i] = take(j, HOLE);
	for (size_t i = 0; i < j->count; i++) {
		bench_free(j->heap, j->slot[2 * i]);
		j->slot[2 * i] = NULL;
	}
	for (size_t i = 0; i < j->count; i++)
		j->slot[2 * i] = take(j, j->size + HOLE);
	for (size_t i = 0; i < 2 * j->count; i++)
		bench_free(j->heap, j->slot[i]);
}

static const struct pattern {
	const char *name, *doc;
	void (*run)(struct pattern_run *);
} patterns[] = {
    {"LIFO_fixed", "allocate all of one size, free the last first", lifo_fixed},
    {"FIFO_fixed", "allocate all of one size, free the first first", fifo_fixed},
    {"LIFO_random", "the same with random sizes", lifo_random},
    {"FIFO_random", "the same with random sizes", fifo_random},
    {"random_fixed", "allocate and free in random order, one size", random_fixed},
    {"random_random", "allocate and free in random order, random sizes", random_random},
    {"worst", "a long free list with nothing big enough in it", worst},
};

enum { PATTERNS = sizeof patterns / sizeof patterns[0] };

/* ---- cells ----------------------------------------------------------------------------------- */

struct pattern_cost {
	enum cell_status status;
	double cpu_s, footprint_bytes, in_use_bytes;
};

struct cell_job {
	const struct dmm_system *sys;
	const struct pattern *pattern;
	size_t count, size;
};

/* Bytes of this process that are resident now, and the most that ever were. */
static double resident_bytes(void)
{
	char text[64] = {0};
	const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	const char *const second = n > 0 ? strchr(text, ' ') : NULL;

	if (fd >= 0)
		close(fd);
	return second != NULL ? strtod(second, NULL) * (double)sysconf(_SC_PAGESIZE) : 0;
}

static double most_resident_bytes(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss * 1024 : 0;
}

static void work(void *arg, void *result)
{
	const struct cell_job *const c = arg;
	struct pattern_cost *const m = result;
	struct bench_heap heap;
	struct pattern_run j = {.heap = &heap, .count = c->count, .size = c->size, .rng = {SEED}};

	j.slot = calloc(2 * c->count + 1, sizeof *j.slot);
	CHECK(j.slot != NULL);
	/* ours is resident before anything is counted */
	memset(j.slot, 1, (2 * c->count + 1) * sizeof *j.slot);
	memset(j.slot, 0, (2 * c->count + 1) * sizeof *j.slot);
	const double before = resident_bytes();
	bench_heap_open_linux(&heap, c->sys, NULL);
	const double start_s = bench_cpu_s();
	c->pattern->run(&j);
	m->cpu_s = bench_cpu_s() - start_s;
	m->footprint_bytes = (double)heap.os.peak_bytes;
	const double most = most_resident_bytes();
	m->in_use_bytes = most > before ? most - before : 0;
}

static int by_cpu(const void *a, const void *b)
{
	const double x = ((const struct pattern_cost *)a)->cpu_s,
	             y = ((const struct pattern_cost *)b)->cpu_s;
	return x < y ? -1 : x > y;
}

/* The median of the rounds; the first that does not end well stands for all. */
static struct pattern_cost measure(struct cell_job *c, double timeout_s)
{
	struct pattern_cost m[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		const enum cell_status status = cell_run(work, c, &m[i], sizeof m[i], timeout_s);
		m[i].status = status;
		if (status != CELL_FINE)
			return m[i];
	}
	qsort(m, ROUNDS, sizeof m[0], by_cpu);
	return m[ROUNDS / 2];
}

/* ---- results --------------------------------------------------------------------------------- */

struct pattern_suite {
	const struct bench_options *o;
	bool chosen[PATTERNS];
	size_t count, size;
	struct pattern_cost cell[BENCH_SYSTEMS_MAX][PATTERNS];
};

static const char *status_word(enum cell_status status)
{
	return status == CELL_FINE ? "fine" : status == CELL_TIMEOUT ? "timeout" : "crashed";
}

enum block { BLOCK_CPU, BLOCK_MAPPED, BLOCK_IN_USE };

static void put_cell(struct table *t, const struct pattern_suite *s, const struct pattern_cost *m,
    enum block block)
{
	char buf[UNITS_LEN];

	if (m->status == CELL_TIMEOUT)
		table_paint(t, PAINT_BAD, "> %g s", s->o->timeout_s);
	else if (m->status == CELL_CRASHED)
		table_paint(t, PAINT_BAD, "crashed");
	else if (block != BLOCK_CPU)
		table_cell(t, "%s", units_bytes(buf, block == BLOCK_MAPPED ? m->footprint_bytes
		    : m->in_use_bytes));
	else
		table_cell(t, "%.4f", m->cpu_s);
}

static void put_block(const struct pattern_suite *s, enum block block)
{
	static const char *const titles[] = {"CPU seconds", "memory mapped", "memory in use"};
	struct column columns[PATTERNS + 1] = {{titles[block], false}};
	size_t count = 1;
	struct table t;

	for (size_t k = 0; k < PATTERNS; k++)
		if (s->chosen[k])
			columns[count++] = (struct column){patterns[k].name, true};
	table_begin(&t, columns, count);
	table_split(&t, 1, 0);
	for (size_t i = 0; i < s->o->system_count; i++) {
		table_cell(&t, "%s", s->o->names[i]);
		for (size_t k = 0; k < PATTERNS; k++)
			if (s->chosen[k])
				put_cell(&t, s, &s->cell[i][k], block);
	}
	table_text(&t, stdout);
	table_end(&t);
}

static void put_csv(const struct pattern_suite *s)
{
	puts("system,pattern,count,size,status,cpu_s,footprint_bytes,in_use_bytes");
	for (size_t i = 0; i < s->o->system_count; i++)
		for (size_t k = 0; k < PATTERNS; k++) {
			const struct pattern_cost *const m = &s->cell[i][k];
			if (!s->chosen[k])
				continue;
			printf("%s,%s,%zu,%zu,%s", s->o->names[i], patterns[k].name, s->count,
			    s->size,
			    status_word(m->status));
			if (m->status == CELL_FINE)
				printf(",%.6f,%.0f,%.0f\n", m->cpu_s, m->footprint_bytes,
				    m->in_use_bytes);
			else
				puts(",,,");
		}
}

static void put_json(const struct pattern_suite *s)
{
	struct json j;

	json_begin(&j, stdout);
	json_schema(&j, "dmm-bench-cos217", 2);
	json_count(&j, "count", s->count);
	json_count(&j, "size", s->size);
	json_number(&j, "timeout_s", s->o->timeout_s);
	json_array(&j, "rows");
	for (size_t i = 0; i < s->o->system_count; i++)
		for (size_t k = 0; k < PATTERNS; k++) {
			const struct pattern_cost *const m = &s->cell[i][k];
			if (!s->chosen[k])
				continue;
			json_object(&j, NULL);
			json_string(&j, "system", s->o->names[i]);
			json_string(&j, "pattern", patterns[k].name);
			json_string(&j, "status", status_word(m->status));
			if (m->status == CELL_FINE) {
				json_number(&j, "cpu_s", m->cpu_s);
				json_number(&j, "footprint_bytes", m->footprint_bytes);
				json_number(&j, "in_use_bytes", m->in_use_bytes);
			}
			json_end(&j);
		}
	json_end(&j);
	json_end(&j);
}

static void put(const struct pattern_suite *s)
{
	if (s->o->format == FORMAT_CSV) {
		put_csv(s);
	} else if (s->o->format == FORMAT_JSON) {
		put_json(s);
	} else {
		printf("%zu objects of %zu bytes (random: 1 to %zu); median of %d runs; "
		       "mapped: peak of what brk and mmap obtained; in use: peak of what was "
		       "resident of it\n\n",
		    s->count, s->size, s->size, ROUNDS);
		put_block(s, BLOCK_CPU);
		putchar('\n');
		put_block(s, BLOCK_MAPPED);
		putchar('\n');
		put_block(s, BLOCK_IN_USE);
	}
}

static void choose(struct pattern_suite *s, char *const *words)
{
	const char *names[PATTERNS + 2] = {"all"};

	for (size_t k = 0; k < PATTERNS; k++)
		names[k + 1] = patterns[k].name;
	const int one = words[0] != NULL ? option_choice("suite=cos217", words[0], names) : 0;
	for (int k = 0; k < PATTERNS; k++)
		s->chosen[k] = one == 0 || one == k + 1;
	if (words[0] == NULL || words[1] == NULL)
		return;
	s->count = option_count("COUNT", words[1], 1);
	if (words[2] != NULL)
		s->size = option_count("SIZE", words[2], 1);
	if (words[2] != NULL && words[3] != NULL)
		lab_die(EXIT_USAGE, "bench: '%s' is a word more than PATTERN COUNT SIZE", words[3]);
}

/* Print what to do next after the user's own design crashed.  False: none crashed. */
static bool blame(const struct pattern_suite *s)
{
	for (size_t i = 0; i < s->o->system_count; i++)
		for (size_t k = 0; k < PATTERNS && s->o->given[i] != NULL; k++)
			if (s->chosen[k] && s->cell[i][k].status == CELL_CRASHED)
				return design_blame(s->o->given[i]);
	return false;
}

int bench_cos217(const struct bench_options *o)
{
	static struct pattern_suite s; /* large */

	s = (struct pattern_suite){.o = o, .count = COUNT, .size = SIZE};
	choose(&s, o->words);
	if (o->list) {
		for (size_t k = 0; k < PATTERNS; k++)
			printf("%-14s %s\n", patterns[k].name, patterns[k].doc);
		return EXIT_FINE;
	}
	bool crashed = false;
	progress_begin("measuring cells");
	for (size_t k = 0; k < PATTERNS; k++)
		for (size_t i = 0; i < o->system_count && s.chosen[k]; i++) {
			struct cell_job c = {o->systems[i], &patterns[k], s.count, s.size};
			progress_label("%s: %s", patterns[k].name, o->names[i]);
			progress_share((double)(k * o->system_count + i) /
			    (double)(PATTERNS * o->system_count));
			s.cell[i][k] = measure(&c, o->timeout_s);
			crashed |= s.cell[i][k].status == CELL_CRASHED;
		}
	progress_end();
	put(&s);
	if (!blame(&s))
		lab_next(NULL, "dmm bench --suite=lecture");
	return crashed ? EXIT_FAULT : EXIT_FINE;
}
