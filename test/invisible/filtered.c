/* filtered.c - a program that allows itself a dozen system calls, and is killed for any other.
 *
 *   LD_PRELOAD=libdmm.so filtered
 *
 * It allocates, frees and reallocates, small and large, falls to nothing and grows again, several
 * times.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tasks.h"

enum { OBJECTS = 20000, LARGE = 8 };
static char *objects[OBJECTS];
static uint64_t state = 88172645463325252u;

static size_t draw(size_t below)
{
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return state % below;
}

/* Nothing but write may tell. */
static void fail(const char *what)
{
	if (write(2, what, strlen(what)) < 0 || write(2, "\n", 1) < 0)
		_exit(3);
	_exit(1);
}

static void filter(void)
{
	static const int allowed[] = {SYS_read, SYS_write, SYS_mmap, SYS_munmap, SYS_mremap,
	    SYS_mprotect, SYS_madvise,
	    SYS_brk, SYS_futex, SYS_getrandom, SYS_exit, SYS_exit_group};
	enum { COUNT = sizeof allowed / sizeof *allowed };
	struct sock_filter code[COUNT + 3];

	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, nr));
	for (int i = 0; i < COUNT; i++)
		code[1 + i] = (struct sock_filter)BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], (unsigned char)(COUNT - i), 0);
	code[COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[COUNT + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog program = {sizeof code / sizeof *code, code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		skip("seccomp");
}

static void small(void)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		const size_t n = draw(8) == 0 ? draw(20000) + 1 : draw(1000) + 1;
		objects[i] = draw(3) == 0 ? calloc(1, n) : malloc(n);
		if (objects[i] == NULL)
			fail("no memory");
		memset(objects[i], (int)i, n < 4096 ? n : 4096);
	}
	for (size_t i = 0; i < OBJECTS; i += 3)
		if ((objects[i] = realloc(objects[i], draw(3000) + 1)) == NULL)
			fail("no memory");
	for (size_t i = OBJECTS - 1; i > 0; i--) {
		const size_t j = draw(i + 1);
		char *const p = objects[i];
		objects[i] = objects[j];
		objects[j] = p;
	}
	for (size_t i = 0; i < OBJECTS; i++)
		free(objects[i]);
}

static void large(void)
{
	char *p[LARGE];

	for (size_t i = 0; i < LARGE; i++) {
		const size_t n = (draw(24) + 1) << 20;
		p[i] = i % 2 == 0 ? malloc(n) : calloc(1, n);
		if (p[i] == NULL)
			fail("no memory");
		for (size_t at = 0; at < n; at += 4096)
			p[i][at] = 1;
	}
	for (size_t i = 0; i < LARGE; i++)
		if ((p[i] = realloc(p[i], (draw(48) + 1) << 20)) == NULL || p[i][0] != 1)
			fail("realloc");
	for (size_t i = 0; i < LARGE; i++)
		free(p[i]);
}

int main(void)
{
	filter();
	for (int i = 0; i < 6; i++) {
		small();
		large();
	}
	return 0;
}
