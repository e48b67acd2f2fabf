/* main.c - run each test in a child; 0 when all passed. */
#include "dropin.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/emulated.h"

enum { TESTS_MAX = 128, CHILD_SECONDS = 300 }; /* a deadlock is for ever, and machines are slow */

static struct {
	const char *name;
	void (*run)(void);
} tests[TESTS_MAX];
static size_t count;

uint32_t traits;
bool any_malloc, is_vm;

void test_register(const char *name, void (*run)(void))
{
	if (count == TESTS_MAX)
		abort();
	tests[count].name = name;
	tests[count++].run = run;
}

void test_failed(const char *cond, const char *file, int line)
{
	dprintf(STDERR_FILENO, "%s:%d: expected: %s\n", file, line, cond);
	_exit(1);
}

void fill(void *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		((unsigned char *)p)[i] = (unsigned char)(seed * 31 + i * 7 + (i >> 8));
}

int is_filled(const void *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		if (((const unsigned char *)p)[i] != (unsigned char)(seed * 31 + i * 7 + (i >> 8)))
			return 0;
	return 1;
}

/* Kernels look at the second limit, when reserved addresses become writable, only while the
 * first holds. */
void limit_memory(size_t bytes)
{
	char text[64] = "";
	const struct rlimit limit = {bytes, bytes};
	const int fd = open("/proc/self/statm", O_RDONLY);

	if (emulated()) /* which ignores limits */
		_exit(SKIPPED);
	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
		_exit(1);
	close(fd);
	const bool reserved = strtoul(text, NULL, 10) * 4096 > bytes;
	if (setrlimit(reserved ? RLIMIT_DATA : RLIMIT_AS, &limit) != 0)
		_exit(1);
}

void skip_on_musl(void)
{
	extern __attribute__((weak)) const char *gnu_get_libc_version(void);

	if (gnu_get_libc_version == NULL)
		_exit(SKIPPED);
}

static int passes(size_t i)
{
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		alarm(CHILD_SECONDS);
		tests[i].run();
		exit(0); /* destructors too */
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
		dprintf(STDOUT_FILENO, "skipped %s\n", tests[i].name);
		return 1;
	}
	if (status != 0)
		dprintf(STDERR_FILENO, "FAILED %s%s\n", tests[i].name,
		    !WIFSIGNALED(status)             ? ""
		    : WTERMSIG(status) == SIGALRM    ? " (too slow, or a deadlock)"
		                                     : " (killed by a signal)");
	return status == 0;
}

/* 0: the system's name is not `name`. */
static int look_up(const char *name)
{
	const struct dmm_system *(*entry)(void);

	*(void **)&entry = dlsym(RTLD_DEFAULT, DMM_SYSTEM_SYMBOL);
	any_malloc = strcmp(name, "-") == 0;
	is_vm = entry != NULL && strcmp(entry()->name, "vm") == 0;
	traits = entry != NULL ? entry()->traits : DMM_FREES;
	if (strcmp(name, "slab") == 0)
		return dlsym(RTLD_DEFAULT, "dmm_slab_root") != NULL;
	return any_malloc || (entry != NULL && strcmp(entry()->name, name) == 0);
}

/* WORD: tests whose name holds it; !WORD: all others. */
static bool wanted(const char *name, const char *word)
{
	return word[0] == '!' ? strstr(name, word + 1) == NULL : strstr(name, word) != NULL;
}

int main(int argc, char **argv)
{
	size_t ran = 0, failed = 0;

	if (argc < 2 || !look_up(argv[1])) {
		dprintf(STDERR_FILENO, "usage: LD_PRELOAD=libdmm-NAME.so %s NAME [WORD|!WORD]\n",
		    argv[0]);
		return 2;
	}
	for (size_t i = 0; i < count; i++) {
		if (argc > 2 && !wanted(tests[i].name, argv[2]))
			continue;
		ran++;
		failed += !passes(i);
	}
	printf("%s: %zu tests, %zu failed\n", argv[1], ran, failed);
	return ran == 0 || failed != 0;
}
