/* record_store.c - T.tape: memory that outlives the process, for events that it noted and has
 * not written yet.
 *
 * The mapping keeps the file alive when the program closes all descriptors, changes its root or
 * its user: the file is as long as all slots at once, and sparse.  A slot's pages are made before
 * it is used (MADV_POPULATE_WRITE), since the first touch of a page that the disk has no room for
 * would be a SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "observe/record.h"

enum { PATH_LEN = 1100, SLOTS_LEAST = 16, POPULATE_WRITE = 23 };

static struct {
	struct tape_head *head; /* NULL: no file */
	size_t len, slot_len;
	uint32_t slots, cap;
	dev_t dev;
	ino_t ino;
	char path[PATH_LEN];
	bool *here;             /* a page that is wiped in the child of a fork */
} store;

bool store_is_forked(void)
{
	return store.here != NULL && !*store.here;
}

static void watch_forks(void)
{
	void *const p =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return;
	if (madvise(p, 4096, MADV_WIPEONFORK) != 0) {
		/* before Linux 4.14: forks are known by libc's announcement alone */
		munmap(p, 4096);
		return;
	}
	store.here = p;
	*store.here = true;
}

/* Make the pages.  False: there is no room on the disk, or no memory. */
static bool populate(void *at, size_t len)
{
	const struct iovec from = {"", 1};

	if (madvise(at, len, POPULATE_WRITE) == 0)
		return true;
	if (errno != EINVAL)
		return false;
	/* before Linux 5.14: written by the kernel, which raises no SIGBUS */
	for (size_t i = 0; i < len; i += 4096) {
		const struct iovec to = {(char *)at + i, 1};
		if (process_vm_writev(getpid(), &from, 1, &to, 1, 0) != 1)
			return false;
	}
	return true;
}

/* As many slots as the limits of the process leave: its file may be short, its addresses few. */
static uint32_t slots_possible(void)
{
	struct rlimit file, space;
	size_t slots = TAPE_SLOTS;

	if (getrlimit(RLIMIT_FSIZE, &file) == 0 &&
	    file.rlim_cur < TAPE_HEAD_LEN + slots * store.slot_len)
		slots = file.rlim_cur > TAPE_HEAD_LEN
		            ? (file.rlim_cur - TAPE_HEAD_LEN) / store.slot_len
		            : 0;
	if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
		slots = min_size(slots, SLOTS_LEAST);
	return (uint32_t)slots;
}

/* btrfs would otherwise want new room each time a page is written back, and raise SIGBUS where
 * there is none. */
static void keep_in_place(int fd)
{
	struct statfs fs;
	const int flags = FS_NOCOW_FL;

	if (fstatfs(fd, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC)
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static bool map_file(int fd)
{
	struct stat st;

	store.cap = slots_possible();
	store.len = TAPE_HEAD_LEN + store.cap * store.slot_len;
	if (store.cap == 0 || fstat(fd, &st) != 0 || ftruncate(fd, (off_t)store.len) != 0)
		return false;
	keep_in_place(fd);
	void *const p =
	    mmap(NULL, store.len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	madvise(p, store.len, MADV_DONTFORK);
	/* or the kernel reads 2 MB of holes ahead of the first touch: 2 ms */
	madvise(p, store.len, MADV_RANDOM);
	if (!populate(p, TAPE_HEAD_LEN)) {
		munmap(p, store.len);
		return false;
	}
	store.dev = st.st_dev;
	store.ino = st.st_ino;
	store.head = p;
	return true;
}

/* ---- locks that outlive their holders -------------------------------------------------------- */

static void lock_make(union tape_lock *l)
{
	pthread_mutexattr_t kind;

	pthread_mutexattr_init(&kind);
	pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&l->mutex, &kind);
	pthread_mutexattr_destroy(&kind);
}

bool store_lock(union tape_lock *l)
{
	if (likely(pthread_mutex_lock(&l->mutex) != EOWNERDEAD))
		return false;
	pthread_mutex_consistent(&l->mutex);
	return true;
}

void store_unlock(union tape_lock *l)
{
	pthread_mutex_unlock(&l->mutex);
}

/* The packer died while it wrote: the block does not count, unless its columns were emptied. */
static void repair(int fd)
{
	struct tape_head *const h = store.head;
	const uint32_t n = h->writing_slot;

	h->writing_slot = 0;
	if (n == 0 || n > store.slots)
		return;
	const struct tape_slot *const s = (const struct tape_slot *)((char *)h + TAPE_HEAD_LEN +
	                                                             (n - 1) * store.slot_len);
	if (s->state[s->current & 1].columns.events != 0 &&
	    ftruncate(fd, (off_t)h->writing_at) != 0)
		crash_say("record: %s: dmm was killed while it wrote, and the block cannot be cut "
		          "off", store.path);
}

void store_file_take(int fd)
{
	if (store.head != NULL && store_lock(&store.head->file_lock))
		repair(fd);
}

void store_file_give(void)
{
	if (store.head != NULL)
		store_unlock(&store.head->file_lock);
}

/* ---- the packer ------------------------------------------------------------------------------ */

bool store_is_served(const struct tape_slot *s)
{
	return store.head != NULL && atomic_load(&s->served) != 0 &&
	    atomic_load(&store.head->alone) == 0;
}

void store_leave_packer(void)
{
	if (store.head != NULL)
		atomic_store(&store.head->alone, 1);
}

uint64_t store_packed_events(void)
{
	return store.head != NULL ? atomic_load(&store.head->packed_events) : 0;
}

uint64_t store_packed_ns(void)
{
	return store.head != NULL ? atomic_load(&store.head->packed_ns) : 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

void store_open(const char *path, uint64_t start_tick, const struct stat *recording)
{
	const char *name;

	if (store.here == NULL)
		watch_forks();
	crash_format(store.path, sizeof store.path, "%s%s", path, TAPE_SUFFIX);
	store.slot_len = tape_slot_len(record_config.stacks);
	const int at = output_where(store.path, &name);
	const int fd = place_tape(store.path);
	if (fd < 0)
		return;
	if (map_file(fd)) {
		store.head->version = TAPE_VERSION;
		store.head->pid = (uint32_t)getpid();
		store.head->stacks = record_config.stacks;
		store.head->slot_len = (uint32_t)store.slot_len;
		store.head->start_tick = start_tick;
		store.head->dev = recording->st_dev;
		store.head->ino = recording->st_ino;
		store.head->by_clock = record_config.by_clock;
		/* the packer knows nothing of the limit */
		store.head->alone = record_config.size_max != 0;
		lock_make(&store.head->file_lock);
		atomic_store_explicit(&store.head->magic, TAPE_MAGIC, memory_order_release);
	} else {
		unlinkat(at, name, 0);
	}
	close(fd);
}

/* The first pages of a slot, and those of its columns and frames. */
static bool populate_slot(struct tape_slot *s, size_t len)
{
	const size_t bytes = offsetof(struct tape_slot, bytes);

	return populate(s, offsetof(struct tape_slot, raw)) && store_side(s, 0) &&
	       store_side(s, 1) && populate((char *)s + bytes, len - bytes);
}

bool store_side(struct tape_slot *s, uint32_t side)
{
	return populate(s->raw[side], sizeof s->raw[side]);
}

/* Readers of T.tape count it from here on. */
static struct tape_slot *slot_in_file(size_t len)
{
	if (store.head == NULL || store.slots >= store.cap)
		return NULL;
	struct tape_slot *const s = (struct tape_slot *)((char *)store.head + TAPE_HEAD_LEN +
	                                                 store.slots * store.slot_len);
	if (!populate_slot(s, len)) {
		store.cap = store.slots; /* the disk is full: do not try again */
		return NULL;
	}
	return s;
}

struct tape_slot *store_slot(void)
{
	const size_t len = tape_slot_len(record_config.stacks);
	struct tape_slot *s = slot_in_file(len);
	const bool shared = s != NULL;

	if (!shared) {
		void *const p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return NULL;
		madvise(p, len, MADV_DONTFORK);
		s = p;
	}
	lock_make(&s->lock);
	s->frames_len = 1;
	s->self = (uintptr_t)s;
	atomic_store(&s->next, s->raw[0]);
	if (shared)
		atomic_store(&store.head->slots, ++store.slots);
	return s;
}

/* Only if it is still ours: another process may have the name by now. */
void store_remove(void)
{
	const char *name;
	const int at = output_where(store.path, &name);
	struct stat st;

	if (store.head != NULL && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == store.dev && st.st_ino == store.ino)
		unlinkat(at, name, 0);
}

struct tape_names *store_names(void)
{
	static struct tape_names own;
	return store.head != NULL ? &store.head->names : &own;
}

void store_note_idle(bool idle)
{
	if (store.head != NULL)
		atomic_store(&store.head->idle, idle);
}

void store_after_fork(void)
{
	store.head = NULL;
	store.slots = store.cap = 0;
	if (store.here != NULL)
		*store.here = true;
}
