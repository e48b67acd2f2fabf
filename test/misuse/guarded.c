/* guarded.c - makes one mistake with a guarded object; also programs that handle SIGSEGV
 * themselves.
 *
 *   DMM_CONF=guarded:1,guarded_every:1 LD_PRELOAD=libdmm.so guarded MISTAKE [BYTES]
 *
 * With a rate of 1 every object is a guarded one, until the pool is full.  guarded.py knows what
 * has to be said, and finds these functions by name in it.
 */
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT_OF_LINE __attribute__((noinline, noclone))

__attribute__((weak)) void free_sized(void *p, size_t n); /* C23: the heap has it */

static size_t n = 48;
static char *volatile p;
static volatile char sink;

OUT_OF_LINE static void allocates(void)
{
	p = malloc(n);
	__asm__ volatile("" ::: "memory");
}

OUT_OF_LINE static void frees(void)
{
	free(p);
	__asm__ volatile("" ::: "memory");
}

OUT_OF_LINE static void reads(const char *at)
{
	sink = *at;
	__asm__ volatile("" ::: "memory");
}

OUT_OF_LINE static void writes(char *at)
{
	*(volatile char *)at = 'x';
	__asm__ volatile("" ::: "memory");
}

/* Until it lies at the end of its pages, or at the start. */
static void allocates_at(int end)
{
	for (int i = 0; i < 200; i++) {
		allocates();
		if ((end ? (uintptr_t)p + (n + 15) / 16 * 16 : (uintptr_t)p) % 4096 == 0)
			return;
		frees();
	}
	_exit(125);
}

static void *in_thread(void *f)
{
	((void (*)(void))(uintptr_t)f)();
	return NULL;
}

static void elsewhere(void (*f)(void))
{
	pthread_t t;

	if (pthread_create(&t, NULL, in_thread, (void *)(uintptr_t)f) != 0)
		_exit(125);
	pthread_join(t, NULL);
}

/* ---- mistakes -------------------------------------------------------------------------------- */

static void read_after_free(void)
{
	allocates();
	frees();
	reads(p + 5);
}

static void write_after_free(void)
{
	allocates();
	frees();
	writes(p + 5);
}

static void write_past_the_end(void)
{
	allocates_at(1);
	writes(p + (n + 15) / 16 * 16);
}

static void read_past_the_end(void)
{
	allocates_at(1);
	reads(p + (n + 15) / 16 * 16);
}

static void write_before_the_start(void)
{
	allocates_at(0);
	writes(p - 8);
}

static void slack(void)
{
	allocates_at(1);
	writes(p + n);
	frees();
}

static void rest_of_page(void)
{
	allocates_at(0);
	writes(p + n + 100);
	frees();
}

static void before_in_page(void)
{
	allocates_at(1);
	writes(p - 3);
	frees();
}

static void slack_seen_by_realloc(void)
{
	allocates_at(1);
	writes(p + n);
	p = realloc(p, n * 10);
}

static void double_free(void)
{
	allocates();
	frees();
	frees();
}

static void free_inside(void)
{
	allocates();
	p += 16;
	frees();
}

static void free_a_guard(void)
{
	allocates_at(1);
	p += 4096;
	frees();
}

static void realloc_after_free(void)
{
	allocates();
	frees();
	p = realloc(p, 100);
}

static void usable_after_free(void)
{
	allocates();
	frees();
	printf("%zu\n", malloc_usable_size(p));
}

static void sized_free(void)
{
	allocates();
	free_sized(p, n + 1);
}

static void use_after_realloc(void)
{
	allocates();
	char *const old = p;
	p = realloc(p, n * 2);
	reads(old);
}

static void across_threads(void)
{
	elsewhere(allocates);
	elsewhere(frees);
	reads(p);
}

static void in_child(void)
{
	int status;

	allocates();
	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0) {
		frees();
		reads(p);
	}
	waitpid(pid, &status, 0);
	memset(p, 1, n); /* the parent's lives on */
	frees();
	signal(SIGSEGV, SIG_DFL);
	if (WIFSIGNALED(status))
		raise(WTERMSIG(status));
}

/* No mistake: five objects live, three freed, to be looked at until stdin ends. */
static void holds(void)
{
	static char *volatile kept[8];

	for (int i = 0; i < 8; i++)
		kept[i] = malloc(n);
	for (int i = 0; i < 3; i++)
		free(kept[i]);
	puts("holds");
	/* stdio would allocate its buffer now, perhaps between two looks at this process */
	for (char byte; read(STDIN_FILENO, &byte, 1) > 0;)
		;
}

/* ---- what is none of ours -------------------------------------------------------------------- */

static void null_pointer(void)
{
	allocates();
	reads((const char *)8);
}

static void sent(void)
{
	allocates();
	kill(getpid(), SIGSEGV);
	_exit(3);
}

static void not_canonical(void)
{
	allocates();
	reads((const char *)0x4141414141414141);
}

/* ---- the program's own handlers -------------------------------------------------------------- */

static sigjmp_buf back;

static void own_handler(int number)
{
	static const char said[] = "own handler\n";
	if (write(STDOUT_FILENO, said, sizeof said - 1) < 0)
		_exit(125);
	siglongjmp(back, number);
}

static void handles_itself(void)
{
	signal(SIGSEGV, own_handler);
	allocates();
	frees();
	if (sigsetjmp(back, 1) == 0)
		reads(p);
	frees(); /* checks of calls go on */
}

static void handles_itself_later(void)
{
	allocates(); /* ours is in place */
	handles_itself();
}

static void tell(void)
{
	struct sigaction old;
	sigaction(SIGSEGV, NULL, &old);
	puts(old.sa_sigaction == NULL ? "default" : "handled");
}

static void tells_handler(void)
{
	tell();
	allocates();
	tell();
}

static struct sigaction chained;

static void chaining_handler(int number, siginfo_t *info, void *context)
{
	static const char said[] = "chains\n";
	if (write(STDOUT_FILENO, said, sizeof said - 1) < 0)
		_exit(125);
	chained.sa_sigaction(number, info, context);
}

static void chains(void)
{
	const struct sigaction mine = {.sa_sigaction = chaining_handler, .sa_flags = SA_SIGINFO};
	allocates();
	sigaction(SIGSEGV, &mine, &chained);
	read_after_free();
}

/* On an alternate stack as small as it may be. */
static void small_stack(void)
{
	const stack_t alternate = {.ss_sp = malloc(8192), .ss_size = 8192};
	sigaltstack(&alternate, NULL);
	read_after_free();
}

static const struct {
	const char *name;
	void (*run)(void);
} mistakes[] = {
#define MISTAKE(name) {#name, name}
    MISTAKE(read_after_free), MISTAKE(write_after_free), MISTAKE(write_past_the_end),
    MISTAKE(read_past_the_end),
    MISTAKE(write_before_the_start), MISTAKE(slack), MISTAKE(rest_of_page), MISTAKE(before_in_page),
    MISTAKE(slack_seen_by_realloc), MISTAKE(double_free), MISTAKE(free_inside),
    MISTAKE(free_a_guard),
    MISTAKE(realloc_after_free), MISTAKE(usable_after_free), MISTAKE(sized_free),
    MISTAKE(use_after_realloc),
    MISTAKE(across_threads), MISTAKE(in_child), MISTAKE(null_pointer), MISTAKE(sent),
    MISTAKE(not_canonical),
    MISTAKE(handles_itself), MISTAKE(handles_itself_later),
    MISTAKE(tells_handler), MISTAKE(chains), MISTAKE(small_stack), MISTAKE(holds),
};

int main(int argc, char **argv)
{
	if (argc > 2)
		n = strtoul(argv[2], NULL, 0);
	setvbuf(stdout, NULL, _IONBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof mistakes / sizeof *mistakes; i++)
		if (strcmp(argv[1], mistakes[i].name) == 0) {
			mistakes[i].run();
			return 0;
		}
	fprintf(stderr, "usage: guarded MISTAKE [BYTES]\n");
	return 2;
}
