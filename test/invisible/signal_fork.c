/* signal_fork.c - fork() in a signal handler that interrupts malloc.
 *
 *   LD_PRELOAD=libdmm.so signal_fork none|joined|idle|trim [FORKS]
 *
 *   none    the program never has a second thread: glibc promises that this works (its
 *           tst-mallocfork2)
 *   joined  it had threads, which have ended
 *   idle    it has a thread that sleeps
 *   trim    the thread that sleeps has objects of which main freed every other one, and main trims
 *           all the time
 *
 * A process sends signals; main allocates and frees all the time.  The handler forks.  Every other
 * child ends in the handler; the rest return from it, so that the interrupted call goes on,
 * allocate for a while, check all bytes, and end.  Prints one line; exits 1 when a child hung
 * (SIGALRM), crashed, or found an object changed.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OBJECTS = 300, GIVEN = 1 << 16, CHILD_ROUNDS = 3, HANG_SECONDS = 60 };

static struct shared {
	atomic_ulong handled; /* signals, by the program; the sender waits for it */
} *shared;

static volatile unsigned long forks, hangs, faults; /* the handler changes them */
static unsigned long wanted;
static volatile sig_atomic_t rounds_left = -1; /* of a child that goes on */
static unsigned char *object[OBJECTS];
static bool trims;
static void *given[GIVEN];
static pthread_barrier_t sleeps;
static size_t size[OBJECTS];
static unsigned long long state = 88172645463325252u;

static unsigned long long next(void)
{
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return state;
}

static void count_child(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		hangs++;
	else if (status != 0)
		faults++;
}

static void on_signal(int number)
{
	const int saved = errno;
	const unsigned long turn = forks;

	(void)number;
	if (rounds_left >= 0)
		return;
	alarm(2 * HANG_SECONDS); /* a hang of the parent itself ends it: a child's ends first */
	const pid_t pid = fork();
	if (pid == 0) {
		signal(SIGUSR1, SIG_IGN);
		alarm(HANG_SECONDS);
		if (turn % 2 == 0)
			_exit(0);
		rounds_left = CHILD_ROUNDS;
	} else if (pid < 0) {
		faults++;
	} else {
		count_child(pid);
		forks++;
	}
	if (pid != 0)
		atomic_fetch_add(&shared->handled, 1);
	errno = saved;
}

static size_t some_size(void)
{
	const unsigned long long random = next();

	if (random % 256 == 0)
		return 1 << 20; /* of its own, by the lock of pages */
	return random % 16 == 0 ? random / 16 % 40000 : random / 16 % 200;
}

static int whole(size_t i)
{
	return object[i] == NULL || size[i] == 0 ||
	    (object[i][0] == (unsigned char)i && object[i][size[i] - 1] ==
	    (unsigned char)(i + size[i]));
}

static void *allocate_once(void *arg)
{
	free(malloc(1000));
	return arg;
}

static void end_child(void)
{
	pthread_t thread;

	for (size_t i = 0; i < OBJECTS; i++)
		if (!whole(i))
			_exit(1);
	for (size_t i = 1; trims && i < GIVEN; i += 2)
		free(given[i]);
	if (trims)
		malloc_trim(0);
	if (pthread_create(&thread, NULL, allocate_once, NULL) != 0 ||
	    pthread_join(thread, NULL) != 0)
		_exit(2);
	_exit(0);
}

static void round_of_calls(void)
{
	for (int i = 0; trims && i < 10; i++)
		malloc_trim(SIZE_MAX / 2);
	for (size_t n = 0; n < OBJECTS; n++) {
		const size_t i = next() % OBJECTS;
		if (!whole(i))
			faults++;
		size[i] = 0;
		free(object[i]);
		object[i] = malloc(some_size());
		if (object[i] == NULL)
			continue;
		const size_t n_bytes = 1 + next() % 8;
		object[i] = realloc(object[i], n_bytes * 16);
		if (object[i] == NULL)
			continue;
		object[i][0] = (unsigned char)i;
		object[i][n_bytes * 16 - 1] = (unsigned char)(i + n_bytes * 16);
		size[i] = n_bytes * 16;
	}
	if (rounds_left == 0)
		end_child();
	if (rounds_left > 0)
		rounds_left--;
}

/* Never two signals at once, so that each interrupts main's own code. */
static void send_signals(pid_t to)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		const unsigned long before = atomic_load(&shared->handled);
		if (kill(to, SIGUSR1) != 0)
			_exit(0);
		for (int spin = 0; atomic_load(&shared->handled) == before && spin < 5000; spin++)
			usleep(20);
		usleep((unsigned)(next() % 40));
	}
}

/* Before it sleeps, it fills `given` if it shall. */
static void *sleep_on(void *fills)
{
	free(malloc(500));
	for (size_t i = 0; fills != NULL && i < GIVEN; i++)
		given[i] = malloc(64);
	pthread_barrier_wait(&sleeps);
	for (;;)
		pause();
	return NULL;
}

static void let_through(bool signals)
{
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(signals ? SIG_UNBLOCK : SIG_BLOCK, &usr1, NULL);
}

static void have_threads(const char *which)
{
	pthread_t thread[4];

	if (strcmp(which, "none") == 0)
		return;
	let_through(false); /* the threads inherit that */
	trims = strcmp(which, "trim") == 0;
	if (trims || strcmp(which, "idle") == 0) {
		pthread_barrier_init(&sleeps, NULL, 2);
		pthread_create(&thread[0], NULL, sleep_on, trims ? given : NULL);
		pthread_barrier_wait(&sleeps);
	}
	for (size_t i = 0; trims && i < GIVEN; i += 2)
		free(given[i]);
	for (int i = 1; i < 4; i++)
		pthread_create(&thread[i], NULL, allocate_once, NULL);
	for (int i = 1; i < 4; i++)
		pthread_join(thread[i], NULL);
	let_through(true);
}

int main(int argc, char **argv)
{
	const struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	const pid_t self = getpid();

	if (argc < 2) {
		fprintf(stderr, "usage: signal_fork none|joined|idle|trim [FORKS]\n");
		return 2;
	}
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	wanted = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	    0);
	if (shared == MAP_FAILED || sigaction(SIGUSR1, &act, NULL) != 0)
		return 2;
	have_threads(argv[1]);
	alarm(2 * HANG_SECONDS);
	/* with threads, glibc's fork holds a lock that a fork in the handler waits for */
	let_through(false);
	const pid_t sender = fork();
	if (sender == 0)
		send_signals(self);
	let_through(true);
	while (forks < wanted || rounds_left >= 0)
		round_of_calls();
	let_through(false);
	kill(sender, SIGKILL);
	waitpid(sender, NULL, 0);
	printf("signal_fork %s: %lu forks, %lu hangs, %lu faults\n", argv[1], forks, hangs, faults);
	return hangs != 0 || faults != 0;
}
