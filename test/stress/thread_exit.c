/* thread_exit.c - objects outlive their threads, and slabs go from heap to heap while others free
 * into them.
 *
 *   LD_PRELOAD=libdmm.so heirs [SECONDS] [SEED]
 *
 *   heirs     own an array; each replaces some objects at random, leaves all to its successor, and
 *             ends (as in larson): what it frees is mostly of heaps without a thread
 *   makers    fill batches and put them on a heap of batches; breakers take and free (as in
 *             xmalloc)
 *   bursts    of threads that leave a table full of objects and end at once: heaps that nobody
 *             needs yet, of which the others take slab after slab
 *   passers   replace objects of that table
 *
 * Every object is painted when made, and compared before it is freed.  Prints one line; exits 1
 * when an object had changed; the malloc ends the program when it takes a good pointer for a bad
 * one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HEIRS = 4, LEGACY = 600, TABLE = 8192, BURST = 24, BATCH = 120, BATCHES = 64, MAKERS = 2,
    PASSERS = 2 };

struct object {
	uint32_t n, seed;
	unsigned char bytes[];
};

struct batch {
	struct object *object[BATCH];
};

static _Atomic(struct object *) table[TABLE];
static _Atomic(struct batch *) batches[BATCHES];
static struct object *legacy[HEIRS][LEGACY];
static atomic_bool over;
static atomic_ulong changed, made, threads;
static uint64_t seed;

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
	return *state;
}

static uint64_t state_of(uintptr_t thread)
{
	return (seed + thread) * 0x9e3779b97f4a7c15 | 1;
}

/* Few classes, so that many look for a slab of the same; the last two in slabs of more than one
 * granule. */
static struct object *make(uint64_t random)
{
	static const uint32_t sizes[] = {16, 16, 48, 48, 200, 200, 1000, 2500, 5000};
	const uint32_t n = sizes[random % (sizeof sizes / sizeof *sizes)] -
	    (uint32_t)sizeof(struct object);
	struct object *const o = malloc(sizeof *o + n);

	if (o == NULL) {
		fprintf(stderr, "heirs: no memory for %u bytes\n", n);
		_exit(1);
	}
	o->n = n;
	o->seed = (uint32_t)(random >> 32);
	memset(o->bytes, (int)o->seed, n);
	atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
	return o;
}

static void drop(struct object *o)
{
	if (o == NULL)
		return;
	for (uint32_t i = 0; i < o->n; i += 1 + o->n / 64)
		if (o->bytes[i] != (unsigned char)o->seed) {
			atomic_fetch_add(&changed, 1);
			break;
		}
	free(o);
}

static pthread_t start(void *(*run)(void *), uintptr_t arg)
{
	pthread_t thread;
	const int error = pthread_create(&thread, NULL, run, (void *)arg);

	if (error != 0) {
		fprintf(stderr, "heirs: no thread: %s\n", strerror(error));
		_exit(1);
	}
	atomic_fetch_add(&threads, 1);
	return thread;
}

/* ---- heirs */

static void *heir(void *arg)
{
	uint64_t state = state_of(atomic_load(&threads) * 64 + (uintptr_t)arg);
	struct object **const mine = legacy[(uintptr_t)arg];

	for (int i = 0; i < 2000; i++) {
		const uint64_t random = next(&state);
		drop(mine[random % LEGACY]);
		mine[random % LEGACY] = make(random >> 10);
	}
	return NULL;
}

static void *line_of_heirs(void *arg)
{
	while (!atomic_load(&over))
		pthread_join(start(heir, (uintptr_t)arg), NULL);
	return NULL;
}

/* ---- makers and breakers */

static void *maker(void *arg)
{
	uint64_t state = state_of(1000 + (uintptr_t)arg);

	while (!atomic_load(&over)) {
		struct batch *b = malloc(sizeof *b);
		if (b == NULL)
			_exit(1);
		for (int i = 0; i < BATCH; i++)
			b->object[i] = make(next(&state) >> 10);
		while (b != NULL && !atomic_load(&over))
			/* another's comes back: pass it on */
			b = atomic_exchange(&batches[next(&state) % BATCHES], b);
		for (int i = 0; b != NULL && i < BATCH; i++)
			drop(b->object[i]);
		free(b);
	}
	return NULL;
}

static void *breaker(void *arg)
{
	uint64_t state = state_of(2000 + (uintptr_t)arg);

	while (!atomic_load(&over)) {
		struct batch *const b = atomic_exchange(&batches[next(&state) % BATCHES], NULL);
		for (int i = 0; b != NULL && i < BATCH; i++)
			drop(b->object[i]);
		free(b);
	}
	return NULL;
}

/* ---- bursts, and who passes by */

static void *leave(void *arg)
{
	uint64_t state = state_of(atomic_load(&threads) * 64 + (uintptr_t)arg);

	for (int i = 0; i < 400; i++) {
		const uint64_t random = next(&state);
		drop(atomic_exchange(&table[random % TABLE], make(random >> 20)));
	}
	return NULL;
}

static void *bursts(void *arg)
{
	pthread_t thread[BURST];

	while (!atomic_load(&over)) {
		for (uintptr_t i = 0; i < BURST; i++)
			thread[i] = start(leave, i);
		for (int i = 0; i < BURST; i++)
			pthread_join(thread[i], NULL);
		/* their heaps have no thread meanwhile */
		nanosleep(&(struct timespec){0, 3000000}, NULL);
	}
	return arg;
}

static void *passer(void *arg)
{
	uint64_t state = state_of(3000 + (uintptr_t)arg);

	while (!atomic_load(&over)) {
		const uint64_t random = next(&state);
		struct object *const o = random % 8 == 0 ? NULL : make(random >> 20);
		drop(atomic_exchange(&table[random % TABLE], o));
	}
	return NULL;
}

static void drop_all(void)
{
	for (int i = 0; i < HEIRS; i++)
		for (int k = 0; k < LEGACY; k++)
			drop(legacy[i][k]);
	for (int i = 0; i < TABLE; i++)
		drop(table[i]);
	for (int i = 0; i < BATCHES; i++) {
		for (int k = 0; batches[i] != NULL && k < BATCH; k++)
			drop(batches[i]->object[k]);
		free(batches[i]);
	}
}

int main(int argc, char **argv)
{
	const double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
	pthread_t thread[HEIRS + 2 * MAKERS + PASSERS + 1];
	size_t n = 0;

	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
	alarm((unsigned)seconds + 120);
	for (uintptr_t i = 0; i < HEIRS; i++)
		thread[n++] = start(line_of_heirs, i);
	for (uintptr_t i = 0; i < MAKERS; i++) {
		thread[n++] = start(maker, i);
		thread[n++] = start(breaker, i);
	}
	for (uintptr_t i = 0; i < PASSERS; i++)
		thread[n++] = start(passer, i);
	thread[n++] = start(bursts, 0);
	nanosleep(&(struct timespec){(time_t)seconds,
	    (long)((seconds - (double)(time_t)seconds) * 1e9)}, NULL);
	atomic_store(&over, true);
	for (size_t i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	drop_all();
	printf("heirs: %lu threads, %lu objects, %lu changed, seed %llu\n", atomic_load(&threads),
	    atomic_load(&made), atomic_load(&changed), (unsigned long long)seed);
	return atomic_load(&changed) != 0;
}
