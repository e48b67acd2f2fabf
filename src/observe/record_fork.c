/* record_fork.c - fork() at any moment, also in a signal handler that interrupted the recorder.
 *
 * The handler's child may return into the interrupted call.  So:
 *   - the parts of the recorder that hold locks, or change what others read, run with signals
 *     blocked: no handler of the thread can fork there;
 *   - noting an event is not such a part.  A call that was interrupted there goes on, in the child,
 *     with the tape of the parent's thread.  The child finds that tape as it was, with memory of
 *     its own where the slot is in the parent, and nobody reads what it still notes there: the call
 *     is in the parent's recording.
 * Whether a call was interrupted is not known, so each fork() keeps the forking thread's tape for
 * its child.  One that is made by a bare system call has no handlers: its tapes are wiped.
 */
#include <sys/mman.h>

#include "observe/record.h"

/* forks within handlers of forks within handlers: the oldest are not returned to */
enum { KEPT = 4 };

struct kept_tape {
	struct tape *tape;
	size_t len;
	struct tape_slot *slot;
	size_t slot_len;
	struct trace_raw *next;
};

static __thread struct kept_tape forking;
static struct kept_tape kept[KEPT];
static unsigned keeps;

static void before(void)
{
	struct tape *const t = tape_self;

	forking = (struct kept_tape){.tape = NULL};
	if (t == NULL || store_is_forked())
		return;
	forking = (struct kept_tape){t, tape_len(), t->slot, tape_slot_len(record_config.stacks),
	    atomic_load_explicit(&t->slot->next, memory_order_relaxed)};
	madvise(t, forking.len, MADV_KEEPONFORK);
}

static void in_parent(void)
{
	if (forking.tape != NULL)
		madvise(forking.tape, forking.len, MADV_WIPEONFORK);
	forking.tape = NULL;
}

/* The tape gets room for the event that the interrupted call may still note.  Nobody can have taken
 * the slot's addresses in between: of all fork handlers ours runs first in the child. */
static void keep(const struct kept_tape *k)
{
	struct tape *const t = k->tape;
	struct kept_tape *const oldest = &kept[keeps++ % KEPT];
	void *const at = mmap(k->slot, k->slot_len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (oldest->tape != NULL) {
		munmap(oldest->tape, oldest->len);
		if (oldest->slot_len != 0)
			munmap(oldest->slot, oldest->slot_len);
	}
	*oldest = *k;
	t->slot = k->slot;
	if (at != MAP_FAILED) {
		k->slot->frames_len = 1;
		atomic_store_explicit(&k->slot->next, k->next, memory_order_relaxed);
	} else {
		/* an interrupted call would fault; there is hardly ever one */
		oldest->slot_len = 0;
	}
	t->end = (struct trace_raw *)UINTPTR_MAX;
	t->ready = false;
}

static void in_child(void)
{
	const struct kept_tape k = forking;
	struct signals mask;

	signals_block(&mask);
	forking.tape = NULL;
	output_after_fork(k.tape);
	if (k.tape != NULL)
		keep(&k);
	signals_restore(&mask);
}

/* Before any thread: handlers registered later run before ours, and may still allocate. */
__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(before, in_parent, in_child);
}
