/* soak.c - runs the spells of the soak one after the other, forks, and takes a sample in every
 * rest.
 *
 *      soak [--hours=H] [--threads=64] [--load=PERCENT] [--spell=SECONDS] [--seed=N]
 *
 * Runs on whatever malloc the process has: `dmm run --system=slab -- soak`.  Exit 1: bytes were
 * lost, a child failed or hung, or RSS grew by a percent an hour or more after the first hour (of a
 * shorter run: after its first third; then only lost bytes and children count, the slope is told).
 */
#include "soak.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES_MAX = 20000, FORK_EVERY_S = 3, CHILD_PATIENCE_S = 120 };
static const double SLOPE_MAX = 1; /* percent an hour */

struct soak soak = {.threads = 64, .seconds = 600, .spell_s = 6, .plateau = 1 << 20, .seed = 1};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A copy of the heap, taken while 64 threads are at it, must work. */
static bool fork_one(void)
{
	const pid_t pid = fork();

	if (pid < 0)
		return true; /* no process to be had is not the heap's fault */
	if (pid == 0) {
		alarm(CHILD_PATIENCE_S);
		_exit(soak_child() ? 0 : 1);
	}
	int status = 0;
	if (waitpid(pid, &status, 0) != pid)
		return false;
	atomic_fetch_add(&soak.forks, 1);
	if (status != 0)
		printf("soak: child %d ended with status %#x%s\n", (int)pid, (unsigned)status,
		    WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": it hung" : "");
	return status == 0;
}

/* One spell to its end, with forks; false: a child failed. */
static bool spell_run(double end)
{
	double next = now() + 1;

	while (now() < end) {
		usleep(100000);
		if (now() < next || atomic_load(&soak.spell) == SPELL_REST)
			continue;
		next = now() + FORK_EVERY_S;
		if (!fork_one())
			return false;
	}
	return true;
}

static void row(const struct sample *s)
{
	printf("%8.3f %10.1f %10.1f %8.2f %7zu %14" PRIu64 " %8" PRIu64 " %8" PRIu64 "\n", s->hours,
	    (double)s->live / 1048576, (double)s->rss / 1048576,
	    s->live != 0 ? (double)s->rss / (double)s->live : 0, s->maps, atomic_load(&soak.ops),
	    atomic_load(&soak.threads_started), atomic_load(&soak.forks));
	fflush(stdout);
}

static bool all_cycles(struct sample *samples, size_t *count)
{
	const double start = now();

	while (now() - start < soak.seconds && *count < SAMPLES_MAX) {
		for (unsigned spell = 0; spell < SPELLS; spell++) {
			atomic_store(&soak.spell, spell);
			if (!spell_run(now() + (spell == SPELL_REST ? 2 * soak.spell_s
			    : soak.spell_s)))
				return false;
			if (atomic_load(&soak.lost))
				return false;
		}
		samples[*count] = sample_take(now() - start);
		row(&samples[(*count)++]);
	}
	return true;
}

static int verdict(const struct sample *samples, size_t count)
{
	const double hours = count != 0 ? samples[count - 1].hours : 0;
	const bool binding = hours >= 1.5;
	const double after = binding ? 1 : hours / 3;
	const double rss = slope_percent(samples, count, after, sample_rss);

	printf("soak: after %.2f hours: RSS %+.3f %%, mappings %+.3f %%, live %+.3f %% an hour "
	    "(from %.2f h on, %s)\n",
	    hours, rss, slope_percent(samples, count, after, sample_maps),
	    slope_percent(samples, count, after, sample_live), after,
	    binding ? "limit 1 %" : "too short to judge by");
	return binding && rss >= SLOPE_MAX;
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *const value = strchr(argv[i], '=');
		const double x = value != NULL ? strtod(value + 1, NULL) : -1;
		if (strncmp(argv[i], "--hours=", 8) == 0 && x > 0)
			soak.seconds = x * 3600;
		else if (strncmp(argv[i], "--threads=", 10) == 0 && x >= 1 && x <= SOAK_THREADS_MAX)
			soak.threads = (unsigned)x;
		else if (strncmp(argv[i], "--load=", 7) == 0 && x >= 0)
			soak.load = (unsigned)x;
		else if (strncmp(argv[i], "--spell=", 8) == 0 && x > 0)
			soak.spell_s = x;
		else if (strncmp(argv[i], "--seed=", 7) == 0 && x >= 0)
			soak.seed = strtoull(value + 1, NULL, 10);
		else {
			fprintf(stderr, "usage: soak [--hours=H] [--threads=1..%d] "
				"[--load=PERCENT] [--spell=SECONDS] [--seed=N]\n",
				    SOAK_THREADS_MAX);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	static struct sample samples[SAMPLES_MAX];
	size_t count = 0;

	parse(argc, argv);
	printf("soak: %u threads, %.2f hours, seed %" PRIu64 "; a row at the end of every rest\n",
	    soak.threads,
	    soak.seconds / 3600, soak.seed);
	printf("   hours   live MiB    RSS MiB RSS/live    maps     operations  threads    "
	    "forks\n");
	fflush(stdout);
	if (!soak_begin()) {
		fprintf(stderr, "soak: no %u threads to be had\n", soak.threads);
		return 1;
	}
	const bool fine = all_cycles(samples, &count);
	if (!fine) {
		printf("soak: FAULT: %s\n", atomic_load(&soak.lost)
		    ? "an object's bytes were changed"
		                                                     : "a child failed");
		fflush(stdout);
		_exit(1);
	}
	soak_end();
	const int r = verdict(samples, count);
	if (atomic_load(&soak.lost)) {
		printf("soak: FAULT: an object's bytes were changed\n");
		return 1;
	}
	return r;
}
