/* fork.c - a child of a threaded parent finds a whole heap.
 *
 * fork copies one thread, and the memory as it is at that moment: a lock that another thread holds
 * stays held forever in the child, and what it protects half-changed.  So the forking thread first
 * takes every lock of the heap.
 *
 * Lock order: stdio's list of streams, then the heap.  fork itself takes the former after our
 * handler ran, while fflush(NULL) holds it and allocates (an open_memstream() grows): each would
 * wait for the other.  So we take it first; it is recursive.
 *
 * A process that never had a second thread leaves stdio's lock alone, as fork does there: fork may
 * run in a signal handler that interrupted fflush, which goes on with its lock in the child.
 */
#include <pthread.h>

#include "interpose/interpose.h"
#include "os/libc.h"

/* Exported by glibc for its own libraries; elsewhere there may be none. */
extern __attribute__((weak)) void _IO_list_lock(void);
extern __attribute__((weak)) void _IO_list_unlock(void);
extern __attribute__((weak)) void _IO_list_resetlock(void);

/* written and read while the forking thread has the list, or runs alone */
static bool took_streams;

static void before(void)
{
	const bool take = _IO_list_lock != NULL && !libc_single_threaded();

	if (take)
		_IO_list_lock();
	took_streams = take;
	interpose_before_fork();
}

static void after_parent(void)
{
	interpose_after_fork_parent();
	if (took_streams)
		_IO_list_unlock();
}

static void after_child(void)
{
	interpose_after_fork_child();
	if (took_streams)
		_IO_list_resetlock();
}

void fork_guard(void)
{
	pthread_atfork(before, after_parent, after_child);
}
