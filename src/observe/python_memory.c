/* python_memory.c - memory of the interpreter: read where the kernel says that it is mapped.
 *
 * The kernel copies a byte of each page that is new to a thread (process_vm_readv), and fails where
 * a load would raise SIGSEGV.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "observe/record_python.h"

static pid_t pid; /* of this process; 0: not yet asked */

static pid_t pid_here(void)
{
	if (pid == 0)
		pid = getpid();
	return pid;
}

bool python_peek(uintptr_t at, void *to, size_t n)
{
	const struct iovec local = {to, n}, remote = {(void *)at, n};

	return process_vm_readv(pid_here(), &local, 1, &remote, 1, 0) == (ssize_t)n;
}

bool python_page_is_mapped(struct python_thread *p, uintptr_t page)
{
	const int saved = errno;
	char byte;

	if (!python_peek(page * PYTHON_PAGE, &byte, 1)) {
		errno = saved;
		return false;
	}
	p->page[page % PYTHON_PAGES] = page;
	return true;
}

bool python_copy(struct python_thread *p, uintptr_t from, void *to, size_t n)
{
	if (!is_mapped(p, from, n))
		return false;
	memcpy(to, (const void *)from, n);
	return true;
}

void python_memory_after_fork(void)
{
	pid = 0;
}
