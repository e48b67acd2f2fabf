/* segv.c - see segv.h. */
#include "os/segv.h"

#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static void (*told)(const struct segv *);

#if defined(__x86_64__)
static void look(const ucontext_t *context, struct segv *s)
{
	enum { WRITE = 2 }; /* of the page fault's error code */
	const greg_t *const regs = context->uc_mcontext.gregs;

	s->at = (struct frame){.pc = (uintptr_t)regs[REG_RIP], .sp = (uintptr_t)regs[REG_RSP],
	    .fp = (uintptr_t)regs[REG_RBP]};
	s->access = (regs[REG_ERR] & WRITE) != 0 ? ACCESS_WRITE : ACCESS_READ;
}
#else
/* The kernel appends records, the one that says why among them, until an empty one. */
static void look(const ucontext_t *context, struct segv *s)
{
	enum { WRITE = 1 << 6 }; /* of the syndrome of a data abort */
	const mcontext_t *const m = &context->uc_mcontext;
	const struct _aarch64_ctx *record = (const struct _aarch64_ctx *)m->__reserved;

	s->at = (struct frame){.pc = m->pc, .sp = m->sp, .fp = m->regs[29], .link = m->regs[30]};
	while (record->magic != 0 && record->magic != ESR_MAGIC)
		record = (const struct _aarch64_ctx *)((const char *)record + record->size);
	if (record->magic == ESR_MAGIC)
		s->access = (((const struct esr_context *)record)->esr & WRITE) != 0 ? ACCESS_WRITE
		                                                                     : ACCESS_READ;
}
#endif

/* A fault happens again when the handler returns, with its whole context for a core; a signal that
 * was sent must be sent again. */
static void on_segv(int number, siginfo_t *info, void *context)
{
	const int saved = errno;

	if (info->si_code > 0) {
		struct segv s = {.address = info->si_addr};
		look(context, &s);
		told(&s);
	}
	sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
	if (info->si_code <= 0)
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
	errno = saved;
}

/* A Java machine calls the handler that it found at its start, takes its return as "handled", and
 * writes no crash log.  So it must find none: look whether one has started or is about to. */
#pragma weak _r_debug
extern struct r_debug _r_debug; /* glibc's list of libraries; musl has none under this name */
static bool java_is_here(void)
{
	const struct link_map *const first = &_r_debug != NULL ? _r_debug.r_map : NULL;

	for (const struct link_map *l = first; l != NULL; l = l->l_next) {
		const char *const slash = l->l_name != NULL ? strrchr(l->l_name, '/') : NULL;
		if (slash != NULL &&
		    (strcmp(slash, "/libjvm.so") == 0 || strcmp(slash, "/libjli.so") == 0))
			return true;
	}
	return false;
}

bool segv_watch(void (*seen)(const struct segv *))
{
	struct sigaction ours = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
	const int saved = errno;

	if (&_r_debug != NULL && _r_debug.r_state != RT_CONSISTENT)
		return false; /* the list of libraries is being changed */
	told = seen;
	sigfillset(&ours.sa_mask);
	if (sigaction(SIGSEGV, NULL, &old) == 0 && (old.sa_flags & SA_SIGINFO) == 0 &&
	    old.sa_handler == SIG_DFL && !java_is_here())
		sigaction(SIGSEGV, &ours, NULL);
	errno = saved;
	return true;
}

unsigned thread_number(void)
{
	return (unsigned)syscall(SYS_gettid);
}
