/* callers.c - see callers.h. */
#include "os/callers.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "os/frame_rules.h"

/* The registers here, such that the tables hold at that pc. */
#if defined(__x86_64__)
#define HERE(f)                                                                                    \
	__asm__("leaq 0(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2"                            \
	        : "=r"((f).pc), "=r"((f).sp), "=r"((f).fp))
#else
#define HERE(f)                                                                                    \
	__asm__("adr %0, .\n\tmov %1, sp\n\tmov %2, x29\n\tmov %3, x30"                            \
	        : "=r"((f).pc), "=r"((f).sp), "=r"((f).fp), "=r"((f).link))
#endif

enum { PAGE = 4096, FRAME_MAX = 1 << 20, PC_LEAST = PAGE, ADDRESS_BITS = 48 };

/* ---- up the stack ---------------------------------------------------------------------------- */

struct stack_walk {
	struct frame f;
	uintptr_t first, page; /* where it began; a page known to be there (1: none) */
	bool end;
};

/* The kernel reads the signal set before it checks `how`.  So a wrong `how` gives EINVAL if the
 * address can be read, and EFAULT if not.  Every sandbox allows this call. */
static bool readable(uintptr_t page)
{
	const int saved = errno;
	const long r = syscall(SYS_rt_sigprocmask, -1, page, NULL, 8);
	const bool there = r < 0 && errno == EINVAL;
	errno = saved;
	return there;
}

NO_SANITIZE static bool read_word(struct stack_walk *w, uintptr_t at, uintptr_t *out)
{
	const uintptr_t page = round_down(at, PAGE);

	if (at % sizeof *out != 0 || at < w->first || at - w->first > (uintptr_t)64 << 20)
		return false;
	if (page != w->page && !readable(page))
		return false;
	w->page = page;
	*out = *(const uintptr_t *)at;
	return true;
}

static bool plausible(const struct stack_walk *w, uintptr_t frame)
{
	return frame > w->f.sp && frame - w->f.sp <= FRAME_MAX;
}

/* pc: inside the call instruction. */
static bool step_by_table(struct stack_walk *w, uintptr_t pc)
{
	struct frame_rules r;
	struct frame up = {.link = w->f.link, .fp = w->f.fp, .pc = w->f.link};

	if (!frame_rules_at(pc, &r))
		return false;
	if (r.ra.rule == RULE_UNDEFINED) { /* the first function of a thread */
		w->end = true;
		return true;
	}
	up.sp = (r.base == REG_SP ? w->f.sp : w->f.fp) + (uintptr_t)r.offset;
	if (up.sp != w->f.sp && !plausible(w, up.sp))
		return false;
	if (r.ra.rule == RULE_UNKNOWN || (r.ra.rule == RULE_SAME && w->f.link == 0))
		return false;
	if (r.ra.rule == RULE_AT_OFFSET && !read_word(w, up.sp + (uintptr_t)r.ra.offset, &up.pc))
		return false;
	if (r.fp.rule == RULE_AT_OFFSET && !read_word(w, up.sp + (uintptr_t)r.fp.offset, &up.fp))
		return false;
	if (r.fp.rule == RULE_UNKNOWN || r.fp.rule == RULE_UNDEFINED)
		up.fp = 0;
	up.link = 0;
	w->f = up;
	return true;
}

/* [fp] is the caller's fp, and the return address lies above it.  Code compiled at run time, which
 * is in no module, usually keeps that chain; the fp of other code is believed only if the return
 * address is in a module. */
static bool step_by_pointer(struct stack_walk *w, uintptr_t pc)
{
	struct module m;
	struct frame up = {0};

	if (!plausible(w, w->f.fp + 2 * sizeof(uintptr_t)) || w->f.fp < w->f.sp ||
	    !read_word(w, w->f.fp, &up.fp) || !read_word(w, w->f.fp + sizeof(uintptr_t), &up.pc))
		return false;
	if (module_of(pc, &m) && !module_of(up.pc, &m))
		return false;
	up.sp = w->f.fp + 2 * sizeof(uintptr_t);
	w->f = up;
	return true;
}

/* Of the innermost, those in one module are not listed. */
static size_t walk_up(struct frame from, const struct module *skip_in, const void **out, size_t cap)
{
	struct stack_walk w = {
	    .f = from, .first = round_down(from.sp, sizeof(uintptr_t)), .page = 1};
	uintptr_t pc = from.pc; /* of the innermost, the instruction itself */
	size_t n = 0;

	while (n < cap && (step_by_table(&w, pc) || step_by_pointer(&w, pc)) && !w.end) {
		w.f.pc &= ((uintptr_t)1 << ADDRESS_BITS) - 1; /* aarch64 may have signed it */
		if (w.f.pc < PC_LEAST)
			break;
		pc = w.f.pc - 1;
		if (n > 0 || pc < skip_in->start || pc >= skip_in->end)
			out[n++] = (const void *)w.f.pc;
	}
	return n;
}

size_t callers_of(struct frame from, const void **out, size_t cap)
{
	const struct module none = {0};
	return walk_up(from, &none, out, cap);
}

__attribute__((noinline)) size_t callers_here(const void *caller, const void **out, size_t cap)
{
	struct module ours, program;
	struct frame f = {0};

	HERE(f);
	const bool shared = module_of(f.pc, &ours) && module_of_program(&program) &&
	    /* linked statically, ours are the program's */
	    (f.pc < program.start || f.pc >= program.end);
	if (!shared)
		ours = (struct module){0};
	/* Our own code keeps no frame pointers: without tables the walk would begin astray. */
	struct frame_rules rules;
	const size_t n = frame_rules_at(f.pc, &rules) ? walk_up(f, &ours, out, cap) : 0;
	if (n != 0 || caller == NULL || cap == 0)
		return n;
	out[0] = caller;
	return 1;
}
