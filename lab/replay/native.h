/* native.h - a recording really replayed: rounds of children, each under an allocator.
 *
 *   rounds     as dmm compare has them, glibc twice; the time and the most memory are from these
 *              runs
 *   latency    runs of their own, every call by the clock: so it cannot disturb the time
 *   memory     a run of its own, looking at resident and usable bytes
 *   pace       a run of its own on the recording's clock, idle times included: its three memories.
 *              Where memory on average or at the end decides (--by), there is one such run for each
 *              round, and its figures stand in the round's run as its mean_rss and end_rss.
 *
 * `compare` is dmm compare's: rows, ratios, verdict.  What only a replay knows stands in `row`, by
 * the same number.  wall, cpu, rss and faults of a run are those between the first call and the
 * last one, without the replayer's own memory.
 */
#ifndef LAB_REPLAY_NATIVE_H
#define LAB_REPLAY_NATIVE_H

#include "replay/job.h"
#include "compare/compare.h"
#include "replay/ops.h"
#include "replay/replayer/replayer.h"
#include "cli/table.h"

enum { NATIVE_QUANTILES = 5 };
struct native_quantile {
	double q;
	const char *key;
};
extern const struct native_quantile native_quantiles[NATIVE_QUANTILES];

struct native_row {
	uint64_t (*hist)[HIST_BUCKETS]; /* of each kind; NULL: no latency run came to its end */
	uint64_t longest[REPLAY_KINDS];
	double ns_per_tick;
	/* over time; NULL: not asked for, or no run came to its end */
	struct replay_sample *sample;
	size_t samples;
	bool paced; /* a run on the recording's clock came to its end */
	uint64_t paced_peak, paced_mean, paced_end; /* bytes, of the last such run */
	double behind_s; /* how much later than due a call came, at most */
	uint64_t failed; /* calls that gave no memory, in the last run */
	/* what glibc had obtained at most; 0: another malloc */
	uint64_t glibc_heap_max, glibc_mmap_max;
	/* the file whose malloc was called, as the child saw it */
	char provider[REPLAY_PROVIDER_LEN];
	bool merged; /* no histogram: medians over cells, in the order of native_quantiles */
	double merged_ns[NATIVE_QUANTILES], merged_longest_ns;
};

/* A replay of few calls is over in a millisecond, of which much is chance: a run is then as many as
 * take SHORT_S together, at most SHORT_RUNS, and its time is their median. */
enum { SHORT_RUNS = 15 };
#define SHORT_S 0.2

struct native {
	struct compare compare; /* first: hooks find the rest by it */
	const char *path;       /* of the recording */
	const struct replay_ops *ops;
	enum replay_touch touch;
	bool latency, memory; /* make these runs too */
	double pace; /* also a run this many times as fast as recorded; 0: none */
	const struct sweep_cell *cell; /* of a sweep; NULL: none */
	bool merged; /* put together from cells, not run here */
	struct native_row row[ROWS_MAX];

	/* ---- its own ---- */
	struct replay_result *result;
	int result_fd;
	uint64_t own_bytes;
	enum replay_mode mode;
	double wall_s[SHORT_RUNS], cpu_s[SHORT_RUNS]; /* of the run that counts: of each part */
	size_t parts;
	char word[5][32];
	char *argv[6];
};

enum { LATENCY_RUNS = 3 }; /* at most; their histograms are added up */

/* compare.allocators, .runs, .timeout_s, .warm ... are the caller's. */
void native_run(struct native *n);

/* The latency in ns that the share q (0..1) of all calls of a kind does not exceed; REPLAY_KINDS:
 * of every kind.  NaN: there is none. */
double native_latency(const struct native_row *row, unsigned kind, double q);
double native_longest(const struct native_row *row, unsigned kind);
uint64_t native_count(const struct native_row *row, unsigned kind);
double native_ops_per_s(const struct native *n, const struct row *row);

void native_text(const struct native *n, FILE *out);
/* The members of an open object. */
void native_json(const struct native *n, struct json *j);
/* Rows of a table, which may get those of several recordings. */
void native_csv_begin(struct table *t);
void native_csv_rows(const struct native *n, struct table *t);
/* Resident bytes of every row at `steps` even steps. */
void native_over_time_text(const struct native *n, size_t steps, FILE *out);
void native_over_time_csv(const struct native *n, FILE *out);

#endif
