/* storms.c - what shakes a malloc that shares its process with forks, threads, libraries and
 * signals.
 *
 *   LD_PRELOAD=libdmm.so storms NAME [COUNT]
 *
 *   fork     COUNT forks from 8 threads that allocate meanwhile; every child allocates and frees
 *   first    COUNT threads whose first call of malloc races with a fork
 *   atfork   COUNT forks with handlers that allocate, and fork themselves
 *   threads  COUNT threads that come and go, 32 at a time, and free each other's objects
 *   dlopen   COUNT times dlopen and dlclose of a library whose constructors and destructors
 *            allocate
 *   tls      COUNT threads that allocate in their TLS destructors, four rounds deep
 *   statics  objects of static constructors, freed by destructors and at exit
 *   signals  COUNT seconds of signals every 100 us into threads that allocate
 *
 * Prints one line; exits 1 when anything hung, crashed, or found its object changed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1024, CHILD_SECONDS = 120, THREADS = 8 };

struct object {
	size_t n;
	unsigned seed;
	unsigned char bytes[];
};

static _Atomic(struct object *) slots[SLOTS];
static atomic_ulong faults, hangs, done, calls;
static atomic_bool over;
static unsigned long count;

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
	return *state;
}

/* ---- objects that can tell whether they are whole -------------------------------------------- */

static unsigned char byte_of(const struct object *o, size_t i)
{
	return (unsigned char)(o->seed * 31 + i * 7);
}

static struct object *make(uint64_t random)
{
	const size_t n = random % 64 == 0 ? random / 64 % 60000 : random % 400;
	struct object *const o = malloc(sizeof *o + n);

	if (o == NULL) {
		atomic_fetch_add(&faults, 1);
		return NULL;
	}
	o->n = n;
	o->seed = (unsigned)(random >> 20);
	for (size_t i = 0; i < n; i += 1 + n / 64)
		o->bytes[i] = byte_of(o, i);
	return o;
}

static void drop(struct object *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; i < o->n; i += 1 + o->n / 64)
		if (o->bytes[i] != byte_of(o, i)) {
			atomic_fetch_add(&faults, 1);
			break;
		}
	free(o);
}

static void churn(uint64_t *state, unsigned ops)
{
	for (unsigned i = 0; i < ops; i++) {
		const uint64_t random = next(state);
		drop(atomic_exchange(&slots[random % SLOTS], make(random >> 10)));
	}
	atomic_fetch_add(&calls, ops * 2);
}

static void *churn_until_over(void *arg)
{
	uint64_t state = (uintptr_t)arg * 0x9e3779b97f4a7c15 + 1;

	while (!atomic_load(&over))
		churn(&state, 50);
	return NULL;
}

static void *churn_a_little(void *arg)
{
	uint64_t state = (uintptr_t)arg * 0x9e3779b97f4a7c15 + 1;

	churn(&state, 60);
	return NULL;
}

static pthread_t start(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg) != 0) {
		fprintf(stderr, "storms: no thread: %s\n", strerror(errno));
		_exit(1);
	}
	return thread;
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void in_child(uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;

	alarm(CHILD_SECONDS);
	atomic_store(&faults, 0);
	churn(&state, 60);
	if (seed % 32 == 0)
		pthread_join(start(churn_a_little, (void *)(uintptr_t)seed), NULL);
	_exit(atomic_load(&faults) != 0);
}

static void fork_once(uint64_t seed)
{
	int status = 0;
	const pid_t pid = fork();

	if (pid == 0)
		in_child(seed);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		atomic_fetch_add(&faults, 1);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		atomic_fetch_add(&hangs, 1);
	else if (status != 0)
		atomic_fetch_add(&faults, 1);
}

static void *churn_and_fork(void *arg)
{
	uint64_t state = (uintptr_t)arg * 0x9e3779b97f4a7c15 + 1, turn;

	while ((turn = atomic_fetch_add(&done, 1)) < count) {
		churn(&state, 40);
		fork_once(turn);
	}
	return NULL;
}

static void fork_storm(void)
{
	pthread_t thread[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		thread[i] = start(churn_and_fork, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

/* A thread gets its heap at its first call; a child of that moment must not wait for it. */
static void first_storm(void)
{
	enum { AT_ONCE = 4 };
	pthread_t thread[AT_ONCE];

	for (unsigned long turn = 0; turn < count; turn += AT_ONCE) {
		for (uintptr_t i = 0; i < AT_ONCE; i++)
			thread[i] = start(churn_a_little, (void *)(turn + i));
		fork_once(turn);
		for (int i = 0; i < AT_ONCE; i++)
			pthread_join(thread[i], NULL);
	}
}

static __thread int inside;

static void handler_work(int forks)
{
	uint64_t state = (uint64_t)getpid() + 77;

	if (inside++ == 0) {
		churn(&state, 5);
		if (forks) {
			int status;
			const pid_t pid = fork();
			if (pid == 0) {
				alarm(CHILD_SECONDS);
				churn(&state, 20);
				_exit(0);
			}
			if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
				atomic_fetch_add(&faults, 1);
		}
	}
	inside--;
}

static void at_prepare(void)
{
	handler_work(1);
}

static void at_parent(void)
{
	handler_work(1);
}

static void at_child(void)
{
	alarm(CHILD_SECONDS);
	handler_work(1);
}

static void atfork_storm(void)
{
	pthread_t thread[3];

	pthread_atfork(at_prepare, at_parent, at_child);
	for (uintptr_t i = 0; i < 3; i++)
		thread[i] = start(churn_until_over, (void *)(i + 1));
	for (unsigned long turn = 0; turn < count; turn++)
		fork_once(turn);
	atomic_store(&over, true);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
}

/* ---- threads, libraries, destructors --------------------------------------------------------- */

static void threads_storm(void)
{
	enum { AT_ONCE = 32 };
	pthread_t thread[AT_ONCE];

	for (unsigned long turn = 0; turn < count; turn++) {
		if (turn >= AT_ONCE)
			pthread_join(thread[turn % AT_ONCE], NULL);
		thread[turn % AT_ONCE] = start(churn_a_little, (void *)turn);
	}
	for (unsigned long turn = 0; turn < AT_ONCE && turn < count; turn++)
		pthread_join(thread[turn], NULL);
}

static void *load_and_unload(void *arg)
{
	while (atomic_fetch_add(&done, 1) < count) {
		void *const plugin = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
		int (*words)(void) = NULL;
		if (plugin != NULL)
			*(void **)&words = dlsym(plugin, "plugin_words");
		if (words == NULL || words() != 1000 || dlclose(plugin) != 0)
			atomic_fetch_add(&faults, 1);
	}
	return arg;
}

static void dlopen_storm(void)
{
	const pthread_t beside = start(churn_until_over, (void *)1);
	const pthread_t other = start(load_and_unload, NULL);

	load_and_unload(NULL);
	pthread_join(other, NULL);
	atomic_store(&over, true);
	pthread_join(beside, NULL);
}

enum { ROUNDS = 4 }; /* PTHREAD_DESTRUCTOR_ITERATIONS */
static pthread_key_t keys[8];
static __thread unsigned rounds[8];
static atomic_ulong deepest;

/* Frees what the last round left, leaves something for the next. */
static void at_thread_end(void *value)
{
	const unsigned key = ((struct object *)value)->seed % 8;
	uint64_t state = (uintptr_t)value;

	drop(value);
	churn(&state, 10);
	if (++rounds[key] >= ROUNDS) {
		atomic_fetch_add(&deepest, 1);
		return;
	}
	struct object *const again = make((uint64_t)key << 20 | 128 | (next(&state) & 63));
	pthread_setspecific(keys[key], again);
}

static void *leave_to_destructors(void *arg)
{
	uint64_t state = (uintptr_t)arg * 77 + 1;

	for (uint64_t key = 0; key < 8; key++)
		pthread_setspecific(keys[key], make(key << 20 | (next(&state) & 255)));
	churn(&state, 10);
	return NULL;
}

static void tls_storm(void)
{
	for (int i = 0; i < 8; i++)
		if (pthread_key_create(&keys[i], at_thread_end) != 0)
			atomic_fetch_add(&faults, 1);
	for (unsigned long turn = 0; turn < count; turn += 4) {
		pthread_t thread[4];
		for (uintptr_t i = 0; i < 4; i++)
			thread[i] = start(leave_to_destructors, (void *)(turn + i));
		for (int i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
	}
	/* every key of every thread, four deep */
	if (atomic_load(&deepest) != (count + 3) / 4 * 4 * 8)
		atomic_fetch_add(&faults, 1);
}

/* ---- before and after main ------------------------------------------------------------------- */

enum { STATICS = 500 };
static struct object *before_main[STATICS];
static atomic_bool statics_wanted;

/* Threads, and a fork, before anybody's main: the malloc must be guarded by then. */
__attribute__((constructor(101))) static void earliest(void)
{
	uint64_t state = 4711;
	const pthread_t thread = start(churn_a_little, (void *)5);

	for (int i = 0; i < STATICS; i++)
		before_main[i] = make(next(&state));
	fork_once(64);
	pthread_join(thread, NULL);
}

__attribute__((destructor(101))) static void latest(void)
{
	uint64_t state = 4712;

	if (!atomic_load(&statics_wanted))
		return;
	for (int i = 0; i < STATICS; i++) {
		drop(before_main[i]);
		drop(make(next(&state)));
	}
	if (atomic_load(&faults) != 0)
		_exit(1);
}

static void statics_storm(void)
{
	for (int i = 0; i < STATICS; i += 2) {
		drop(before_main[i]);
		before_main[i] = make((uint64_t)i * 77777);
	}
	atomic_store(&statics_wanted, true);
}

/* ---- signals --------------------------------------------------------------------------------- */

static atomic_ulong signals;

/* Interrupts malloc anywhere, stays for a while, lets others run, changes errno: and allocates
 * nothing. */
static void on_signal(int number)
{
	const int saved = errno;

	(void)number;
	if (atomic_fetch_add(&signals, 1) % 8 == 0)
		sched_yield();
	errno = saved;
}

static void signals_storm(void)
{
	pthread_t thread[4];
	const struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	const struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
	struct timespec now;

	sigaction(SIGPROF, &act, NULL);
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (uintptr_t i = 0; i < 4; i++)
		thread[i] = start(churn_until_over, (void *)(i + 1));
	clock_gettime(CLOCK_MONOTONIC, &now);
	const time_t end = now.tv_sec + (time_t)count;
	while (clock_gettime(CLOCK_MONOTONIC, &now), now.tv_sec < end) {
		for (int i = 0; i < 4; i++)
			pthread_kill(thread[i], SIGUSR1);
		nanosleep(&(struct timespec){0, 100000}, NULL);
	}
	atomic_store(&over, true);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	setitimer(ITIMER_REAL, &never, NULL);
}

/* ---- the command ----------------------------------------------------------------------------- */

static const struct storm {
	const char *name;
	void (*run)(void);
	unsigned long count;
	const char *what;
} storm[] = {
    {"fork", fork_storm, 100000, "forks from 8 allocating threads"},
    {"first", first_storm, 10000, "first calls of threads racing forks"},
    {"atfork", atfork_storm, 2000, "forks with handlers that fork"},
    {"threads", threads_storm, 10000, "threads"},
    {"dlopen", dlopen_storm, 10000, "dlopen and dlclose"},
    {"tls", tls_storm, 10000, "threads that allocate in TLS destructors, four rounds deep"},
    {"statics", statics_storm, 1, "round of static constructors and destructors"},
    {"signals", signals_storm, 30, "seconds of signals every 100 us"},
};

static void *watch(void *arg)
{
	const unsigned long seconds = 120 + count / 10;
	sigset_t all;

	sigfillset(&all); /* a signal would end the sleep */
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	sleep((unsigned)seconds);
	dprintf(STDERR_FILENO, "storms: %s hangs: not done after %lu s\n", (const char *)arg,
	    seconds);
	_exit(1);
}

static double seconds_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) * 1e-9;
}

int main(int argc, char **argv)
{
	const struct storm *s = NULL;
	struct timespec from;

	for (size_t i = 0; i < sizeof storm / sizeof *storm && argc > 1; i++)
		if (strcmp(storm[i].name, argv[1]) == 0)
			s = &storm[i];
	if (s == NULL) {
		fprintf(stderr, "usage: storms "
		    "fork|first|atfork|threads|dlopen|tls|statics|signals [COUNT]\n");
		return 2;
	}
	count = argc > 2 ? strtoul(argv[2], NULL, 10) : s->count;
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	clock_gettime(CLOCK_MONOTONIC, &from);
	pthread_detach(start(watch, argv[1]));
	s->run();
	printf("%-8s %7lu %s: %lu hangs, %lu faults, %lu calls in the parent, %.1f s\n", s->name,
	    count,
	    s->what, atomic_load(&hangs), atomic_load(&faults), atomic_load(&calls),
	    seconds_since(&from));
	if (atomic_load(&signals) != 0)
		printf("         %lu signals\n", atomic_load(&signals));
	return atomic_load(&hangs) != 0 || atomic_load(&faults) != 0;
}
