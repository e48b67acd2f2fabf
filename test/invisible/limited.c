/* limited.c - a program with a limit on its addresses or its locked memory; one under a filter.
 *
 *   limited lowered    RLIMIT_AS is lowered after the start: the stack grows, threads begin, mmap
 *                      and dlopen work, and malloc itself is refused what is beyond it
 *   limited threads N  under N MB set before: prints how many threads with 8 MiB stacks can be
 *   limited locked     mlockall() below a limit, without privileges: nothing ahead of need
 *   limited filtered   a filter kills all calls but twelve
 *   limited footprint  prints KiB of addresses and of page tables
 *
 * Exit 0: as it must be.  1: what was not.  77: this machine does not allow it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const size_t MIB = 1 << 20;

static void expect(int it, const char *what)
{
	if (it)
		return;
	fprintf(stderr, "limited: not so: %s\n", what);
	exit(1);
}

static size_t status(const char *field)
{
	char line[256];
	FILE *const f = fopen("/proc/self/status", "re");
	size_t kib = 0;

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, field, strlen(field)) == 0)
			kib = strtoul(line + strlen(field) + 1, NULL, 10);
	if (f != NULL)
		fclose(f);
	return kib;
}

static void limit(int which, size_t to)
{
	const struct rlimit l = {to, to};
	expect(setrlimit(which, &l) == 0, "the limit can be set");
}

static __attribute__((noinline)) int deep(int n)
{
	volatile char frame[4096];
	frame[0] = (char)n;
	return n == 0 ? frame[0] : deep(n - 1) + frame[0];
}

static void *run(void *arg)
{
	free(malloc(100));
	return arg;
}

static void lowered(void)
{
	pthread_t thread;
	char *small[1000];

	for (size_t i = 0; i < 1000; i++)
		small[i] = malloc(3 * i);
	limit(RLIMIT_AS, status("VmSize:") * 1024 + 200 * MIB);
	deep(1500); /* 6 MiB */
	for (int i = 0; i < 8; i++) {
		expect(pthread_create(&thread, NULL, run, NULL) == 0, "a thread begins");
		pthread_join(thread, NULL);
	}
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *const p = mmap(NULL, 50 * MIB, PROT_READ | PROT_WRITE, flags, -1, 0);
	expect(p != MAP_FAILED, "50 MiB can be mapped");
	munmap(p, 50 * MIB);
	expect(dlopen("libm.so.6", RTLD_NOW) != NULL, "a library can be loaded");
	char *const much = malloc(300 * MIB);
	expect(much == NULL && errno == ENOMEM, "malloc is refused what is beyond the limit");
	for (int i = 0; i < 20; i++) { /* what was freed is to be had again, as another size */
		char *const q = malloc((size_t)(100 + i * 2) * MIB);
		expect(q != NULL, "100 to 138 MiB again and again");
		q[0] = q[100 * MIB] = 1;
		free(q);
	}
	for (size_t i = 0; i < 1000; i++)
		free(small[i]);
}

static void *wait_for_ever(void *arg)
{
	free(malloc(1000));
	pause();
	return arg;
}

static void threads(size_t megabytes)
{
	pthread_attr_t attr;
	pthread_t thread;
	int n = 0;

	limit(RLIMIT_AS, megabytes * 1000000);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 8 * MIB);
	while (pthread_create(&thread, &attr, wait_for_ever, NULL) == 0)
		n++;
	printf("%d\n", n);
	fflush(stdout);
	_exit(0);
}

static void locked(void)
{
	struct rlimit l;

	getrlimit(RLIMIT_MEMLOCK, &l);
	if (l.rlim_max < 8 * MIB)
		exit(77);
	limit(RLIMIT_MEMLOCK, l.rlim_max < 24 * MIB ? l.rlim_max : 24 * MIB);
	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		exit(77);
	free(malloc(1000));
	expect(mlockall(MCL_CURRENT) == 0, "mlockall of what there is");
	expect(mlockall(MCL_CURRENT | MCL_FUTURE) == 0, "and of what will be");
	const size_t before = status("VmRSS:");
	for (int i = 0; i < 2000; i++)
		expect(malloc(1000) != NULL, "2 MB of small objects");
	const size_t more = status("VmRSS:") - before;
	if (more > 3000)
		fprintf(stderr, "limited: %zu KiB\n", more);
	expect(more < 3000, "memory is for what is asked for");
}

/* No function that allocates may be called after this. */
static void filter(void)
{
	static const int calls[] = {SYS_read, SYS_write, SYS_mmap, SYS_munmap, SYS_mremap,
	    SYS_mprotect, SYS_madvise, SYS_brk, SYS_futex, SYS_getrandom, SYS_exit, SYS_exit_group};
	enum { CALLS = sizeof calls / sizeof *calls };
	struct sock_filter code[2 * CALLS + 2];
	size_t n = 0;

	const struct sock_filter load =
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_filter kill = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = load;
	for (size_t i = 0; i < CALLS; i++) {
		const unsigned call = (unsigned)calls[i];
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
		code[n++] = allow;
	}
	code[n++] = kill;
	struct sock_fprog program = {(unsigned short)n, code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		exit(77);
}

static void filtered(void)
{
	static char *p[3000];

	filter();
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < 3000; i++)
			if ((p[i] = calloc(1, i % 100 == 0 ? 3 * MIB : i)) != NULL)
				p[i][0] = 1;
		for (size_t i = 0; i < 3000; i++)
			p[i] = realloc(p[i], i % 100 == 0 ? 5 * MIB : 2 * i + 1);
		for (size_t i = 0; i < 3000; i++)
			free(p[i]);
	}
	char *const vast = malloc((size_t)2 << 30);
	free(realloc(vast, (size_t)1 << 30));
	_exit(0);
}

static void footprint(void)
{
	for (int i = 0; i < 2000; i++)
		memset(malloc((size_t)(100 + i % 900)), 1, 100);
	printf("%zu %zu\n", status("VmSize:"), status("VmPTE:"));
}

int main(int argc, char **argv)
{
	const char *const what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "lowered") == 0)
		lowered();
	else if (strcmp(what, "threads") == 0)
		threads(strtoul(argv[2], NULL, 10));
	else if (strcmp(what, "locked") == 0)
		locked();
	else if (strcmp(what, "filtered") == 0)
		filtered();
	else if (strcmp(what, "footprint") == 0)
		footprint();
	else
		return 2;
	return 0;
}
