/* record.h - the recorder: a malloc in front of any malloc, noting every call on its thread's tape.
 *
 *      program's thread
 *            |
 *   malloc --+--> real.malloc (the next symbol)
 *            |
 *            +--> tape: sides of 512 raw events --> columns: 16,384 -- full --.
 *                 '---- in a shared mapping of T.tape: trace_tape.h ----'            |
 *                                              T <-- one write -- press: zstd <------'
 *
 * Each tape belongs to one thread; only its owner appends.  dmm record's packer encodes the sides
 * that are full, and makes blocks of the columns that are; without it, the owner does
 * (record_flush.c).  A side is short so that it stays in the cache: 4,096 raw events would push the
 * program's own memory out.  The hot path takes no lock and makes no system call; nothing here ever
 * allocates from the heap that it watches, and no thread is started.  What is on a tape when the
 * process is killed stays in T.tape, and the readers of recordings take it from there.
 *
 * The private part of a tape (struct tape) is wiped in the child of a fork, and the shared part is
 * not mapped there (MADV_WIPEONFORK, MADV_DONTFORK): so a child, by whatever system call it was
 * made, finds out at its first event that it is one, and begins a recording of its own.
 *
 * Who may touch what:
 *   slot.next, .handed, tape.end, .side, frames   the owner; others only read them (acquire)
 *   tape.work, slot.state         under slot.lock, which the packer takes as well
 *   the table of tapes            under tapes.lock; it only grows, so others may read it
 *   the file                      under output.lock, then head.file_lock
 * Lock order: tapes.lock, slot.lock, press.lock, maps.lock, output.lock, head.file_lock.
 */
#ifndef OBSERVE_RECORD_H
#define OBSERVE_RECORD_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/lock.h"
#include "observe/record_python.h"
#include "observe/trace_encode.h"
#include "observe/trace_slot.h"
#include "observe/trace_tape.h"
#include "os/ticks.h"

/* The malloc that the recorder calls. Until it is found, a small one that only bumps a pointer. */
struct real {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	void (*free)(void *);
};
extern struct real real;
void real_find(void);
/* Memory of the time before real_find(): freed by forgetting it. */
bool real_is_boot(const void *p);

enum { FRAMES_SEEN = 2048, STACKS_KNOWN = 1024, SITES = 4096, CLIMB_MAX = 16, WRAPPERS = 64 };
#define SITE_WRAPPER ((uintptr_t)1 << 63)

/* A return address in a wrapper, and where the wrapper's own return address is: at
 * base + offset. */
struct wrapper_site {
	uintptr_t pc;
	int32_t offset;
	int32_t frame; /* base + frame: the stack pointer of who called the wrapper */
	bool by_fp;    /* base: the frame pointer, not the stack pointer */
};

/* A wrapper's return address, the one above it, and the stack of both as trace_raw.stack has it. */
struct known_stack {
	uintptr_t caller, above;
	uint64_t stack;
};

struct tape {
	/* false: the owner is inside the recorder, and what it calls is not the program's */
	bool ready;
	_Atomic bool wanted;    /* false: recording is stopped for now, or for good */
	struct tape_slot *slot; /* in T.tape, or (no such file) in memory of our own */
	struct trace_raw *end;  /* from here on there may be no room for an event of two */
	uint64_t lost;
	uint64_t *frames;      /* deep stacks only: counts and addresses; [0] is unused */
	uint32_t *frames_seen; /* by hash: index in frames */
	/* bounds of the mapping that holds the stack, when last looked at */
	uintptr_t stack_low, stack_top;
	unsigned stack_looks;
	/* by hash: return addresses looked at; SITE_WRAPPER: in a wrapper */
	uintptr_t site[SITES];
	struct wrapper_site wrapper[WRAPPERS]; /* by hash */
	struct known_stack known[STACKS_KNOWN]; /* by hash */
	struct python_thread python;
	uint32_t rewinds; /* how often indices of frames became void */

	uint32_t side;  /* the current one */
	uint32_t sides; /* have pages; those above are made when they are needed */
	bool no_more_sides;
	struct slot_worker work; /* under slot.lock */
	uint64_t looked_ns;
	char name[TAPE_NAME_LEN];  /* as last written to the recording */
	bool gone;                 /* its thread ended; free for the next one */
};

extern __thread struct tape *tape_self;
/* The calling thread's tape, made now; NULL: this call is not recorded. */
struct tape *tape_enter(void);
/* After a fork without fork handlers: the child's tape for this event. NULL: the event is not
 * noted. */
struct tape *tape_off(struct tape *t);
/* The owner's current side is full: on with another one. */
void tape_full(struct tape *t);
/* Between these two no other thread encodes the events of the tape. */
void tape_lock(struct tape *t);
void tape_unlock(struct tape *t);
/* Everything noted so far on it into the file. */
void tape_flush(struct tape *t);
/* Another thread's from now on; what is noted is in the file. */
void tape_rewind(struct tape *t);
void tape_use_side(struct tape *t, uint32_t side);
void flush_after_fork(void);
/* Everything noted so far, of all threads, into the file.  False: a signal interrupted the
 * recorder, and what is on the tapes has to stay there. */
bool tapes_flush(void);
uint64_t tapes_lost(void);
/* Record calls from now on, or do not; async-signal-safe. */
void tapes_want(bool wanted);
uint32_t tapes_count(void);
bool tapes_wanted(void);
/* The child's: nothing of the parent's, but that `keep` stays mapped; NULL: none. */
void tapes_after_fork(const struct tape *keep);
size_t tape_len(void); /* bytes of a struct tape with the fields that follow it */

/* ---- signals and forks: record_fork.c -------------------------------------------------------- */

/* Functions that take a lock run with signals blocked: a handler may fork, and its child must find
 * every lock free. */
/* malloc is no cancellation point, but the system calls of the recorder are: so a thread is not
 * cancelled there either. */
struct signals {
	sigset_t mask;
	int cancel;
};

static inline void signals_block(struct signals *before)
{
	sigset_t all;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before->cancel);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before->mask);
}

static inline void signals_restore(const struct signals *before)
{
	pthread_sigmask(SIG_SETMASK, &before->mask, NULL);
	pthread_setcancelstate(before->cancel, NULL);
}


/* ---- T.tape: the shared part of the tapes ---------------------------------------------------- */

/* Map PATH.tape.  Where that is not possible, slots come from memory of our own. */
struct stat;
void store_open(const char *path, uint64_t start_tick, const struct stat *recording);
/* A new slot, zeroed but for its address and its lock; NULL: no memory.  The sides below
 * TAPE_SIDES_FIRST have pages. */
enum { TAPE_SIDES_FIRST = 2 };
struct tape_slot *store_slot(void);
/* Make the pages of another side.  False: no room. */
bool store_side(struct tape_slot *s, uint32_t side);
/* Does the packer empty that slot's queue? */
bool store_is_served(const struct tape_slot *s);
/* True: the holder before died with the lock. */
bool store_lock(union tape_lock *l);
void store_unlock(union tape_lock *l);
/* T is one file for the process and the packer: who appends to it is between these two.  fd: T. */
void store_file_take(int fd);
void store_file_give(void);
/* The process encodes alone from now on. */
void store_leave_packer(void);
/* The packer's work: events, and its processor time in ns. */
uint64_t store_packed_events(void);
uint64_t store_packed_ns(void);
/* The process ends in order, and everything is in the recording: remove the file. */
void store_remove(void);
void store_note_idle(bool idle);
/* Where names wait that are not yet in the recording: in T.tape, or in memory of our own. */
struct tape_names *store_names(void);
void store_after_fork(void);
/* Is this the child of a fork, and store_after_fork() was not yet called? */
bool store_is_forked(void);

/* Settings, constant once record_configure() ran. */
struct record_config {
	enum trace_stacks stacks;
	bool scrub;
	/* dlopen keeps RTLD_DEEPBIND, and calls of such libraries are not recorded */
	bool deepbind;
	bool deep;     /* stacks > TRACE_CALLER */
	bool climbs;   /* stacks == TRACE_CALLER */
	bool python;   /* the program is a Python, and its functions are named */
	bool by_clock; /* the cheap ticks are not steady here */
	int level;     /* of zstd */
	uint64_t size_max; /* bytes of all recordings of the processes together; 0: no limit */
};
extern struct record_config record_config;
void record_configure(void);

static inline uint64_t record_clock_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* Of this thread alone: what preempts it is not the recorder's. */
static inline uint64_t record_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* In steps of 16 cycles, about 8 ns: the counter itself advances in steps of 10 where we measured,
 * and what is below is noise that does not compress. */
static inline uint64_t record_ticks(void)
{
	return unlikely(record_config.by_clock) ? record_clock_ns() : os_ticks() >> 4;
}

/* ---- stacks -------------------------------------------------------------------------------- */

/* The stack whose innermost frame is `caller`, as trace_raw.stack has it.  fp, sp: the
 * caller's registers. */
uint64_t stack_capture(struct tape *t, void *caller, uintptr_t fp, uintptr_t sp);
/* Such a stack, of n <= FRAMES_DEPTH frames; 0: the recording ended. */
uint64_t stack_of_frames(struct tape *t, void *const *frames, size_t n);
void stack_prepare(struct tape *t);
bool stack_find_unwinder(void);
/* Look for the bounds of the stack that this function runs on. */
void stack_bounds(struct tape *t);
/* The caller and, as long as those are wrappers of malloc, who called them; at most
 * CLIMB_MAX.  How many. */
size_t climb(struct tape *t, void *caller, uintptr_t fp, uintptr_t sp, void **frames);
/* Where it is cheap: `caller` is in a wrapper that was climbed before.  The wrapper's return
 * address; 0: not known. */
uintptr_t climb_known(struct tape *t, void *caller, uintptr_t fp, uintptr_t sp);
void climb_after_fork(void);

static inline struct wrapper_site *tape_wrapper(struct tape *t, uintptr_t pc)
{
	return &t->wrapper[(pc ^ pc >> 6) % WRAPPERS];
}

static inline struct known_stack *tape_known(struct tape *t, uintptr_t caller, uintptr_t above)
{
	const uint64_t h = (caller * 5 + above) * UINT64_C(0x9e3779b97f4a7c15);
	return &t->known[h >> 32 & (STACKS_KNOWN - 1)];
}

static inline uintptr_t *tape_site(struct tape *t, const void *caller)
{
	const uintptr_t x = (uintptr_t)caller;
	return &t->site[(x ^ x >> 12) % SITES];
}

/* ---- the file ------------------------------------------------------------------------------ */

/* Open it, unless it is open; write the file head and META.  False: recording has stopped. */
bool output_open(void);
/* The program is about to lose the right to open files of this directory: have them open. */
void output_keep(void);
/* Append a whole block.  A failure is said once, and ends the recording; never the program. */
void output_block(const void *block, size_t len);
void output_text(enum trace_kind kind, const char *text, size_t len);
/* Everything is flushed: write END and remove T.tape. */
void output_end(void);
/* The program becomes another one: what is on the tapes is flushed, which may yet fail
 * to come about. */
void output_before_exec(void);
/* keep: as of tapes_after_fork(). */
void output_after_fork(const struct tape *keep);
bool output_stopped(void);
/* The packer died: what it wrote and did not account for is cut off. */
void output_repair(void);
/* False in the child of a vfork: it shares our memory, and its end is not ours. */
bool output_is_ours(void);
/* --max-size is reached: flush what is on the tapes, and end. */
bool output_is_full(void);
void output_count(uint64_t events, uint64_t ns);
/* Anonymous resident memory of this process in KiB; peak: at most so far. */
uint32_t record_anon_kib(bool peak);

/* ---- the directory of the recording: record_where.c ------------------------------------------ */

/* Remember that of `base`, if it is an absolute path: the program may change its own. */
void where_keep(const char *base);
/* The directory of `path` as openat() wants it, and the name there: also after a chroot. */
int output_where(const char *path, const char **name);
/* The same file at a high number, out of the way of programs that count on low ones. */
int where_high(int fd);
/* May this process, with its present user and groups, create files there? */
bool where_is_writable(void);

/* ---- the names of its files: record_place.c -------------------------------------------------- */

/* Open a recording to append to, which has no byte yet.  An earlier image of this process keeps its
 * calls under another name.  chosen: by the user, who may have made a link of it.  -1: errno says
 * why; EEXIST: something else has the name. */
int place_recording(const char *path, bool chosen, struct stat *st);
/* The same for its T.tape, which an earlier image may have left. */
int place_tape(const char *path);

/* ---- --max-size: record_total.c -------------------------------------------------------------- */

/* Share the count of all processes whose first recording is `base`, if there is one. */
void total_open(const char *base);
void total_add(int64_t bytes);
uint64_t total_bytes(void);
/* The limit is reached, for all.  False: another process found that before. */
bool total_fill(void);
bool total_is_full(void);
void total_after_fork(void);

/* META of this process, and the identity it tells. */
struct record_identity {
	pid_t pid, parent;
	bool forked;
};
enum { META_LEN = 16 << 10 };
size_t meta_text(char *text, size_t cap, const struct record_identity *who);
enum trace_stacks meta_stacks(const char *name);
/* The library whose malloc the recorder calls: asked once, since another thread may hold the
 * loader's lock later. */
void meta_note_allocator(void);
/* Was anything said of other programs? */
uint64_t meta_note_ps(void); /* picoseconds that noting a call takes here */
bool meta_has_news(void);
void meta_note_news(void);
void meta_after_fork(void);

/* Start and stop: by a signal, by dmm_record_start() and dmm_record_stop(). */
void switch_configure(void);

/* A program that is about to be executed by process `pid`, of which no recording will
 * tell: note why. */
void exec_note(pid_t pid, const char *path, char *const env[]);
void exec_failed(pid_t pid);

/* Note the mappings that hold these addresses, if they are new. */
void maps_cover(const uint64_t *addresses, size_t count);
void maps_refresh(void);
/* Is that in a mapping that may be executed? */
bool maps_is_code(uint64_t addr);
void maps_after_fork(void);

/* ---- the hot path -------------------------------------------------------------------------- */

#define CALLER __builtin_return_address(0)
/* In the frame of the function that the program called: stack_of() reads that frame. */
#define IN_PLACE static inline __attribute__((always_inline))

static inline struct tape *tape(void)
{
	struct tape *const t = tape_self;
	return likely(t != NULL) ? t : tape_enter();
}

/* Of a free only its caller is of interest, unless deep stacks are asked for; without stacks it
 * is not written. */
IN_PLACE uint64_t stack_of(struct tape *t, enum trace_op op, void *caller)
{
	const bool plain =
	    (trace_class[op] & TRACE_IS_FREE) != 0 || !record_config.climbs ||
	    (*tape_site(t, caller) == (uintptr_t)caller && !record_config.python);

	if (likely(!record_config.deep && plain))
		return (uint64_t)(uintptr_t)caller;
	return stack_capture(t, caller, *(const uintptr_t *)__builtin_frame_address(0),
	    (uintptr_t)__builtin_dwarf_cfa());
}

enum { EVENTS_AHEAD = 8 };

static inline void publish(struct tape *t, struct trace_raw *next)
{
	atomic_store_explicit(&t->slot->next, next, memory_order_release);
	/* the packer has read that line, so that the store would wait for the other core */
	__asm__ volatile(CPU_PREFETCH_WRITE : : "p"(next + EVENTS_AHEAD));
	if (unlikely(next >= t->end))
		tape_full(t);
}

/* May the owner note an event?  *t: its tape, another one in the child of a fork. */
static inline bool may_note(struct tape **t)
{
	if (unlikely(*t == NULL))
		return false;
	if (unlikely(!(*t)->ready || !(*t)->wanted))
		return (*t = tape_off(*t)) != NULL;
	return true;
}

IN_PLACE void note(struct tape *t, enum trace_op op, uint64_t tick, const void *p, size_t n,
    void *caller)
{
	if (!may_note(&t))
		return;
	const uint64_t stack = stack_of(t, op, caller);
	struct trace_raw *const r = atomic_load_explicit(&t->slot->next, memory_order_relaxed);
	*r = (struct trace_raw){tick << 8 | op, (uintptr_t)p, n, stack};
	publish(t, r + 1);
}

/* An event of two: `more` is the old address or the alignment. */
IN_PLACE void note_more(struct tape *t, enum trace_op op, uint64_t tick, const void *p, size_t n,
    void *caller, uint64_t more)
{
	if (!may_note(&t))
		return;
	const uint64_t stack = stack_of(t, op, caller);
	struct trace_raw *const r = atomic_load_explicit(&t->slot->next, memory_order_relaxed);
	r[0] = (struct trace_raw){tick << 8 | op, (uintptr_t)p, n, stack};
	r[1] = (struct trace_raw){0, more, record_ticks(), 0};
	publish(t, r + 2);
}

#endif
