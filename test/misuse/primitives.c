/* primitives.c - seven things that an attacker does with a program's mistake, on this process's
 * malloc.
 *
 *   LD_PRELOAD=libdmm.so primitives [--seeds=N] [--first=SEED] [--none] [WORD]
 *
 * Each seed makes a heap of random shape in a child, makes one mistake with random values, and goes
 * on allocating.  The attack has succeeded when afterwards
 *   overlap   malloc gives out what overlaps a live object
 *   outside   or what is not of the heap: the attacker's own memory, or metadata
 *   landed    memory that nobody wrote to has changed: a write of the allocator, to a chosen place
 *   told      (primitive 6) a freed object holds an address that was not in it before
 *
 * stopped counts the runs that the malloc, or a fault, ended; the rest went on unharmed.  --none:
 * exit 1 if any succeeded.  A failing seed is repeated by --first=SEED --seeds=1.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slab/root.h"
#include "slab/guarded.h"

enum { LIVE_MAX = 700, TARGET = 1 << 16, SECONDS = 100 };
enum outcome { HELD, OVERLAP = 20, OUTSIDE, LANDED, TOLD, STOPPED, OUTCOMES };

struct object {
	char  *p;
	size_t n;
};

static struct object live[LIVE_MAX];
static int live_count;
static uint64_t state;
static size_t n; /* bytes of the attacked object */
/* The attacker's target: the attacker writes to it, and wants malloc to give it out. */
static char target[TARGET] __attribute__((aligned(4096)));
static char untouched[TARGET]; /* the same bytes, to compare with */
static const struct slab_root *slab; /* NULL: not our slab */

static uint64_t next(void)
{
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return state;
}

/* ---- watching -------------------------------------------------------------------------------- */

static int overlaps(const char *a, size_t an, const char *b, size_t bn)
{
	return a < b + bn && b < a + an;
}

/* Every pointer that malloc gives passes here. */
static char *watched(char *p, size_t len)
{
	if (p == NULL)
		return NULL;
	if (overlaps(p, len, target, TARGET) || overlaps(p, len, __builtin_frame_address(0),
	    1 << 16))
		_exit(OUTSIDE);
	if (slab != NULL && (uintptr_t)p - slab->base >= slab->units << UNIT_SHIFT &&
	    (uintptr_t)p - (uintptr_t)slab->guarded_slots >= (size_t)slab->guarded_count *
	    GUARDED_SLOT)
		_exit(OUTSIDE);
	for (int i = 0; i < live_count; i++)
		if (overlaps(p, len, live[i].p, live[i].n))
			_exit(OVERLAP);
	return p;
}

static char *take(size_t len)
{
	char *const p = watched(malloc(len), len);

	if (p != NULL && live_count < LIVE_MAX)
		live[live_count++] = (struct object){p, len};
	return p;
}

static void forget(const char *p)
{
	for (int i = 0; i < live_count; i++)
		if (live[i].p == p) {
			live[i] = live[--live_count];
			return;
		}
}

static void give(char *p)
{
	forget(p);
	free(p);
}

static void compare_target(void)
{
	if (memcmp(target, untouched, TARGET) != 0)
		_exit(LANDED);
}

/* ---- the scene ------------------------------------------------------------------------------- */

static size_t some_size(void)
{
	static const size_t sizes[] = {16, 24, 32, 48, 64, 100, 128, 200, 256, 400, 512, 1000, 1024,
	    2000};
	return sizes[next() % (sizeof sizes / sizeof *sizes)];
}

static void make_scene(void)
{
	n = some_size();
	/* Any form of a header stands there, so that the malloc may take it for one. */
	for (size_t i = 0; i < TARGET; i += 8) {
		const uint64_t values[] = {(n + 31) / 16 * 16 | 1, n, 0, 1,
		    (uintptr_t)target + 4096,
		    n * 2 + 17, (uintptr_t)target + i - 32, 2 | n << 1};
		const uint64_t value = values[next() % 8];
		memcpy(target + i, &value, 8);
	}
	const int count = 20 + (int)(next() % 150);
	for (int i = 0; i < count; i++)
		take(next() % 2 ? n : some_size());
	for (int i = 0; i < count / 3; i++)
		give(live[next() % (uint64_t)live_count].p);
}

/* A value that does harm somewhere: to follow as a link, or to believe as a size. */
static uint64_t evil(const char *at)
{
	const uintptr_t aim = (uintptr_t)target + 4096 + next() % 64 * 16;
	const uintptr_t victim = (uintptr_t)live[next() % (uint64_t)live_count].p;

	switch (next() % 10) {
	case 0: return aim;
	case 1: return aim - 16;
	case 2: return aim ^ (uintptr_t)at >> 12; /* as glibc hides its links */
	case 3: return victim;
	case 4: return victim - 16;
	case 5: return (n + 31) / 16 * 16 * (1 + next() % 8) | 1;
	case 6: return n * (1 + next() % 8);
	case 7: return (n + 31) / 16 * 16 * (1 + next() % 8);
	case 8: return aim - 32;
	default: return aim + 8;
	}
}

static void write_evil(char *at, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		const uint64_t value = evil(at);
		memcpy(at + i, &value, 8);
	}
}

/* The program goes on, and the attacker with it. */
static void go_on(void)
{
	for (int i = 0; i < 120; i++) {
		const size_t len = next() % 3 ? n : some_size() * (1 + next() % 3);
		char *const p = take(len);
		if (p != NULL)
			memset(p, 0, len < 16 ? len : 16);
		if (next() % 3 == 0 && live_count > 10)
			give(live[next() % (uint64_t)live_count].p);
		compare_target();
	}
}

/* ---- the seven ------------------------------------------------------------------------------- */

static void free_twice(void)
{
	char *const p = take(n);

	give(p);
	for (uint64_t i = next() % 12; i > 0; i--) {
		if (next() % 2)
			give(live[next() % (uint64_t)live_count].p);
		else
			/* not what would be given p: it must stay freed */
			take(some_size() + n * 2 + 64);
	}
	free(p);
}

static void write_to_freed(void)
{
	char *const p = take(n), *const beside = take(n);

	give(beside);
	give(p);
	write_evil(p, 16);
}

static void free_forged(void)
{
	/* in the attacker's memory, or inside a real object, after a header of the attacker's */
	char *const base = next() % 2 ? target + 4096 : take(4000);

	write_evil(base, 512);
	memcpy(untouched, target, TARGET);
	free(base + 64 + next() % 16 * 16);
}

static void nul_past_end(void)
{
	char *p = NULL;

	for (int i = 0; i < 6; i++)
		p = take(n);
	p[malloc_usable_size(p)] = '\0';
	give(live[live_count - 1 - (int)(next() % 3)].p);
	give(live[live_count - 1 - (int)(next() % 3)].p);
}

static void eight_past_end(void)
{
	char *const p = take(n);
	char *const after = take(n);
	const uint64_t value = evil(p);

	memcpy(p + malloc_usable_size(p), &value, 8);
	give(next() % 2 ? p : after);
	take(n * 2 + some_size());
}

/* An address tells where everything else is. */
static void read_freed(void)
{
	enum { WORDS = 6 };
	uint64_t word[WORDS], residue = 0x5353535353535353;
	char *const p = take(n < 48 ? 48 : n);

	memset(p, 0x53, n < 48 ? 48 : n);
	forget(p); /* so that nobody frees it twice */
	for (int i = 0; i < 4; i++)
		give(live[next() % (uint64_t)live_count].p);
	free(p);
	for (int i = 0; i < 4; i++)
		give(live[next() % (uint64_t)live_count].p);
	memcpy(word, p, sizeof word);
	for (int i = 0; i < WORDS; i++) {
		const uintptr_t page = word[i] & ~(uintptr_t)4095,
		    plain = word[i] ^ (uintptr_t)p >> 12;
		unsigned char there;
		if (word[i] == residue || word[i] < 65536)
			continue;
		if (mincore((void *)page, 1, &there) == 0 ||
		    mincore((void *)(plain & ~(uintptr_t)4095), 1, &there) == 0)
			_exit(TOLD);
	}
}

static void large_header(void)
{
	n = 200000 + next() % 8 * 100000;
	char *const before = take(n), *const p = take(n), *const after = take(n);
	(void)before, (void)after;

	write_evil(p - 16, 16);
	if (next() % 4 == 0)
		write_evil(p - 32, 16);
	give(p);
	take(n);
}

static const struct {
	const char *name;
	void (*run)(void);
} primitive[] = {
    {"double free", free_twice},
    {"overwrite a freed object, then allocate", write_to_freed},
    {"free a forged block", free_forged},
    {"one NUL past the end", nul_past_end},
    {"eight bytes past the end, then free", eight_past_end},
    {"read a freed object for pointers", read_freed},
    {"overwrite a large block's header", large_header},
};
enum { PRIMITIVES = sizeof primitive / sizeof *primitive };

/* ---- running them ---------------------------------------------------------------------------- */

static void child(unsigned which, uint64_t seed)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	alarm(SECONDS);
	if (freopen("/dev/null", "w", stderr) == NULL)
		_exit(1);
	state = seed * 0x9e3779b97f4a7c15 + which + 1;
	for (int i = 0; i < 8; i++)
		next();
	make_scene();
	memcpy(untouched, target, TARGET);
	primitive[which].run();
	go_on();
	_exit(HELD);
}

static enum outcome run(unsigned which, uint64_t seed)
{
	int status;
	const pid_t pid = fork();

	if (pid == 0)
		child(which, seed);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(125);
	if (!WIFEXITED(status) || WEXITSTATUS(status) > TOLD)
		return STOPPED;
	return (enum outcome)WEXITSTATUS(status);
}

static size_t run_all(unsigned which, uint64_t first, uint64_t seeds)
{
	size_t count[OUTCOMES] = {0};
	uint64_t example = 0;

	for (uint64_t seed = first; seed < first + seeds; seed++) {
		const enum outcome o = run(which, seed);
		count[o]++;
		if (o != HELD && o != STOPPED && example == 0)
			example = seed;
	}
	const size_t won = count[OVERLAP] + count[OUTSIDE] + count[LANDED] + count[TOLD];
	printf("%s\t%lu\t%zu\t%zu\t%zu\t%zu\t%zu\t%zu\t%lu\n", primitive[which].name,
	    (unsigned long)seeds,
	    won, count[OVERLAP], count[OUTSIDE], count[LANDED], count[TOLD], count[STOPPED],
	    (unsigned long)example);
	return won;
}

int main(int argc, char **argv)
{
	uint64_t seeds = 1000, first = 1;
	const char *word = "";
	int none = 0;
	size_t won = 0;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--seeds=", 8) == 0)
			seeds = strtoull(argv[i] + 8, NULL, 10);
		else if (strncmp(argv[i], "--first=", 8) == 0)
			first = strtoull(argv[i] + 8, NULL, 10);
		else if (strcmp(argv[i], "--none") == 0)
			none = 1;
		else if (argv[i][0] != '-')
			word = argv[i];
		else
			return fprintf(stderr, "usage: %s [--seeds=N] [--first=SEED] [--none] "
			    "[WORD]\n", argv[0]), 2;
	}
	slab = dlsym(RTLD_DEFAULT, "dmm_slab_root");
	setvbuf(stdout, NULL, _IONBF, 0);
	printf("primitive\tseeds\twon\toverlap\toutside\tlanded\ttold\tstopped\texample\n");
	for (unsigned i = 0; i < PRIMITIVES; i++)
		if (strstr(primitive[i].name, word) != NULL)
			won += run_all(i, first, seeds);
	return none && won != 0;
}
