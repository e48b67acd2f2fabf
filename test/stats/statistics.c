/* statistics.c - dmm_stats() asked by the program whose heap it is, preloaded with libdmm.so:
 *
 *   statistics exact     what a program allocates and frees changes the figures by just that
 *   statistics storm     12 threads allocate while the figures are read 1,000 times a second
 *   statistics hold N    says "held", lives for N tenths of a second or until SIGTERM, then ends in
 *                        order
 *   statistics fork      its child allocates and ends in order
 */
#include "dmm_stats.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXPECT(cond)                                                                               \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

enum { THREADS = 12, READS = 400, HELD = 200, MANY = 5000 };

/* These rules always hold: the sums, and no figure that is negative, which would be huge. */
static void must_add_up(const struct dmm_stats *s)
{
	uint64_t bytes = s->large_bytes + s->guarded_bytes;
	uint64_t objects = s->large_objects + s->guarded_objects;

	for (size_t i = 0; i < s->class_count; i++) {
		bytes += s->classes[i].live_objects * s->classes[i].object_bytes;
		objects += s->classes[i].live_objects;
		EXPECT(s->classes[i].slabs < 1 << 20 && s->classes[i].free_objects < 1ul << 32);
	}
	EXPECT(bytes == s->live_bytes && objects == s->live_objects);
	EXPECT(s->mapped_bytes == s->live_bytes + s->free_bytes + s->lost_bytes + s->tables_bytes);
	EXPECT(s->mapped_bytes < 1ul << 36 && s->dirty_bytes < 1ul << 36);
	EXPECT(s->class_count > 30 && s->class_count <= DMM_STATS_CLASSES);
}

static struct dmm_stats look(void)
{
	struct dmm_stats s;

	EXPECT(dmm_stats != NULL && dmm_stats(&s, sizeof s) == 0);
	must_add_up(&s);
	return s;
}

static uint64_t live_of(const struct dmm_stats *s, uint64_t object_bytes)
{
	for (size_t i = 0; i < s->class_count; i++)
		if (s->classes[i].object_bytes == object_bytes && i != 0)
			return s->classes[i].live_objects;
	return UINT64_MAX;
}

static void exact(void)
{
	static void *held[MANY];
	const struct dmm_stats before = look();

	for (int i = 0; i < MANY; i++)
		held[i] = malloc(48);
	void *const large = malloc(1 << 20);
	const struct dmm_stats full = look();
	EXPECT(live_of(&full, 48) == live_of(&before, 48) + MANY);
	EXPECT(full.live_objects == before.live_objects + MANY + 1);
	EXPECT(full.large_objects == before.large_objects + 1);
	EXPECT(full.large_bytes == before.large_bytes + (1 << 20));
	EXPECT(full.live_bytes == before.live_bytes + 48 * MANY + (1 << 20));
	EXPECT(full.live_bytes == (uint64_t)mallinfo2().uordblks - full.lost_bytes);
	for (int i = 0; i < MANY; i++)
		free(held[i]);
	free(large);
	malloc_trim(0);
	const struct dmm_stats after = look();
	EXPECT(after.live_objects == before.live_objects && after.live_bytes == before.live_bytes);
	EXPECT(after.purges + after.unmaps > before.purges + before.unmaps);
	EXPECT(after.maps >= before.maps && after.maps > 0);
}

/* A program of an older header, and one of a newer. */
static void sizes(void)
{
	struct {
		struct dmm_stats s;
		char more[64];
	} newer;
	struct dmm_stats s = look();

	memset(&newer, 0xff, sizeof newer);
	EXPECT(dmm_stats(&newer.s, sizeof newer) == 0 && newer.more[0] == 0 && newer.more[63] == 0);
	s.live_bytes = 7;
	EXPECT(dmm_stats(&s, offsetof(struct dmm_stats, live_bytes)) == 0 && s.live_bytes == 7);
	EXPECT(dmm_stats_write(1, (enum dmm_stats_format)77) == -1);
	EXPECT(dmm_stats_write(-1, DMM_STATS_JSON) == -1);
}

static atomic_bool stop;

static void *hammer(void *arg)
{
	void *held[HELD] = {0};
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!stop) {
		const int i = rand_r(&seed) % HELD, way = rand_r(&seed) % 1000;
		free(held[i]);
		held[i] = malloc(way == 0 ? (size_t)200000 : (size_t)(rand_r(&seed) % 3000));
	}
	for (int i = 0; i < HELD; i++)
		free(held[i]);
	return NULL;
}

/* The rows of threads, in one look with the classes. */
static struct dmm_stats look_at_threads(bool enough_room)
{
	static struct dmm_thread_stats rows[64];
	struct dmm_stats s;
	uint64_t slabs = 0, live = 0, objects = 0, free_objects = 0;

	const size_t room = enough_room ? 64 : 2;
	EXPECT(dmm_stats_threads != NULL);
	const size_t all = dmm_stats_threads(&s, sizeof s, rows, room);
	must_add_up(&s);
	EXPECT(all >= 3 && all <= 64);
	for (size_t i = 0; i < (all < room ? all : room); i++) {
		slabs += rows[i].slabs;
		live += rows[i].live_bytes;
		objects += rows[i].live_objects;
		free_objects += rows[i].free_objects;
		EXPECT(rows[i].free_bytes < 1ul << 36);
	}
	EXPECT(live == s.live_bytes - s.large_bytes - s.guarded_bytes);
	EXPECT(objects == s.live_objects - s.large_objects - s.guarded_objects);
	for (size_t i = 0; i < s.class_count; i++) {
		slabs -= s.classes[i].slabs;
		free_objects -= s.classes[i].free_objects;
	}
	EXPECT(slabs == 0 && free_objects == 0);
	return s;
}

/* Of the row with this thread's pointer. */
static uint64_t live_of_thread(void)
{
	struct dmm_thread_stats rows[64];
	struct dmm_stats s;
	const size_t all = dmm_stats_threads(&s, sizeof s, rows, 64);

	for (size_t i = 0; i < all && i < 64; i++)
		if (rows[i].thread == (uintptr_t)__builtin_thread_pointer())
			return rows[i].live_objects;
	return UINT64_MAX;
}

static void threads(void)
{
	static void *held[MANY];
	const uint64_t before = live_of_thread();

	EXPECT(before != UINT64_MAX);
	for (int i = 0; i < MANY; i++)
		held[i] = malloc(48);
	EXPECT(live_of_thread() == before + MANY);
	look_at_threads(true);
	look_at_threads(false);
	for (int i = 0; i < MANY; i++)
		free(held[i]);
	EXPECT(live_of_thread() == before);
}

static void storm(void)
{
	const struct dmm_stats before = look();
	struct dmm_stats last = before;
	pthread_t thread[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		EXPECT(pthread_create(&thread[i], NULL, hammer, (void *)i) == 0);
	for (int i = 0; i < READS; i++) {
		const struct dmm_stats now = i % 2 == 0 ? look() : look_at_threads(i % 4 == 1);
		EXPECT(now.purges >= last.purges && now.maps >= last.maps &&
		       now.purged_bytes >= last.purged_bytes);
		EXPECT(now.live_objects <= before.live_objects + THREADS * (HELD + 2) + 1000);
		last = now;
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	const struct dmm_stats after = look();
	EXPECT(after.live_objects <= before.live_objects + 2 * THREADS);
}

static volatile sig_atomic_t told_to_end;

static void end_soon(int number)
{
	(void)number;
	told_to_end = 1;
}

int main(int argc, char **argv)
{
	const char *const what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "exact") == 0) {
		exact();
		sizes();
		threads();
	} else if (strcmp(what, "storm") == 0) {
		storm();
	} else if (strcmp(what, "hold") == 0) {
		void *volatile held = malloc(123456);
		signal(SIGTERM, end_soon);
		puts("held");
		fflush(stdout);
		for (int left = atoi(argv[2]); left > 0 && !told_to_end; left--)
			while (nanosleep(&(struct timespec){0, 100000000}, NULL) != 0 &&
			       !told_to_end)
				;
		free(held);
	} else if (strcmp(what, "fork") == 0) {
		const pid_t pid = fork();
		void *volatile held = malloc(1000);
		free(held);
		EXPECT(pid == 0 || waitpid(pid, NULL, 0) == pid);
	} else {
		return 2;
	}
	return 0;
}
