/* vault.c - overflows, underflows, uses after free and bad frees, of eight sizes, each in a child.
 *
 *   DMM_CONF=hardened LD_PRELOAD=libdmm.so vault   each cell; fails if one is not caught
 *   LD_PRELOAD=libdmm.so vault --promised          only what slab catches without any setting
 *   LD_PRELOAD=other.so vault --table              what another malloc does, as a table
 *   ... --only=WORD                                only the cells whose name holds WORD
 *
 * A cell is caught when the child dies of a signal: at the mistake, at a later free, or at the
 * latest when it has freed all that it allocated.  It is also caught when the mistake had no
 * effect: the old data could not be read, the new owner's data was not changed.  An overflow of
 * 1 MiB must be stopped by itself.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZES = 8, AROUND = 3, CAUGHT = 0, MISSED = 1, MIB = 1 << 20 };
static const size_t sizes[SIZES] = {8, 24, 100, 1000, 5000, 40000, 200000, 1 << 20};

static char *before[AROUND], *after[AROUND], *volatile p;
static size_t n;

/* The object at p, with neighbours on both sides, as far as the malloc puts them there. */
static void scene(void)
{
	for (int i = 0; i < AROUND; i++)
		before[i] = memset(malloc(n), 'b', n);
	p = memset(malloc(n), 'p', n);
	for (int i = 0; i < AROUND; i++)
		after[i] = memset(malloc(n), 'a', n);
}

static void free_all(void)
{
	free(p);
	for (int i = 0; i < AROUND; i++) {
		free(before[i]);
		free(after[i]);
	}
}

/* ---- mistakes: they return whether their effect shows, if nothing stopped them --------------- */

static char *map(size_t len)
{
	const int how = MAP_PRIVATE | MAP_ANONYMOUS;
	return mmap(NULL, len, PROT_READ | PROT_WRITE, how, -1, 0);
}

static void write_bytes(char *at, size_t len, bool by_memcpy)
{
	if (by_memcpy) {
		char *const from = map(len);
		memset(from, 'x', len);
		memcpy(at, from, len);
		return;
	}
	for (volatile char *to = at; len-- > 0; to++)
		*to = 'x';
}

static int over(size_t len, bool by_memcpy)
{
	scene();
	write_bytes(p + n, len, by_memcpy);
	if (len < MIB) /* else it must fault by itself */
		free_all();
	return MISSED;
}

static int under(size_t len, bool by_memcpy)
{
	scene();
	write_bytes(p - len, len, by_memcpy);
	if (len < MIB)
		free_all();
	return MISSED;
}

static int has(const volatile char *at, size_t len, char c)
{
	size_t found = 0;
	for (size_t i = 0; i < len; i++)
		found += at[i] == c;
	return found > len / 2 ? MISSED : CAUGHT;
}

static int read_at_once(void)
{
	scene();
	char *const stale = p;
	free(p);
	return has(stale, n, 'p');
}

/* The next objects of the size: does one of them lie where p lay? */
static char *owner_of(const char *stale)
{
	char *owner = NULL;
	for (int i = 0; i < 64; i++) {
		char *const q = memset(malloc(n), 'q', n);
		if (q == stale)
			owner = q;
	}
	return owner;
}

static int read_after_reuse(void)
{
	scene();
	char *const stale = p;
	free(p);
	owner_of(stale);
	return has(stale, n, 'q');
}

static int write_at_once(void)
{
	scene();
	char *const stale = p;
	free(p);
	for (size_t i = 0; i < n; i++)
		((volatile char *)stale)[i] = 'x';
	/* The malloc may name it when it gives the slot out again. */
	for (int i = 0; i < 20000 && (n < 40000 || i < 2000); i++) {
		char *const q = malloc(n);
		if (q == NULL || q[0] == 'x')
			return MISSED;
		free(q);
	}
	return MISSED;
}

static int write_after_reuse(void)
{
	scene();
	char *const stale = p;
	free(p);
	char *const owner = owner_of(stale);
	for (size_t i = 0; i < n; i++)
		((volatile char *)stale)[i] = 'x';
	return owner != NULL ? MISSED : CAUGHT;
}

static int free_at_once(void)
{
	scene();
	char *const stale = p;
	free(p);
	free(stale);
	return MISSED;
}

static int free_after_one_reuse(void)
{
	scene();
	char *const stale = p;
	free(p);
	malloc(n);
	free(stale);
	return MISSED;
}

static int free_after_reuse(void)
{
	scene();
	char *const stale = p;
	free(p);
	owner_of(stale);
	free(stale);
	return MISSED;
}

static char global[4096] __attribute__((aligned(64)));

/* A header as the C library's, so that a malloc which trusts it takes this for an object. */
static int free_forged(void)
{
	size_t *const chunk = (size_t *)(void *)global;
	chunk[0] = 0;
	chunk[1] = (n + 24) / 16 * 16 | 1;
	chunk[1 + (n + 24) / 16 * 2 % 500] = 0x21;
	scene();
	free(global + 16);
	return MISSED;
}

static int free_forged_inside(void)
{
	scene();
	size_t *const chunk = (size_t *)(void *)p;
	if (n >= 64) {
		chunk[0] = 0;
		chunk[1] = 0x21;
		chunk[5] = 0x21;
	}
	free(p + (n >= 64 ? 16 : 4));
	return MISSED;
}

static int free_of_stack(void)
{
	char local[64] __attribute__((aligned(64)));
	scene();
	char *volatile at = local + 16;
	free(at);
	return MISSED;
}

static int free_of_mapping(void)
{
	scene();
	free(map(1 << 16));
	return MISSED;
}

static int free_interior(void)
{
	scene();
	free(p + (n / 2 + 15) / 16 * 16 - (n < 16 ? 12 : 0));
	return MISSED;
}

static int free_misaligned(void)
{
	scene();
	free(p + 1);
	return MISSED;
}

static int free_behind(void)
{
	scene();
	free(p + (n + 15) / 16 * 16 + 64);
	free_all(); /* of another object that begins there, twice */
	return MISSED;
}

#define BOTH(LEN)                                                                                  \
	static int over_##LEN(void) { return over(LEN, false); }                                   \
	static int over_copy_##LEN(void) { return over(LEN, true); }                               \
	static int under_##LEN(void) { return under(LEN, false); }                                 \
	static int under_copy_##LEN(void) { return under(LEN, true); }
BOTH(1)
BOTH(8)
BOTH(32)
BOTH(1048576)

/* ---- the table ------------------------------------------------------------------------------ */

static const struct kind {
	const char *name;
	int (*mistake)(void);
} kinds[] = {
	{"overflow by 1", over_1},
	{"overflow by 8", over_8},
	{"overflow by 32", over_32},
	{"overflow by 1 MiB", over_1048576},
	{"overflow by memcpy of 1", over_copy_1},
	{"overflow by memcpy of 8", over_copy_8},
	{"overflow by memcpy of 32", over_copy_32},
	{"overflow by memcpy of 1 MiB", over_copy_1048576},
	{"underflow by 1", under_1},
	{"underflow by 8", under_8},
	{"underflow by 32", under_32},
	{"underflow by 1 MiB", under_1048576},
	{"underflow by memcpy of 1", under_copy_1},
	{"underflow by memcpy of 8", under_copy_8},
	{"underflow by memcpy of 32", under_copy_32},
	{"underflow by memcpy of 1 MiB", under_copy_1048576},
	{"read after free", read_at_once},
	{"read after free and reuse", read_after_reuse},
	{"write after free", write_at_once},
	{"write after free and reuse", write_after_reuse},
	{"free twice", free_at_once},
	{"free after one reuse", free_after_one_reuse},
	{"free after reuse", free_after_reuse},
	{"free of a forged chunk", free_forged},
	{"free of a forged chunk inside an object", free_forged_inside},
	{"free of the stack", free_of_stack},
	{"free of a mapping", free_of_mapping},
	{"free of the middle", free_interior},
	{"free of a misaligned pointer", free_misaligned},
	{"free of an address behind the object", free_behind},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Runs in a child; true: caught. */
static bool caught(const struct kind *k, size_t size)
{
	const pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(2);
		alarm(200);
		n = size;
		_exit(k->mistake());
	}
	int status = 0;
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) != SIGALRM;
	return WEXITSTATUS(status) == CAUGHT;
}

/* slab promises this without any setting: each bad free is named, unless the address was given out
 * again. */
static bool is_promised(const char *name)
{
	return strncmp(name, "free", 4) == 0 && strstr(name, "reuse") == NULL;
}

int main(int argc, char **argv)
{
	const bool table = argc > 1 && strcmp(argv[1], "--table") == 0;
	const bool promised = argc > 1 && strcmp(argv[1], "--promised") == 0;
	const char *only = "";
	int cells = 0, good = 0;

	if (argc > 1 && strncmp(argv[1], "--only=", 7) == 0)
		only = argv[1] + 7;

	printf("%-42s", "");
	for (int i = 0; i < SIZES; i++)
		printf("%8zu", sizes[i]);
	printf("\n");
	for (int k = 0; k < KINDS; k++) {
		if (strstr(kinds[k].name, only) == NULL ||
		    (promised && !is_promised(kinds[k].name)))
			continue;
		printf("%-42s", kinds[k].name);
		fflush(stdout);
		for (int i = 0; i < SIZES; i++) {
			const bool is = caught(&kinds[k], sizes[i]);
			cells++;
			good += is;
			printf("%8s", is ? "caught" : "MISSED");
			fflush(stdout);
		}
		printf("\n");
	}
	printf("%d of %d cells caught\n", good, cells);
	return table || good == cells ? EXIT_SUCCESS : EXIT_FAILURE;
}
