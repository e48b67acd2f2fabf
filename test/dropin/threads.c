/* threads.c - 1, 2, 8 and 64 threads on one heap, that fork, come and go. */
#include "dropin.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 512, OPS = 400000, THREADS_MAX = 64 };

/* An object knows its size and seed, so that whoever frees it can see whether it is whole. */
struct object {
	size_t n;
	unsigned seed;
	unsigned char bytes[];
};

static _Atomic(struct object *) slots[SLOTS];
static atomic_uint broken;

static struct object *make(uint64_t random)
{
	const size_t n = random % 100 < 97 ? random % 300 : random % 20000;
	struct object *const o = malloc(sizeof *o + n);

	if (o == NULL)
		return NULL;
	o->n = n;
	o->seed = (unsigned)random;
	fill(o->bytes, n, o->seed);
	return o;
}

static void drop(struct object *o)
{
	if (o != NULL && !is_filled(o->bytes, o->n, o->seed))
		atomic_fetch_add(&broken, 1);
	free(o);
}

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
	return *state;
}

struct churn {
	uint64_t seed;
	unsigned ops;
};

/* Swap a new object into a shared slot, and free whatever whoever left there. */
static void *churn(void *arg)
{
	const struct churn *const c = arg;
	uint64_t state = c->seed;

	for (unsigned i = 0; i < c->ops; i++) {
		const uint64_t random = next(&state);
		drop(atomic_exchange(&slots[random % SLOTS], make(random >> 10)));
	}
	return NULL;
}

static void churn_with(unsigned threads)
{
	pthread_t thread[THREADS_MAX];
	struct churn work[THREADS_MAX];
	/* A design that never frees would hold every object. */
	const unsigned ops = is_vm ? OPS / 20 : traits & DMM_FREES ? OPS : OPS / 4;

	for (unsigned i = 0; i < threads; i++) {
		work[i] = (struct churn){0x9e3779b97f4a7c15u * (i + 1), ops / threads};
		EXPECT(pthread_create(&thread[i], NULL, churn, &work[i]) == 0);
	}
	for (unsigned i = 0; i < threads; i++)
		EXPECT(pthread_join(thread[i], NULL) == 0);
	for (unsigned i = 0; i < SLOTS; i++)
		drop(atomic_exchange(&slots[i], NULL));
	EXPECT(broken == 0);
}

TEST(one_thread_frees_what_it_allocated)
{
	churn_with(1);
}

TEST(two_threads_free_each_others_objects)
{
	churn_with(2);
}

TEST(eight_threads_free_each_others_objects)
{
	churn_with(8);
}

TEST(sixty_four_threads_free_each_others_objects)
{
	churn_with(64);
}

TEST(a_thousand_threads_come_and_go)
{
	pthread_t thread[8];
	struct churn work = {12345, 20};

	for (int round = 0; round < 125; round++) {
		for (int i = 0; i < 8; i++)
			EXPECT(pthread_create(&thread[i], NULL, churn, &work) == 0);
		for (int i = 0; i < 8; i++)
			pthread_join(thread[i], NULL);
	}
	EXPECT(broken == 0);
}

/* ---- thread-specific data: destructors run when the thread is almost gone -------------------- */

static pthread_key_t key;
static atomic_uint destroyed;

static void destroy(void *value)
{
	struct object *const o = make(700 + (uintptr_t)value % 100);

	drop(value);
	drop(make(50));
	if (atomic_fetch_add(&destroyed, 1) % 3 != 0)
		pthread_setspecific(key, o); /* once more: glibc tries 4 times */
	else
		drop(o);
}

static void *with_specific(void *arg)
{
	pthread_setspecific(key, make((uintptr_t)arg));
	return NULL;
}

TEST(destructors_of_thread_specific_data_allocate_and_free)
{
	pthread_t thread[4];

	EXPECT(pthread_key_create(&key, destroy) == 0);
	for (unsigned round = 0; round < 100; round++) {
		for (uintptr_t i = 0; i < 4; i++)
			EXPECT(pthread_create(&thread[i], NULL, with_specific,
			    (void *)(i * 91 + round)) == 0);
		for (int i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
	}
	EXPECT(destroyed >= 400 && broken == 0);
}

/* ---- fork ------------------------------------------------------------------------------------ */

enum { STORM_FORKS = 60, CHILD_SECONDS = 120 };

static atomic_bool over;

static void *churn_until_over(void *arg)
{
	uint64_t state = (uintptr_t)arg;

	while (!atomic_load(&over)) {
		const uint64_t random = next(&state);
		drop(atomic_exchange(&slots[random % SLOTS], make(random >> 10)));
	}
	return NULL;
}

/* A stream of the program's own, which allocates while it writes. */
static ssize_t write_to_heap(void *cookie, const char *text, size_t n)
{
	(void)cookie;
	char *const copy = malloc(n + 1);
	memcpy(copy, text, n);
	free(copy);
	return (ssize_t)n;
}

/* fflush(NULL) holds stdio's list of streams while it writes them out. */
static void *flush_until_over(void *arg)
{
	FILE *const out = fopencookie(arg, "w", (cookie_io_functions_t){.write = write_to_heap});

	while (!atomic_load(&over)) {
		fputs("some words", out);
		fflush(NULL);
	}
	fclose(out);
	return NULL;
}

static void child(unsigned round)
{
	uint64_t state = round + 1;

	alarm(CHILD_SECONDS); /* a heap that is locked forever */
	for (int i = 0; i < 100; i++) {
		const uint64_t random = next(&state);
		drop(atomic_exchange(&slots[random % SLOTS], make(random >> 10)));
	}
	free(realloc(malloc(100), 10000));
	if (round % 10 == 0) { /* a thread of the child's own */
		pthread_t thread;
		struct churn work = {round + 1, 100};
		if (pthread_create(&thread, NULL, churn, &work) != 0)
			_exit(1);
		pthread_join(thread, NULL);
	}
	if (round % 2 == 0)
		exit(broken != 0);
	_exit(broken != 0);
}

static void *fork_often(void *arg)
{
	(void)arg;
	for (unsigned round = 0; round < STORM_FORKS; round++) {
		int status;
		const pid_t pid = fork();
		if (pid == 0)
			child(round);
		EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid);
		EXPECT(status == 0);
	}
	return NULL;
}

static void storm(unsigned churners, unsigned flushers, unsigned forkers)
{
	pthread_t thread[16];
	unsigned n = 0;

	for (uintptr_t i = 0; i < churners; i++)
		EXPECT(pthread_create(&thread[n++], NULL, churn_until_over, (void *)(i + 1)) == 0);
	for (unsigned i = 0; i < flushers; i++)
		EXPECT(pthread_create(&thread[n++], NULL, flush_until_over, NULL) == 0);
	for (unsigned i = 0; i < forkers; i++)
		EXPECT(pthread_create(&thread[n++], NULL, fork_often, NULL) == 0);
	while (n > churners + flushers)
		pthread_join(thread[--n], NULL);
	atomic_store(&over, true);
	while (n > 0)
		pthread_join(thread[--n], NULL);
	EXPECT(broken == 0);
}

TEST(children_of_a_churning_parent_find_a_whole_heap)
{
	storm(3, 0, 1);
}

TEST(two_threads_fork_at_once_while_others_churn)
{
	storm(2, 0, 2);
}

/* musl's fork() takes the lock of its list of streams after our handler took the heap's, and
 * exports nothing that takes it before: docs/manual/platforms.md names this limit. */
TEST(fork_does_not_deadlock_with_a_flush_of_all_streams)
{
	skip_on_musl();
	storm(0, 2, 1);
}
