/* matrix.c - run cells of the misuse matrix on the malloc of this process, each in a child.
 *
 *   LD_PRELOAD=libdmm.so matrix slab             check every cell, list the failures
 *   DMM_CONF=hardened LD_PRELOAD=... matrix hardened
 *   LD_PRELOAD=libdmm-bins.so matrix list        name, group and outcome of every cell
 *   ... [WORD]                                   only cells whose name holds WORD
 *
 * Outcomes:
 *   named    one line with the fault, the address and the size, then abort
 *   stopped  ended at once, but without naming it: a signal, or a line of another form
 *   refused  NULL and the right errno
 *   late     ended by a later call
 *   harmed   went on with two objects in one place, a live object changed, or secrets told
 *   silent   went on, and nothing happened this time
 *   hung     went on forever
 *   n/a      the cell cannot be set up on this malloc
 */
#include "matrix.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A cell that needs that much waits for something, or goes round in circles. */
enum { SECONDS = 100, PROCESSOR_S = 20 };
enum { SAID = 400, EXIT_NA = 77, EXIT_REFUSED = 10, EXIT_HARMED = 11 };
enum { BEFORE, MISTAKE, NEXT_CALL, AFTERMATH };

char *p, *q, *bad;
size_t usable;
char global[4096] __attribute__((aligned(64)));

/* The child's report to the parent, in shared memory. */
static struct told {
	volatile int phase;
	volatile uintptr_t bad;
	volatile size_t usable;
} *told;

static char *witness[WITNESSES];
static size_t witness_len[WITNESSES];

/* ---- the vocabulary -------------------------------------------------------------------------- */

static unsigned char byte_of(size_t i, size_t k)
{
	return (unsigned char)(i * 37 + k * 11 + 5);
}

/* Of a large object only both ends are looked at. */
static int is_seen(size_t k, size_t n)
{
	return k < 4096 || k + 4096 >= n;
}

static void put_bytes(char *object, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (is_seen(k, n))
			object[k] = (char)byte_of(i, k);
		else
			k = n - 4097;
}

static int has_bytes(const char *object, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++) {
		if (!is_seen(k, n))
			k = n - 4097;
		else if ((unsigned char)object[k] != byte_of(i, k))
			return 0;
	}
	return 1;
}

void witnesses(size_t n)
{
	static const size_t others[WITNESSES] = {[8] = 24, [9] = 200, [10] = 3000, [11] = 70000};

	for (size_t i = 0; i < WITNESSES; i++) {
		const size_t len = others[i] != 0 ? others[i] : n;
		witness[i] = malloc(len);
		witness_len[i] = witness[i] != NULL ? len : 0;
		put_bytes(witness[i], witness_len[i], i);
	}
}

char *never_issued(void)
{
	char *at = p + usable * 4;

	for (size_t i = 0; i < WITNESSES;) {
		const char *const w = witness[i];
		if (w != NULL && at < w + witness_len[i] + 64 && w < at + usable + 64) {
			at += usable;
			i = 0;
		} else {
			i++;
		}
	}
	return at;
}

static int witnesses_whole(void)
{
	for (size_t i = 0; i < WITNESSES; i++)
		if (!has_bytes(witness[i], witness_len[i], i))
			return 0;
	return 1;
}

static void *run_function(void *arg)
{
	void (*f)(void);
	memcpy(&f, arg, sizeof f);
	f();
	return NULL;
}

void elsewhere(void (*f)(void))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run_function, &f) != 0)
		not_applicable();
	pthread_join(thread, NULL);
}

void churn(size_t n)
{
	static const size_t sizes[] = {16, 40, 100, 500, 1500, 6000, 50000};
	enum { SIZES = sizeof sizes / sizeof *sizes };
	void *some[200];

	for (int i = 0; i < 200; i++)
		some[i] = malloc(sizes[i % SIZES] / 2 < n && n <= sizes[i % SIZES] * 2 ? n * 5
		    : sizes[i % SIZES]);
	for (int i = 0; i < 200; i++)
		free(some[(i * 77) % 200]);
}

void not_applicable(void)
{
	_exit(EXIT_NA);
}

void answer(int refused)
{
	_exit(refused ? EXIT_REFUSED : 0);
}

void harm(int harmed)
{
	_exit(harmed ? EXIT_HARMED : EXIT_REFUSED);
}

char *on_stack(void)
{
	static char *kept;
	char local[256] __attribute__((aligned(64)));
	char *volatile at = local;

	memset(local, 0, sizeof local);
	kept = at + 64;
	return kept;
}

char *mapped(void)
{
	char *const page = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0);
	return page != MAP_FAILED ? page + 4096 : NULL;
}

void *hide(const void *any)
{
	void *volatile at = (void *)any;
	return at;
}

/* ---- the child ------------------------------------------------------------------------------- */

static const struct cell *now;
static volatile int scene_made;

static void make_mistake(void)
{
	told->bad = (uintptr_t)bad;
	told->usable = usable;
	told->phase = MISTAKE;
	now->mistake();
	told->phase = NEXT_CALL;
	char *const more = malloc(now->n);
	told->phase = AFTERMATH;
	if (more != NULL)
		put_bytes(more, now->n, 99);
}

/* Many more objects, each with bytes of its own: whatever shares its place is found out. */
static int aftermath_corrupt(void)
{
	enum { COUNT = 40 };
	char *more[COUNT];

	for (int i = 0; i < COUNT; i++) {
		more[i] = malloc(now->n);
		if (more[i] != NULL)
			put_bytes(more[i], now->n, 100 + (size_t)i);
	}
	for (int i = 0; i < COUNT; i++)
		if (more[i] != NULL && !has_bytes(more[i], now->n, 100 + (size_t)i))
			return 1;
	if (!witnesses_whole())
		return 1;
	for (int i = 0; i < COUNT; i++)
		free(more[i]);
	for (size_t i = 0; i < WITNESSES; i++)
		free(witness[i]);
	return 0;
}

static void *sleep_after_scene(void *arg)
{
	now->scene();
	scene_made = 1;
	for (;;)
		pause();
	return arg;
}

static void child(void)
{
	pthread_t thread;

	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	setrlimit(RLIMIT_CPU, &(struct rlimit){PROCESSOR_S, 2 * PROCESSOR_S});
	alarm(SECONDS);
	if (strcmp(now->thread, "ended") == 0) {
		elsewhere(now->scene);
	} else if (strcmp(now->thread, "other") == 0) {
		if (pthread_create(&thread, NULL, sleep_after_scene, NULL) != 0)
			not_applicable();
		while (!scene_made)
			usleep(100);
	} else {
		now->scene();
	}
	make_mistake();
	_exit(aftermath_corrupt() ? EXIT_HARMED : 0);
}

/* ---- the verdict ----------------------------------------------------------------------------- */

struct result {
	const char *outcome;
	char said[SAID];
};

static const char *outcome_of(int status, const char *said)
{
	if (WIFEXITED(status)) {
		switch (WEXITSTATUS(status)) {
		case EXIT_NA: return "n/a";
		case EXIT_REFUSED: return "refused";
		case EXIT_HARMED: return "harmed";
		case 0: return "silent";
		default: return "late";
		}
	}
	if (WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGXCPU)
		return "hung";
	if (told->phase > NEXT_CALL)
		return "late";
	return WTERMSIG(status) == SIGABRT && strncmp(said, "dmm: ", 5) == 0 ? "named" : "stopped";
}

static struct result run(const struct cell *c)
{
	struct result r = {0};
	int fd[2], status;
	size_t have = 0;
	ssize_t got;

	memset((void *)told, 0, sizeof *told);
	if (pipe(fd) != 0)
		exit(125);
	now = c;
	const pid_t pid = fork();
	if (pid == 0) {
		dup2(fd[1], STDERR_FILENO);
		child();
	}
	close(fd[1]);
	while (have < SAID - 1 && (got = read(fd[0], r.said + have, SAID - 1 - have)) > 0)
		have += (size_t)got;
	close(fd[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(125);
	r.outcome = outcome_of(status, r.said);
	return r;
}

/* The digits that stand at said[at]. */
static size_t copy_number(char *to, const char *said, size_t at)
{
	const size_t len = at < strlen(said) ? strspn(said + at, "0123456789") : 0;
	memcpy(to, said + at, len);
	return len;
}

/* One form of a line: `@` is the bad address, `$` the usable size of its object; hardened, which
 * gives no byte more than was asked for, names the size of its slot. */
static int fits(const char *said, const char *form, size_t len, int column)
{
	char line[SAID];
	size_t n = 0;

	for (size_t i = 0; i < len && n < sizeof line - 32; i++) {
		if (form[i] == '@')
			n += (size_t)sprintf(line + n, "%#lx", (unsigned long)told->bad);
		else if (form[i] == '$' && column == 0)
			n += (size_t)sprintf(line + n, "%zu", told->usable);
		else if (form[i] == '$')
			n += copy_number(line + n, said, n);
		else
			line[n++] = form[i];
	}
	line[n++] = '\n';
	if (strncmp(said, line, n) != 0)
		return 0;
	return said[n] == '\0' || strncmp(said + n, "  ", 2) == 0;
	    /* of a guarded object, its stacks */
}

/* want: an outcome's name, "unseen" for any outcome of a mistake that cannot be seen, or forms of
 * its exact line, separated by `|`. */
static int expects(const char *want, const struct result *r, int column)
{
	if (strcmp(want, "unseen") == 0)
		return strcmp(r->outcome, "silent") == 0 || strcmp(r->outcome, "harmed") == 0;
	if (strncmp(want, "dmm: ", 5) != 0)
		return strcmp(want, r->outcome) == 0;
	for (const char *form = want; strcmp(r->outcome, "named") == 0; form++) {
		const size_t len = strcspn(form, "|");
		if (fits(r->said, form, len, column))
			return 1;
		form += len;
		if (*form == '\0')
			break;
	}
	return 0;
}

/* 1: this cell is a failure. */
static int judge(const struct cell *c, const struct result *r, int column)
{
	const char *const known = c->known[column];
	const int good = expects(c->want[column], r, column);

	if (good == (known == NULL))
		return 0;
	if (good) {
		printf("%s passes: take it off the list of known failures (%s)\n", c->name, known);
		return 1;
	}
	printf("%s\n  wanted %s\n  found  %s%s%s", c->name, c->want[column], r->outcome,
	    r->said[0] != '\0' ? ": " : "\n", r->said);
	return 1;
}

/* Where every object of up to 32 KiB is guarded: all that hardened catches is caught, by a guard's
 * fault or a call's line; but which one, the drawn side decides.  1: it is not. */
static int judge_guarded(const struct cell *c, const struct result *r)
{
	const int caught = strcmp(r->outcome, "named") == 0 || strcmp(r->outcome, "stopped") == 0 ||
	    strcmp(r->outcome, "refused") == 0;

	if (caught || strcmp(c->want[1], "unseen") == 0 || c->n > 32768 ||
	    strstr(c->name, "given_out_between") != NULL)
		return 0;
	printf("%s\n  wanted to be caught\n  found  %s\n", c->name, r->outcome);
	return 1;
}

int main(int argc, char **argv)
{
	const char *const how = argc > 1 ? argv[1] : "", *const word = argc > 2 ? argv[2] : "";
	const int column = strcmp(how, "slab") == 0 ? 0 : strcmp(how, "hardened") == 0 ? 1 : -1;
	const int guarded = strcmp(how, "guarded") == 0;
	size_t ran = 0, failed = 0, known = 0;

	if (column < 0 && !guarded && strcmp(how, "list") != 0) {
		fprintf(stderr, "usage: LD_PRELOAD=LIBRARY %s slab|hardened|guarded|list [WORD]\n",
		    argv[0]);
		return 2;
	}
	told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		return 125;
	setvbuf(stdout, NULL, _IONBF, 0); /* what waits in a buffer, children would print again */
	for (size_t i = 0; i < cell_count; i++) {
		if (strstr(cells[i].name, word) == NULL)
			continue;
		const struct result r = run(&cells[i]);
		ran++;
		if (guarded) {
			failed += (size_t)judge_guarded(&cells[i], &r);
			continue;
		}
		if (column < 0) {
			printf("%s\t%s\t%s\n", cells[i].name, cells[i].group, r.outcome);
			continue;
		}
		failed += (size_t)judge(&cells[i], &r, column);
		known += cells[i].known[column] != NULL;
	}
	if (column >= 0 || guarded)
		printf("%s: %zu cells, %zu failed, %zu known to fail\n", how, ran, failed, known);
	return ran == 0 || failed != 0;
}
