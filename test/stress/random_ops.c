/* random_ops.c - millions of random operations a second against a model, for faults that only a
 * great number of operations shows.
 *
 *      rapid --system=NAME [--ops=N] [--threads=T] [--seed=N] [--ledger=FILE]
 *
 * dmm torture compares heap and shadow after each operation; this compares after each operation
 * what that one operation touched, in constant time, and the whole heap every CHECK_EVERY
 * operations:
 *
 *   claim    a bit for every 16 bytes of address space: who gets bytes that somebody has is caught
 *            (S2)
 *   paint    all usable bytes of small objects, ends and a word a page of large ones, are written
 *            when given and compared before the heap may touch them again (S3), zeroes before that
 *            (S4)
 *   errno, alignment, usable size: S1, S5, S6; refusals of the system by number (one thread only)
 *
 * With threads, objects cross from thread to thread; threads end and start anew in every round.
 */
#include "random_ops.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/lab.h"
#include "os/os.h"
#include "allocators/registry.h"

struct run run;

/* ---- the whole heap, while all threads wait */

struct tally {
	uintptr_t end;
	size_t sum, live;
	bool ordered;
};

static int add_piece(void *arg, const struct dmm_piece *piece)
{
	struct tally *const t = arg;

	t->ordered = t->ordered && piece->addr >= t->end;
	t->end = piece->addr + piece->len;
	t->sum += piece->len;
	t->live += piece->kind == DMM_LIVE;
	return 0;
}

void rapid_check_heap(void)
{
	struct tally t = {.ordered = true};
	struct dmm_fault why = {.rule = "(none named)"};

	if (!heap_check(&run.heap, &why))
		rapid_broken(why.rule, (void *)why.addr, why.found, why.wanted);
	heap_walk(&run.heap, add_piece, &t);
	if (!t.ordered)
		rapid_broken("S7 partition", NULL, t.sum, 0);
	if (run.threads == 1 && t.sum + heap_own_bytes(&run.heap) != run.ram.owned)
		rapid_broken("S7 partition", NULL, t.sum + heap_own_bytes(&run.heap),
		    run.ram.owned);
	if ((run.sys->traits & DMM_FREES) && t.live != rapid_live())
		rapid_broken("S8 live", NULL, t.live, rapid_live());
	run.checks++;
}

void rapid_broken(const char *rule, const void *at, uint64_t found, uint64_t wanted)
{
	fprintf(stderr, "rapid: %s: broken rule '%s' at %p: found %#" PRIx64 ", wanted %#" PRIx64
		" (near operation %" PRIu64 ", %u threads, seed %" PRIu64 ")\n", run.sys->name,
		    rule, at,
	    found, wanted, rapid_done(), run.threads, run.seed);
	_exit(EXIT_FAULT);
}

static void died(int signal)
{
	fprintf(stderr, "rapid: %s: died by signal %d near operation %" PRIu64 ", %u threads, "
	    "seed %" PRIu64
		"\n", run.sys->name, signal, rapid_done(), run.threads, run.seed);
	_exit(EXIT_FAULT);
}

/* ---- epochs: a fresh heap each */

static void epoch_begin(void)
{
	const struct dmm_os *os = &os_linux;
	int r;

	if (run.threads == 1) {
		ram_os_reset(&run.ram);
		os_fault_open(&run.fault, &run.ram.os);
		os = &run.fault.os;
	}
	if ((r = heap_open(&run.heap, run.sys, NULL, os)) != 0)
		lab_die(EXIT_OURS, "%s does not open: %s", run.sys->name, strerror(-r));
}

static void epoch_end(void)
{
	rapid_free_all();
	rapid_check_heap();
	heap_trim(&run.heap, 0);
	rapid_check_heap();
	heap_close(&run.heap);
	if (run.threads == 1 && run.ram.owned != 0)
		rapid_broken("S7 partition", NULL, run.ram.owned, 0);
}

static bool full(void)
{
	return !(run.sys->traits & DMM_FREES) && run.threads == 1 && run.ram.owned > EPOCH_BYTES;
}

static void round_of_threads(uint64_t each)
{
	pthread_t threads[RAPID_THREADS_MAX];

	for (unsigned i = 0; i < run.threads; i++) {
		run.workers[i].left = each;
		if (pthread_create(&threads[i], NULL, rapid_work, &run.workers[i]) != 0)
			lab_die(EXIT_OURS, "no thread to be had");
	}
	for (unsigned i = 0; i < run.threads; i++)
		pthread_join(threads[i], NULL);
}

static void go(void)
{
	while (rapid_done() < run.ops) {
		epoch_begin();
		for (int i = 0; i < EPOCH_ROUNDS && rapid_done() < run.ops && !full(); i++) {
			const uint64_t left = run.ops - rapid_done();
			if (run.threads > 1) {
				round_of_threads(min_size(ROUND_OPS, left / run.threads + 1));
			} else {
				run.workers[0].left = min_size(CHECK_EVERY, left);
				rapid_work(&run.workers[0]);
			}
			rapid_check_heap();
		}
		epoch_end();
	}
}

/* ---- the command */

static void note(double seconds)
{
	const uint64_t done = rapid_done();

	printf("rapid: %-8s %12" PRIu64 " operations, %u threads, seed %" PRIu64 ", %" PRIu64
	       " checks of the whole heap, %" PRIu64 " refused, %.2f M/s: sound\n", run.sys->name,
	       done,
	    run.threads, run.seed, run.checks, rapid_refused(), (double)done / seconds / 1e6);
	FILE *const f = run.ledger != NULL ? fopen(run.ledger, "a") : NULL;
	if (run.ledger != NULL && f == NULL)
		lab_die(EXIT_OURS, "%s: %s", run.ledger, strerror(errno));
	if (f != NULL) {
		fprintf(f, "%s,rapid,%u,%" PRIu64 "\n", run.sys->name, run.threads, done);
		fclose(f);
	}
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void parse(int argc, char **argv)
{
	const char *system = NULL;

	run.ops = 1000000, run.threads = 1, run.seed = (uint64_t)(now() * 1e9);
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--system=", 9) == 0)
			system = argv[i] + 9;
		else if (strncmp(argv[i], "--ops=", 6) == 0)
			run.ops = option_count("ops", argv[i] + 6, 1);
		else if (strncmp(argv[i], "--threads=", 10) == 0)
			run.threads = (unsigned)min_size(option_count("threads", argv[i] + 10, 1),
			    RAPID_THREADS_MAX);
		else if (strncmp(argv[i], "--seed=", 7) == 0)
			run.seed = option_count("seed", argv[i] + 7, 0);
		else if (strncmp(argv[i], "--ledger=", 9) == 0)
			run.ledger = argv[i] + 9;
		else
			system = NULL, i = argc;
	}
	if (system == NULL)
		lab_die(EXIT_USAGE, "usage: rapid --system=NAME [--ops=N] [--threads=1..%d] "
			"[--seed=N] [--ledger=FILE]", RAPID_THREADS_MAX);
	run.sys = registry_choose(system);
}

int main(int argc, char **argv)
{
	static const int caught[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};

	parse(argc, argv);
	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
		signal(caught[i], died);
	if (ram_os_open(&run.ram) != 0 || !rapid_open())
		lab_die(EXIT_OURS, "no address space");
	const double start = now();
	go();
	note(now() - start);
	return EXIT_FINE;
}
