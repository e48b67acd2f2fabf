/* stories.c NAME - a program with one planted fault of its memory, in plant() unless said
 * otherwise, or (healthy) with none: what dmm advise should name. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

enum { KEPT_MAX = 200000, IDLE_THREADS = 4, IDLE_OBJECTS = 20000 };

static void *volatile sink;
static char *kept[KEPT_MAX];

static void pause_ms(unsigned ms)
{
	usleep(ms * 1000);
}

NOINLINE static char *plant(size_t n)
{
	char *const p = malloc(n);

	memset(p, 1, n);
	return p;
}

NOINLINE static char *other(size_t n)
{
	char *const p = malloc(n);

	memset(p, 2, n);
	return p;
}

/* The behaviour of healthy programs: objects of many sizes that live for a while. */
static void work(int rounds)
{
	char *p[64];

	for (int r = 0; r < rounds; r++) {
		for (size_t i = 0; i < 64; i++)
			p[i] = other(32 + i * 37 % 300);
		for (size_t i = 0; i < 64; i++)
			free(p[i]);
	}
}

static void leak(void)
{
	for (int i = 0; i < 200; i++) {
		work(20);
		for (int k = 0; k < 50; k++)
			sink = plant(100);
		pause_ms(2);
	}
}

static void growth(void)
{
	size_t n = 0;

	for (int i = 0; i < 100; i++) {
		work(20);
		for (int k = 0; k < 20; k++)
			kept[n++] = plant(700);
		pause_ms(4);
	}
	while (n > 0)
		free(kept[--n]);
}

/* A compiler with a heap of its own, which grows: malloc's share hardly counts next to it. */
static void beside(void)
{
	enum { OWN = 96 << 20 };
	char *const own = mmap(NULL, OWN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0);

	if (own == MAP_FAILED)
		exit(1);
	memset(own, 1, OWN);
	growth();
}

static void pinned(void)
{
	for (int i = 0; i < 100000; i++)
		kept[i] = i % 100 == 0 ? plant(48) : other(200);
	for (int i = 0; i < 100000; i++)
		if (i % 100 != 0)
			free(kept[i]);
	pause_ms(300);
	work(100);
}

/* Each fall leaves sparse pages for a moment; then all of it is free, and wanted again. */
static void falls(void)
{
	enum { OBJECTS = 40000 };

	for (int r = 0; r < 12; r++) {
		for (int i = 0; i < OBJECTS; i++)
			kept[i] = other(i % 40 == 0 ? 48 : 200);
		pause_ms(150); /* long enough that a loaded machine hardly stretches the rest */
		for (int i = 0; i < OBJECTS; i++)
			if (i % 40 != 0)
				free(kept[i]);
		for (int i = 0; i < OBJECTS; i += 40)
			free(kept[i]);
	}
}

static void burst(void)
{
	for (size_t i = 0; i < 150000; i++)
		kept[i] = plant(200 + i % 150);
	for (size_t i = 0; i < 150000; i++)
		free(kept[i]);
	pause_ms(600);
	work(1);
}

/* All of them hold their objects at the same moment, so that each frees after the peak. */
static pthread_barrier_t all_hold;

static void *work_once(void *arg)
{
	static __thread char *mine[IDLE_OBJECTS];

	for (int i = 0; i < IDLE_OBJECTS; i++)
		mine[i] = plant(300);
	pthread_barrier_wait(&all_hold);
	for (int i = 0; i < IDLE_OBJECTS; i++)
		free(mine[i]);
	pause_ms(600);
	return arg;
}

static void idle(void)
{
	pthread_t thread[IDLE_THREADS];

	pthread_barrier_init(&all_hold, NULL, IDLE_THREADS);
	for (int i = 0; i < IDLE_THREADS; i++)
		pthread_create(&thread[i], NULL, work_once, NULL);
	for (int i = 0; i < IDLE_THREADS; i++)
		pthread_join(thread[i], NULL);
}

static void churn(void)
{
	for (int i = 0; i < 3000000; i++) {
		sink = plant(40);
		free(sink);
	}
}

/* In oversized() itself: large buffers of which one page is used. */
static void oversized(void)
{
	for (int i = 0; i < 20; i++) {
		kept[i] = malloc(8 << 20);
		kept[i][0] = 1;
		sink = kept[i];
		work(10);
	}
	pause_ms(30);
}

static void healthy(void)
{
	for (int i = 0; i < 1000; i++)
		kept[i] = other(1000);
	for (int i = 0; i < 100; i++) {
		work(2);
		pause_ms(3);
	}
	for (int i = 0; i < 1000; i++)
		free(kept[i]);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*tell)(void);
	} stories[] = {{"leak", leak}, {"growth", growth}, {"beside", beside},
	    {"pinned", pinned}, {"falls", falls}, {"burst", burst},
	    {"idle", idle},
	    {"churn", churn}, {"oversized", oversized}, {"healthy", healthy}};

	for (size_t i = 0; argc == 2 && i < sizeof stories / sizeof *stories; i++)
		if (strcmp(argv[1], stories[i].name) == 0) {
			stories[i].tell();
			return 0;
		}
	return 2;
}
