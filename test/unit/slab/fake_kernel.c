/* fake_kernel.c - see fake_kernel.h. */
#include "fake_kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "os/os.h"
#include "slab/hardened.h"
#include "slab/hardened_cache.h"
#include "slab/init.h"
#include "slab/purge.h"
#include "slab/system.h"
#include "slab/thread_cache.h"
#include "test.h"

struct paper paper;
size_t paper_most_window;
bool paper_no_guards;
static const char *text = "";

/* slab asks for its settings where it starts; a plain program of this library has none. */
const char *slab_settings_text(void)
{
	return text;
}

static void *paper_window(void *ctx, size_t len, size_t align)
{
	(void)ctx;
	return paper_most_window != 0 && len > paper_most_window ? NULL
	    : os_linux.window(NULL, len, align);
}

static int paper_map_at(void *ctx, void *p, size_t len)
{
	(void)ctx;
	if (paper.no_map || (paper.most_usable != 0 && len > paper.most_usable))
		return -ENOMEM;
	if ((uintptr_t)p < paper.foreign_end && (uintptr_t)p + len > paper.foreign)
		return -EEXIST;
	paper.mapped_last = (uintptr_t)p;
	paper.tables_grown += (uintptr_t)p < root.base;
	return os_linux.map_at(NULL, p, len);
}

static int paper_unmap(void *ctx, void *p, size_t len)
{
	(void)ctx;
	paper.unmapped_under_page_lock += lock_held(&root.page_lock);
	if (paper.no_unmap)
		return -ENOMEM;
	return os_linux.unmap(NULL, p, len);
}

/* Memory is given back, or pages move: other threads may wait for these locks. */
static void count_locks(bool heaps_too)
{
	paper.waited_for += lock_held(&root.page_lock);
	for (uint32_t i = HEAP_FALLBACK; heaps_too && i < root.heap_count; i++)
		paper.waited_for += lock_held(&heap_at(i)->lock);
}

static void *paper_map(void *ctx, size_t len, size_t align)
{
	(void)ctx;
	const bool refused = paper.no_map || paper.no_segments ||
	    (paper.most_usable != 0 && len > paper.most_usable);
	return refused ? NULL : os_linux.map(NULL, len, align);
}

static int paper_protect(void *ctx, void *p, size_t len, enum dmm_protect how)
{
	(void)ctx;
	if (paper.no_protect)
		return -ENOMEM;
	return os_linux.protect(NULL, p, len, how);
}

static int paper_purge(void *ctx, void *p, size_t len)
{
	(void)ctx;
	paper.purge_calls++;
	if (paper.no_purge)
		return -EAGAIN;
	paper.purged_bytes += len;
	count_locks(true);
	return os_linux.purge(NULL, p, len);
}

static int paper_advise(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	(void)ctx;
	if (paper_no_guards && (what == DMM_ADVICE_GUARD || what == DMM_ADVICE_UNGUARD))
		return -EINVAL;
	if (what == DMM_ADVICE_HUGE || what == DMM_ADVICE_COLLAPSE ||
	    (what == DMM_ADVICE_NOHUGE && (uintptr_t)p != paper.mapped_last))
		count_locks(what == DMM_ADVICE_NOHUGE);
	if (what == DMM_ADVICE_COLLAPSE)
		paper.now_ns += paper.collapse_ns;
	if (what == DMM_ADVICE_POPULATE && (uintptr_t)p >= root.base) /* not of a table */
		paper.now_ns += paper.huge_ns;
	if (paper.count < PAPER_CALLS)
		paper.call[paper.count++] = (struct paper_call){(uintptr_t)p, len, what};
	return what == DMM_ADVICE_HUGE || what == DMM_ADVICE_COLLAPSE ? 0
	    : os_linux.advise(NULL, p, len, what);
}

static enum dmm_touched paper_touched(void *ctx, const void *p)
{
	(void)ctx;
	paper.waited_for += lock_held(&root.page_lock);
	paper.asked++;
	return os_linux.touched(NULL, p);
}

static uint64_t paper_now_ns(void *ctx)
{
	(void)ctx;
	return paper.now_ns;
}

static int paper_move(void *ctx, void *from, void *to, size_t len)
{
	(void)ctx;
	if (paper.no_move)
		return -EINVAL;
	if (paper.moves_in_chunk && (uintptr_t)from / HUGE_PAGE_SIZE !=
	    ((uintptr_t)from + len - 1) / HUGE_PAGE_SIZE)
		return -EFAULT;
	if (paper.moves_every != 0 && ++paper.moves_asked % paper.moves_every == 0)
		return -ENOMEM;
	if (paper.move_loses && paper.moves_before_loss-- == 0) {
		munmap(to, len);
		return -ENXIO;
	}
	paper.moved_bytes += len;
	count_locks(true);
	return os_linux.move(NULL, from, to, len);
}

void paper_begin(const char *settings)
{
	paper_end();
	paper = (struct paper){.os = os_linux, .now_ns = 1000000000, .huge_ns = 100000};
	paper.os.window = paper_window;
	paper.os.map_at = paper_map_at;
	paper.os.map = paper_map;
	paper.os.unmap = paper_unmap;
	paper.os.protect = paper_protect;
	paper.os.purge = paper_purge;
	paper.os.advise = paper_advise;
	paper.os.now_ns = paper_now_ns;
	paper.os.move = paper_move;
	paper.os.touched = paper_touched;
	text = settings;
	/* as in a new process: what the settings say of magazines goes into the table of classes */
	class_count = 0;
	assert_true(slab_start_on(&paper.os));
}

void paper_end(void)
{
	paper.no_protect = paper.no_map = false;
	paper.most_usable = 0;
	purge_by(PURGE_BY_CLOCK);
	if (root.base == 0)
		return;
	if (hardening.on)
		hardened_end();
	slab_shut_down();
}

void paper_pass_ms(unsigned ms)
{
	purge_by_clock(); /* who was woken since looks at the clock now */
	paper.now_ns += (uint64_t)ms * 1000000;
	purge_by_clock();
}

size_t paper_resident(const void *p, size_t len)
{
	unsigned char page[GRANULE / 4096];
	const uintptr_t from = round_down((uintptr_t)p, 4096),
	    to = round_up((uintptr_t)p + len, 4096);
	size_t bytes = 0;

	for (uintptr_t at = from; at < to;) {
		const size_t n = min_size(to - at, GRANULE - at % GRANULE);
		if (mincore((void *)at, n, page) == 0)
			for (size_t i = 0; i < n / 4096; i++)
				bytes += (page[i] & 1) * 4096u;
		at += n;
	}
	return bytes;
}

size_t paper_resident_payload(void)
{
	return paper_resident((void *)root.base, (size_t)root.chunk_count * HUGE_PAGE_SIZE);
}

bool paper_advised(const void *p, enum dmm_advice what)
{
	for (size_t i = 0; i < paper.count; i++)
		if (paper.call[i].what == what && (uintptr_t)p - paper.call[i].at <
		    paper.call[i].len)
			return true;
	return false;
}

void paper_sound(void)
{
	struct dmm_fault why = {.rule = "(none)"};

	if (!slab_check_all(&why))
		fail_msg("broken rule '%s' at %#zx: found %#zx, wanted %#zx", why.rule,
		    (size_t)why.addr,
		    (size_t)why.found, (size_t)why.wanted);
	assert_int_equal(paper.waited_for, 0);
}
