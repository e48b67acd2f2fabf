/* record_tape.c - the tapes: made, flushed, reused.
 *
 * A thread's end is not announced: its tape is given back when the kernel no longer knows the tid.
 * So there is no pthread key, and what a thread frees after all its destructors is noted too.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "observe/record.h"

enum {
	CROWD = 8,         /* new tapes after which ended threads are looked for */
	TAPES_MAX = 16384, /* threads at one time */
};

__thread struct tape *tape_self;
static __thread bool entering;

static struct {
	struct lock lock;
	struct tape *at[TAPES_MAX];
	_Atomic uint32_t count;
	uint32_t serial, fresh; /* tapes made since the last look for ended threads */
	_Atomic bool unwanted;  /* recording is stopped for now */
	uint64_t refused;       /* threads that got no tape */
} tapes;

static void *map(size_t len)
{
	void *const p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

bool tapes_flush(void)
{
	struct tape *const self = tape_self;

	if (self != NULL && !self->ready && !output_is_full())
		return false;
	if (self != NULL)
		self->ready = false;
	for (uint32_t i = 0; i < tapes.count; i++)
		tape_flush(tapes.at[i]);
	if (self != NULL)
		self->ready = !output_stopped();
	return true;
}

uint64_t tapes_lost(void)
{
	uint64_t lost = tapes.refused;
	for (uint32_t i = 0; i < tapes.count; i++)
		lost += tapes.at[i]->lost;
	return lost;
}

uint32_t tapes_count(void)
{
	return tapes.count;
}

void tapes_want(bool wanted)
{
	atomic_store(&tapes.unwanted, !wanted);
	for (uint32_t i = 0; i < tapes.count; i++)
		atomic_store(&tapes.at[i]->wanted, wanted);
}

bool tapes_wanted(void)
{
	return !atomic_load(&tapes.unwanted);
}

/* ---- making and reusing --------------------------------------------------------------------- */

/* Flush and free the tapes of threads that are no more.  tapes.lock is held. */
static void reap(void)
{
	const pid_t pid = getpid();

	tapes.fresh = 0;
	for (uint32_t i = 0; i < tapes.count; i++) {
		struct tape *const t = tapes.at[i];
		if (t->gone || syscall(SYS_tgkill, pid, t->slot->tid, 0) == 0 || errno != ESRCH)
			continue;
		tape_flush(t);
		tape_rewind(t);
		t->gone = true;
	}
}

size_t tape_len(void)
{
	return round_up(sizeof(struct tape), 4096) + trace_columns_size() +
	    (record_config.stacks != TRACE_NONE ? FRAMES_SEEN * sizeof(uint32_t) : 0);
}

static struct tape *tape_map(void)
{
	struct tape *const t = tapes.count < TAPES_MAX ? map(tape_len()) : NULL;
	struct tape_slot *const s = t != NULL ? store_slot() : NULL;

	if (s == NULL) {
		if (t != NULL)
			munmap(t, tape_len());
		return NULL;
	}
	madvise(t, tape_len(), MADV_WIPEONFORK);
	t->slot = s;
	t->work = (struct slot_worker){s,
	    (struct trace_columns *)((char *)t + round_up(sizeof *t, 4096)), record_config.stacks,
	    TAPE_BY_PROCESS};
	trace_columns_init(t->work.columns, s->bytes, tape_layout(record_config.stacks));
	t->frames = tape_slot_frames(s, record_config.stacks);
	if (t->frames != NULL)
		t->frames_seen = (uint32_t *)((char *)t->work.columns + trace_columns_size());
	t->sides = TAPE_SIDES_FIRST;
	tape_use_side(t, 0);
	t->gone = true;
	tapes.at[tapes.count] = t;
	atomic_fetch_add(&tapes.count, 1);
	return t;
}

static struct tape *tape_find(void)
{
	struct tape *t = NULL;

	lock_take(&tapes.lock);
	if (++tapes.fresh > CROWD + tapes.count / 2)
		reap();
	for (uint32_t i = 0; i < tapes.count && t == NULL; i++)
		t = tapes.at[i]->gone ? tapes.at[i] : NULL;
	if (t == NULL)
		t = tape_map();
	if (t != NULL) {
		tape_lock(t);
		slot_restart(&t->work);
		t->slot->tid = (int)syscall(SYS_gettid);
		atomic_store(&t->slot->serial, ++tapes.serial);
		tape_unlock(t);
		t->gone = false;
		t->looked_ns = 0;
		t->name[0] = '\0';
		t->wanted = tapes_wanted();
		t->ready = true;
	}
	tapes.refused += t == NULL;
	lock_give(&tapes.lock);
	return t;
}

struct tape *tape_enter(void)
{
	const int saved = errno;

	struct signals mask;

	if (entering || tape_self != NULL)
		return tape_self;
	signals_block(&mask);
	entering = true;
	record_configure();
	struct tape *const t = output_open() ? tape_find() : NULL;
	if (t != NULL)
		stack_prepare(t);
	tape_self = t;
	entering = false;
	signals_restore(&mask);
	errno = saved;
	return t;
}

struct tape *tape_off(struct tape *t)
{
	struct signals mask;

	(void)t;
	if (!store_is_forked())
		return NULL;
	signals_block(&mask);
	output_after_fork(NULL);
	t = tape_enter();
	signals_restore(&mask);
	return t;
}

/* ---- fork ----------------------------------------------------------------------------------- */

/* The parent's tapes are wiped, their slots are not mapped, and the parent's threads are not here:
 * whatever lock they held is free. */
void tapes_after_fork(const struct tape *keep)
{
	const size_t len = tape_len();

	for (uint32_t i = 0; i < tapes.count; i++)
		if (tapes.at[i] != keep)
			munmap(tapes.at[i], len);
	flush_after_fork();
	lock_reset(&tapes.lock);
	atomic_store(&tapes.count, 0);
	tapes.serial = tapes.fresh = 0;
	tapes.refused = 0;
	tape_self = NULL;
	entering = false;
}

__attribute__((constructor)) static void record_init(void)
{
	tape_enter();
}
