/* main.c - dmm-replayer: makes the calls of a recording under the malloc that is loaded.
 *
 * usage: dmm-replayer MODE TOUCH OPS-FD RESULT-FD; dmm replay starts it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/ticks.h"
#include "replay/replayer/private.h"

enum { POPULATE_MAX = 1 << 30 };

static void map_input(char **argv)
{
	const int ops = atoi(argv[3]), result = atoi(argv[4]);

	replay.mode = (enum replay_mode)atoi(argv[1]);
	replay.touch = (enum replay_touch)atoi(argv[2]);
	errno = 0;
	if (!replay_ops_map(&replay.ops, ops))
		self_die(
		    "its first descriptor is no file of calls; dmm replay starts this program");
	if (!replay_ops_whole(&replay.ops))
		self_die("no address space for the calls");
	replay.result = mmap(NULL, sizeof *replay.result, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_POPULATE, result, 0);
	if (replay.result == MAP_FAILED || replay.result->magic != REPLAY_MAGIC)
		self_die("its second descriptor is no file for results");
	if (replay.ops.head->len < POPULATE_MAX) /* else by faults, while it runs */
		madvise(replay.ops.whole_map.at, replay.ops.whole_map.len, MADV_POPULATE_READ);
}

/* Should memory run out, it is this process that has too much. */
static void volunteer(void)
{
	const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1000", 4) != 4)
		errno = 0;
	close(fd);
}

static void name_provider(void)
{
	Dl_info who;

	if (dladdr((const void *)&malloc, &who) == 0)
		return;
	const size_t n = strnlen(who.dli_fname, REPLAY_PROVIDER_LEN - 1);
	memcpy(replay.result->provider, who.dli_fname, n);
}

/* How long a tick is, and how long it takes to read two. */
static void calibrate(void)
{
	enum { ROUNDS = 10000, CALIBRATE_NS = 20000000 };
	const uint64_t ns = clock_ns(CLOCK_MONOTONIC), began = os_ticks();

	replay.clock_cost = UINT64_MAX;
	for (int i = 0; i < ROUNDS; i++) {
#if defined(__x86_64__)
		__builtin_ia32_lfence();
		const uint64_t a = os_ticks();
		__builtin_ia32_lfence();
		__builtin_ia32_lfence();
		const uint64_t b = os_ticks();
#else
		const uint64_t a = os_ticks(), b = os_ticks();
#endif
		if (b - a < replay.clock_cost)
			replay.clock_cost = b - a;
	}
	while (clock_ns(CLOCK_MONOTONIC) - ns < CALIBRATE_NS)
		;
	replay.result->ns_per_tick = (double)(clock_ns(CLOCK_MONOTONIC) - ns) /
	    (double)(os_ticks() - began);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fputs("dmm-replayer: dmm replay starts this program\n", stderr);
		return 2;
	}
	volunteer();
	map_input(argv);
	name_provider();
	calls_find();
	run_prepare();
	if (replay.mode == REPLAY_LATENCY)
		calibrate();
	self_start();
	if (replay.mode == REPLAY_PACE)
		pace_begin();
	run_all();
	if (replay.mode == REPLAY_PACE)
		pace_end();
	self_stop();
	if (replay.mode == REPLAY_MEMORY)
		run_sample(replay.ops.head->count);
	self_ask_glibc();
	replay.result->done = 1;
	_exit(0);
}
