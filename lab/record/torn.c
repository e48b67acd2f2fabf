/* torn.c - see torn.h. */
#include "record/torn.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static _Thread_local struct torn_map *volatile touched;
static size_t page;

static bool put_zeros(char *at, size_t len)
{
	return mmap(at, len, PROT_READ | PROT_WRITE,
	           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static void on_sigbus(int number, siginfo_t *what, void *context)
{
	struct torn_map *const m = touched;
	char *const at = (char *)((uintptr_t)what->si_addr & ~(uintptr_t)(page - 1));
	const int saved = errno;

	(void)context;
	if (m != NULL && at >= m->at && at < m->at + m->len && put_zeros(at, page))
		m->torn = true;
	else
		signal(number, SIG_DFL); /* the load is made again, and ends the process */
	errno = saved;
}

void torn_begin(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	page = (size_t)sysconf(_SC_PAGESIZE);
	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

void torn_touch(struct torn_map *m)
{
	touched = m;
}

void torn_unmap(struct torn_map *m)
{
	if (m->torn)
		put_zeros(m->at, m->len);
	else
		munmap(m->at, m->len);
	m->at = NULL;
}
