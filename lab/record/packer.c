/* packer.c - see packer.h.
 *
 * The packer finds the processes by the files T.tape and T.PID.tape that they make (inotify), maps
 * these, and looks every POLL_US at the queues of their slots.  So a process makes no system call
 * to hand its events over.  Where all are quiet the packer looks less often; should a queue be full
 * before, its owner encodes what is in it.
 *
 * Whatever is in T.tape may be damaged by the program: indices are checked, and no lock is waited
 * for without an end.  Where a program cut the file short, torn.h gives zeros; the packer then
 * leaves that process, and trace_settle() says so.
 */
#include "record/packer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/write_all.h"
#include "observe/script_names.h"
#include "observe/trace_slot.h"
#include "os/ticks.h"
#include "record/torn.h"

enum {
	/* each look may take a processor from the program: 0.3 ms cost cc 25 ns a call more */
	POLL_US = 2500,        /* then twice as long each time, while nothing is there */
	POLL_IDLE_US = 5000,
	EXPECTED_MAX = 64,
	TRIES = 500,
	SERVED_MAX = 256,      /* processes at one time; the others encode themselves */
	SIDES_AT_ONCE = 4,     /* under a slot's lock: its owner waits for no more */
	LEVEL = 1,             /* of zstd */
	LOCK_MS = 100,         /* for the file; then the columns wait */
	GONE_POLLS = 200,      /* polls between two looks whether the process exists */
	SEEN = 1024,           /* areas of code already sent to the process, by hash */
	SEEN_SHIFT = 16,
};

/* A process that is served. */
struct client {
	char name[NAME_MAX + 1]; /* of its T.tape */
	struct torn_map map;     /* of its T.tape */
	struct tape_head *head;  /* where that begins */
	size_t slot_len;
	enum trace_stacks stacks;
	int fd;                  /* of its recording */
	uint32_t slots;          /* that are served */
	struct trace_columns *columns[TAPE_SLOTS]; /* NULL: nothing was handed over yet */
	uint64_t seen[SEEN];
};

static struct {
	pthread_t thread;
	bool running;
	_Atomic bool stop;
	char folder[PATH_MAX], first[NAME_MAX + 1]; /* of T */
	int inotify;
	struct client *clients[SERVED_MAX];
	struct expected { /* files that were just made */
		char name[NAME_MAX + 1];
		unsigned tries; /* polls that it has left to become complete */
	} expected[EXPECTED_MAX];
	bool waiting; /* for one of them */
	struct trace_coder *coder;
	uint64_t poll;
} packer = {.inotify = -1};

static struct tape_slot *slot_at(const struct client *c, uint32_t i)
{
	return (struct tape_slot *)((char *)c->head + TAPE_HEAD_LEN + i * c->slot_len);
}

/* ---- clients --------------------------------------------------------------------------------- */

/* The calling thread touches the client's mapping. */
static void leave(struct client *c)
{
	for (uint32_t i = 0; i < c->slots; i++) {
		if (!c->map.torn)
			atomic_store(&slot_at(c, i)->served, 0);
		free(c->columns[i]);
	}
	torn_unmap(&c->map);
	torn_touch(NULL);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

static void leave_place(struct client **place)
{
	torn_touch(&(*place)->map);
	leave(*place);
	*place = NULL;
}

/* Takes from the head what the client goes by: once, since the program may change it. */
static bool is_sound(struct client *c)
{
	const struct tape_head *const h = c->head;
	const uint32_t stacks = *(const volatile uint32_t *)&h->stacks;

	if (atomic_load_explicit(&h->magic, memory_order_acquire) != TAPE_MAGIC ||
	    h->version != TAPE_VERSION || stacks > TRACE_DWARF)
		return false;
	c->stacks = (enum trace_stacks)stacks;
	c->slot_len = tape_slot_len(c->stacks);
	return *(const volatile uint32_t *)&h->slot_len == c->slot_len &&
	    c->map.len >= TAPE_HEAD_LEN + c->slot_len;
}

/* Its recording, if that is the file which the process writes. */
static int open_recording(const struct tape_head *h, const char *name)
{
	char path[2 * PATH_MAX];
	struct stat st;

	snprintf(path, sizeof path, "%s/%.*s", packer.folder,
	    (int)(strlen(name) - strlen(TAPE_SUFFIX)), name);
	const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == h->dev && st.st_ino == h->ino)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* NULL: it is not complete yet, or cannot be served. */
static struct client *meet(const char *name)
{
	char path[2 * PATH_MAX];
	struct stat st = {0};

	snprintf(path, sizeof path, "%s/%s", packer.folder, name);
	const int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct client *const c = fd >= 0 ? calloc(1, sizeof *c) : NULL;
	void *const p = c != NULL && fstat(fd, &st) == 0 && st.st_size > TAPE_HEAD_LEN
	    ? mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
	        0)
	    : MAP_FAILED;
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED) {
		free(c);
		return NULL;
	}
	*c = (struct client){.map = {p, (size_t)st.st_size, false}, .head = p, .fd = -1};
	snprintf(c->name, sizeof c->name, "%s", name);
	madvise(p, c->map.len, MADV_RANDOM);
	torn_touch(&c->map);
	if (is_sound(c) && atomic_load(&c->head->alone) == 0)
		c->fd = open_recording(c->head, name);
	if (c->fd < 0) {
		leave(c);
		return NULL;
	}
	return c;
}

/* A file of this name was made: after an exec, by another image of the process. */
static void expect(const char *name)
{
	struct expected *place = &packer.expected[0];

	for (size_t i = 0; i < SERVED_MAX; i++)
		if (packer.clients[i] != NULL && strcmp(packer.clients[i]->name, name) == 0)
			leave_place(&packer.clients[i]);
	for (size_t i = 0; i < EXPECTED_MAX; i++) /* two clients of one file would both encode */
		if (strcmp(packer.expected[i].name, name) == 0)
			packer.expected[i].tries = 0;
	for (size_t i = 0; i < EXPECTED_MAX; i++)
		if (packer.expected[i].tries < place->tries)
			place = &packer.expected[i];
	snprintf(place->name, sizeof place->name, "%s", name);
	place->tries = TRIES;
}

/* Is any process making its T.tape just now? */
static bool welcome(void)
{
	bool waiting = false;

	for (size_t i = 0; i < EXPECTED_MAX; i++) {
		struct expected *const e = &packer.expected[i];
		struct client **place = packer.clients;
		while (place < packer.clients + SERVED_MAX && *place != NULL)
			place++;
		if (e->tries == 0 || place == packer.clients + SERVED_MAX)
			continue;
		*place = meet(e->name);
		e->tries = *place != NULL ? 0 : e->tries - 1;
		waiting |= e->tries != 0;
	}
	return waiting;
}

/* T.tape, T.PID.tape */
static bool is_ours(const char *name)
{
	const size_t n = strlen(packer.first), len = strlen(name);
	const char *s = name + n;

	if (len <= n || strncmp(name, packer.first, n) != 0)
		return false;
	if (*s == '.' && s[1] >= '0' && s[1] <= '9')
		for (s++; *s >= '0' && *s <= '9'; s++)
			;
	return strcmp(s, TAPE_SUFFIX) == 0;
}

static bool look_for_clients(void)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const ssize_t n = packer.inotify >= 0 ? read(packer.inotify, events, sizeof events) : 0;

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *const e = (const struct inotify_event *)(events + at);
		if (e->len != 0 && is_ours(e->name))
			expect(e->name);
		at += (ssize_t)(sizeof *e + e->len);
	}
	return welcome();
}

/* ---- a slot ---------------------------------------------------------------------------------- */

/* For pthread_mutex_lock() and its like. If the holder died, so did the process; trace_settle()
 * takes what is left of it. */
static bool is_held(struct client *c, union tape_lock *l, int error)
{
	if (error == EOWNERDEAD) {
		atomic_store(&c->head->alone, 1);
		pthread_mutex_unlock(&l->mutex);
	}
	return error == 0;
}

/* Name areas of code that are new to the process: it knows which files it maps. */
static void tell_news(struct client *c, const struct slot_worker *w)
{
	struct tape_slot *const s = w->slot;
	size_t count;
	uint32_t told = 0;
	const uint64_t *const at = trace_columns_addresses(w->columns, &count);

	if (atomic_load_explicit(&s->news_count, memory_order_acquire) != 0)
		return; /* those of this block come again in the next one that has them */
	for (size_t i = 0; i < count && told < TAPE_NEWS; i++) {
		const uint64_t area = at[i] >> SEEN_SHIFT;
		uint64_t *const seen = &c->seen[area * UINT64_C(0x9e3779b97f4a7c15) >> 54];
		if (*seen == area || script_is_address(at[i]))
			continue;
		*seen = area;
		s->news[told++] = at[i];
	}
	atomic_store_explicit(&s->news_count, told, memory_order_release);
}

/* head.file_lock is held.  number: of the slot, from 1 up. */
static bool append(struct client *c, uint32_t number, const void *block, size_t len)
{
	struct stat st;

	if (fstat(c->fd, &st) != 0)
		return false;
	c->head->writing_at = (uint64_t)st.st_size;
	c->head->writing_slot = number;
	if (write_all(c->fd, block, len) == 0)
		return true;
	/* half a block, which no reader can know of */
	if (ftruncate(c->fd, st.st_size) == 0)
		c->head->writing_slot = 0;
	return false;
}

/* The columns become a block.  False: not now; or never, and the process goes on alone. */
static bool write_columns(struct client *c, struct slot_worker *w, uint32_t number)
{
	struct trace_block_info info = slot_info(w);
	const uint32_t events = trace_columns_events(w->columns);
	struct timespec until;
	size_t len;

	info.now_ns = clock_ns(CLOCK_MONOTONIC);
	info.now_tick = c->head->by_clock != 0 ? info.now_ns : os_ticks() >> 4;
	info.anon_kib = atomic_exchange(&w->slot->anon_kib, 0);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += LOCK_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	const int locked = pthread_mutex_timedlock(&c->head->file_lock.mutex, &until);
	if (!is_held(c, &c->head->file_lock, locked))
		return false;
	const void *const block = trace_pack(packer.coder, w->columns, &info, &len);
	const bool written = block != NULL && !c->map.torn && append(c, number, block, len);
	if (written) {
		tell_news(c, w);
		atomic_fetch_add(&c->head->packed_events, events);
		slot_emptied(w);
		c->head->writing_slot = 0;
	} else {
		atomic_store(&c->head->alone, 1); /* the process finds out why, and says so */
	}
	pthread_mutex_unlock(&c->head->file_lock.mutex);
	return written;
}

static bool events_are_sound(const struct tape_slot *s)
{
	const uint32_t done = s->state[s->current & 1].done;
	size_t n;
	const struct trace_raw *r = tape_slot_queued(s, done, &n);
	bool sound = r != NULL;

	for (size_t i = 0; sound && i < n; i++) {
		const unsigned op = (unsigned)(r[i].tick_op & 0xff);
		sound = op < TRACE_OPS && (i + 1 < n || !trace_op_has_more(op));
		i += sound && trace_op_has_more(op);
	}
	return sound;
}

/* slot.lock is held.  False: it has to wait, or the process goes on alone. */
static bool encode(struct client *c, struct slot_worker *w, uint32_t number)
{
	bool fine = !slot_adopt(w) || write_columns(c, w, number);

	for (int i = 0; fine && i < SIDES_AT_ONCE;) {
		if (slot_is_full(w))
			fine = write_columns(c, w, number);
		else if (atomic_load_explicit(&w->slot->handed, memory_order_acquire) ==
		    w->slot->done)
			break;
		else if (!events_are_sound(w->slot)) {
			atomic_store(&c->head->alone, 1);
			break;
		} else {
			slot_encode_side(w);
			i++;
		}
	}
	return fine;
}

/* Did it have anything to do? */
static bool serve_slot(struct client *c, uint32_t i)
{
	struct tape_slot *const s = slot_at(c, i);
	struct slot_worker w = {s, c->columns[i], c->stacks, TAPE_BY_PACKER};
	const bool first = w.columns == NULL;

	if (atomic_load_explicit(&s->handed, memory_order_acquire) == s->done)
		return false;
	if (first) {
		w.columns = c->columns[i] = calloc(1, trace_columns_size());
		if (w.columns == NULL) {
			atomic_store(&c->head->alone, 1);
			return false;
		}
		trace_columns_init(w.columns, s->bytes, tape_layout(w.stacks));
	}
	if (!is_held(c, &s->lock, pthread_mutex_trylock(&s->lock.mutex)))
		return false;
	const uint64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	slot_begin_change(s);
	if (first) /* an earlier client may have met this file, and filled its columns */
		s->encoder = TAPE_BY_PROCESS;
	const bool fine = encode(c, &w, i + 1);
	slot_end_change(s);
	pthread_mutex_unlock(&s->lock.mutex);
	atomic_fetch_add(&c->head->packed_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	return fine;
}

static bool serve(struct client *c)
{
	const uint32_t used = atomic_load(&c->head->slots);
	bool busy = false;

	for (; c->slots < used && c->slots < TAPE_SLOTS &&
	    TAPE_HEAD_LEN + (size_t)(c->slots + 1) * c->slot_len <= c->map.len;
	    c->slots++)
		atomic_store(&slot_at(c, c->slots)->served, 1);
	for (uint32_t i = 0; i < c->slots && atomic_load(&c->head->alone) == 0; i++)
		busy |= serve_slot(c, i);
	return busy;
}

static bool is_gone(const struct client *c)
{
	return c->map.torn || atomic_load(&c->head->alone) != 0 ||
	    (packer.poll % GONE_POLLS == 0 && kill((pid_t)c->head->pid, 0) != 0 && errno == ESRCH);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static bool serve_all(void)
{
	bool busy = false;

	packer.poll++;
	packer.waiting = look_for_clients();
	for (size_t i = 0; i < SERVED_MAX; i++) {
		if (packer.clients[i] == NULL)
			continue;
		torn_touch(&packer.clients[i]->map);
		busy |= serve(packer.clients[i]);
		if (is_gone(packer.clients[i]))
			leave_place(&packer.clients[i]);
	}
	return busy;
}

static void *run(void *arg)
{
	long pause_us = POLL_US;

	(void)arg;
	while (!atomic_load(&packer.stop)) {
		if (serve_all()) {
			pause_us = POLL_US;
			continue;
		}
		const struct timespec pause = {0, pause_us * 1000};
		nanosleep(&pause, NULL);
		if (packer.waiting)
			continue;
		pause_us = pause_us * 2 < POLL_IDLE_US ? pause_us * 2 : POLL_IDLE_US;
	}
	return NULL;
}

/* Where T is. */
static void split(const char *path)
{
	const char *const slash = strrchr(path, '/');

	snprintf(packer.folder, sizeof packer.folder, "%.*s",
	    slash != NULL ? (int)(slash - path) : 1, slash != NULL ? path : ".");
	if (packer.folder[0] == '\0')
		snprintf(packer.folder, sizeof packer.folder, "/");
	snprintf(packer.first, sizeof packer.first, "%s", slash != NULL ? slash + 1 : path);
}

void packer_open(const char *path)
{
	void *const memory = calloc(1, trace_coder_size());

	split(path);
	packer.coder =
	    memory != NULL ? trace_coder_init(memory, trace_coder_size(), LEVEL) : NULL;
	packer.inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (packer.coder == NULL || packer.inotify < 0 ||
	    inotify_add_watch(packer.inotify, packer.folder, IN_CREATE) < 0)
		packer_stop();
}

void packer_start(void)
{
	torn_begin();
	if (packer.coder != NULL)
		packer.running = pthread_create(&packer.thread, NULL, run, NULL) == 0;
}

void packer_stop(void)
{
	atomic_store(&packer.stop, true);
	if (packer.running)
		pthread_join(packer.thread, NULL);
	packer.running = false;
	for (size_t i = 0; i < SERVED_MAX; i++)
		if (packer.clients[i] != NULL)
			leave_place(&packer.clients[i]);
	if (packer.inotify >= 0)
		close(packer.inotify);
	packer.inotify = -1;
	free(packer.coder);
	packer.coder = NULL;
}
