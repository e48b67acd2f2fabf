/* fuzz_slab.c - see fuzz_slab.h. */
#include "fuzz_slab.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "slab/alloc.h"
#include "slab/hardened_cache.h"
#include "slab/purge.h"
#include "slab/settings.h"
#include "slab/size_class.h"
#include "slab/system.h"


/* Nothing in them is drawn: an input does the same each time. */
static const char *const settings[] = {
    "",
    "dirty_floor_bytes:0,dirty_share_permille:0,purge_age_ms:0,purge_tick_ms:10",
    "guarded:1,guarded_every:1,guarded_slots:8,guarded_report:0",
    "canary:1",
    "guard_large:1",
    "zero_on_free:1,dirty_floor_bytes:0,dirty_share_permille:0",
    "canary:1,zero_on_free:1,check_on_reuse:1,quarantine:8,guard_large:1",
    "quarantine:100,check_on_reuse:1,dirty_floor_bytes:0,dirty_share_permille:0,purge_age_ms:0",
    "canary:1,guard_large:1,guarded:1,guarded_every:1,guarded_slots:3,guarded_report:0",
    "grow_ahead_mib:0,grow_ahead_percent:0,huge_from_mib:2,move_from_bytes:16k",
    "magazine_bytes:1k,magazine_max_objects:2,magazine_min_objects:1",
    "move_from_bytes:never,huge_from_mib:never",
};
static const char *text = "";

/* slab asks for its settings where it starts. */
const char *slab_settings_text(void)
{
	return text;
}

/* ---- refused by kind ------------------------------------------------------------------------- */

enum { PROTECT = 1, PURGE = 2, ADVISE = 4, MOVE = 8, MAP = 16, OPEN_UP = 32, MOVE_LOSES = 64,
    IN_CHUNK = 128 };
static unsigned refused;
static struct dmm_os below;

static void *some_map(void *ctx, size_t len, size_t align)
{
	return (refused & MAP) != 0 ? NULL : below.map(ctx, len, align);
}

static int some_protect(void *ctx, void *p, size_t len, enum dmm_protect how)
{
	const bool no = (refused & PROTECT) != 0 || (how == DMM_PROTECT_RW &&
	    (refused & OPEN_UP) != 0);
	return no ? -ENOMEM : below.protect(ctx, p, len, how);
}

static int some_purge(void *ctx, void *p, size_t len)
{
	return (refused & PURGE) != 0 ? -EAGAIN : below.purge(ctx, p, len);
}

/* The kernel's munmap takes guards away, the arena's does not. */
static int some_unmap(void *ctx, void *p, size_t len)
{
	os_linux.advise(NULL, p, len, DMM_ADVICE_UNGUARD);
	return below.unmap(ctx, p, len);
}

/* Guards are real here, if the kernel has them. */
static int some_advise(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	if ((refused & ADVISE) != 0 || ((refused & OPEN_UP) != 0 && what == DMM_ADVICE_UNGUARD))
		return -EINVAL;
	if (what == DMM_ADVICE_GUARD || what == DMM_ADVICE_UNGUARD)
		return os_linux.advise(NULL, p, len, what);
	return below.advise(ctx, p, len, what);
}

static int some_move(void *ctx, void *from, void *to, size_t len)
{
	if ((refused & MOVE) != 0)
		return -ENOMEM;
	if ((refused & IN_CHUNK) != 0 &&
	    (uintptr_t)from / HUGE_PAGE_SIZE != ((uintptr_t)from + len - 1) / HUGE_PAGE_SIZE)
		return -EFAULT;
	if ((refused & MOVE_LOSES) != 0)
		return mprotect(to, len, PROT_NONE) == 0 ? -ENXIO : -ENOMEM;
	memcpy(to, from, len);
	return below.purge(ctx, from, len);
}

void fuzz_slab_begin(struct stage *stage, const uint8_t *data, size_t len)
{
	struct dmm_os *const os = &stage->arena.os;

	text = len >= 3 && data[0] == FUZZ_SETTINGS
	    ? settings[data[1] % (sizeof settings / sizeof *settings)] : "";
	/* a kernel without guards */
	refused = len >= 3 && data[0] == FUZZ_SETTINGS ? data[2] & ADVISE : 0;
	class_count = 0; /* what the settings say of magazines goes into the table of classes */
	below = *os;
	os->map = some_map;
	os->unmap = some_unmap;
	os->protect = some_protect;
	os->purge = some_purge;
	os->advise = some_advise;
	os->move = some_move;
	os_fault_open(&stage->fault, os);
}

void fuzz_slab_calm(struct stage *stage)
{
	stage->fault.fail_at = stage->fault.fail_from = 0;
	stage->fault.taken_at = stage->fault.budget_bytes = 0;
	refused = stage->fault.lacks = 0;
}

void fuzz_slab_end(void)
{
	if (hardening.on)
		hardened_end();
}

/* A hardened thread's own state is no piece of the heap. */
size_t fuzz_slab_owned(const struct stage *stage)
{
	return hardening.on ? SIZE_MAX : stage_owned(stage);
}

/* ---- operations ------------------------------------------------------------------------------ */

/* By slab itself, which clears only what needs it; looked at where shadow_paint() writes. */
static bool calloc_clean(struct shadow *s, size_t n)
{
	if (s->count == s->cap)
		return true;
	char *const p = slab_calloc(1, n);
	if (p == NULL)
		return true;
	for (size_t at = 0; at < n; at += at % 4096 < 512 || at + 512 > n ? 1 : 4096 - at % 4096)
		if (p[at] != 0) {
			s->why = (struct dmm_fault){"S4 zeroed", (uintptr_t)p + at,
			    (unsigned char)p[at], 0};
			return false;
		}
	const struct shadow_object o = {.p = p, .n = n, .usable = heap_usable(s->heap, p),
	    .tag = ++s->tag,
	    .align = DMM_ALIGN_MIN};
	if (!shadow_put(s, o))
		return false;
	shadow_paint(&o);
	return true;
}

static bool many(struct shadow *s, size_t count, size_t n)
{
	while (count-- > 0)
		if (!shadow_malloc(s, n))
			return false;
	return true;
}

static bool free_many(struct shadow *s, size_t from, size_t count)
{
	while (count-- > 0 && s->count > 0)
		if (!shadow_free(s, from % s->count))
			return false;
	return true;
}

static void pass(struct stage *stage, unsigned ms)
{
	slab_clock_moved(); /* who was woken since looks at the clock now */
	stage->arena.clock_ns += (uint64_t)ms * 1000000;
	slab_clock_moved();
}

/* Of the window as it grows: for a while, or from now on, others have mapped something where it
 * would; a budget ends it half-way; a kernel does not know some kinds of advice. */
static void trouble(struct os_fault *f, unsigned what, unsigned detail)
{
	switch (what) {
	case 1:
		f->taken_at = detail % 4 == 0 ? 0 : f->calls + 1 + detail / 16;
		f->taken_count = detail % 4 == 3 ? UINT64_MAX / 2 : detail % 4;
		break;
	case 2:
		f->budget_bytes = detail % 8 == 0 ? 0 : f->owned_bytes + ((size_t)detail << 14);
		break;
	default:
		f->lacks = detail;
	}
}

bool fuzz_slab_operate(struct stage *stage, struct shadow *s, unsigned what, unsigned detail)
{
	static const size_t small[] = {0, 16, 48, 800, 3000, 9000, 30000, 60000};

	switch (what / 4) {
	case 4:
		stage->fault.fail_from = detail % 4 == 0 ? 0
		    : stage->fault.calls + 1 + detail / 4 % 16;
		return true;
	case 5:
		if (what % 4 == 0)
			refused = detail;
		else
			trouble(&stage->fault, what % 4, detail);
		return true;
	case 6:
		slab_trim((size_t)(detail & ~15u) << 10);
		return true;
	case 7: /* calls learn what is soon asked for again, the clock's purger does not */
		if (what % 4 == 3)
			purge_by(detail % 2 == 0 ? PURGE_BY_CLOCK : PURGE_BY_CALLS);
		else
			pass(stage, detail * 10);
		return true;
	case 8:
	case 9:
		return shadow_malloc(s, ((size_t)(detail + 1) << 14) - what % 4 * 1000);
	case 10:
	case 11:
		return s->count == 0 || shadow_realloc(s, detail % s->count,
		    (size_t)(what % 8 + 1) * 300000 + detail);
	case 12:
	case 13:
		return calloc_clean(s, ((size_t)(detail + 1) << 12) + what % 8 * 60000);
	case 14:
		return shadow_aligned(s, (size_t)1 << (12 + detail % 10),
		    (size_t)(detail & 0xf0) << 8);
	default:
		return what % 2 == 0 ? many(s, 1 + detail / 8, small[detail % 8])
		                     : free_many(s, detail, 1 + detail / 4);
	}
}
