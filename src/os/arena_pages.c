/* arena_pages.c - see arena_pages.h. */
#include "os/arena_pages.h"

#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

enum { PAGE = 4096, BLOCK_PAGES = HUGE_PAGE_SIZE / PAGE };
enum { POPULATE_WRITE = 23 }; /* MADV_POPULATE_WRITE, Linux 5.14 */

/* Page 0 and block 0 begin here, so that blocks lie at the same addresses as the kernel's huge
 * pages. */
static char *first_block(const struct os_arena *a)
{
	return (char *)round_down((uintptr_t)a->heap_end, HUGE_PAGE_SIZE);
}

static size_t blocks(const struct os_arena *a)
{
	return ptr_diff(a->end, first_block(a)) / HUGE_PAGE_SIZE + 1;
}

static size_t touched_len(const struct os_arena *a)
{
	return round_up(blocks(a) * BLOCK_PAGES / 8, PAGE);
}

static size_t page_number(const struct os_arena *a, const void *p)
{
	return ptr_diff(p, first_block(a)) / PAGE;
}

/* Sets or takes bits [from, to); returns how many have changed. */
static size_t change_bits(uint64_t *bits, size_t from, size_t to, bool set)
{
	size_t changed = 0;

	while (from < to) {
		const size_t n = min_size(to - from, 64 - from % 64);
		const uint64_t mask = (n == 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1)
		                      << from % 64;
		uint64_t *const word = &bits[from / 64];
		changed += popcount(set ? mask & ~*word : mask & *word);
		*word = set ? *word | mask : *word & ~mask;
		from += n;
	}
	return changed;
}

bool os_arena_is_reserved(const struct os_arena *a, const void *p)
{
	for (size_t i = 0; i < OS_ARENA_RESERVATIONS; i++)
		if ((const char *)p >= a->reserved[i].from && (const char *)p < a->reserved[i].to)
			return true;
	return false;
}

static size_t huge_len(const struct os_arena *a)
{
	return round_up(blocks(a), PAGE);
}

static bool block_is_empty(const struct os_arena *a, size_t block)
{
	const uint64_t *const word = &a->touched[block * BLOCK_PAGES / 64];
	uint64_t any = 0;

	for (size_t i = 0; i < BLOCK_PAGES / 64; i++)
		any |= word[i];
	return any == 0;
}

/* Returns how many of the pages [from, to) had no memory before. */
static size_t give_memory(struct os_arena *a, size_t from, size_t to)
{
	const size_t fresh = change_bits(a->touched, from, to, true);
	char *const end = first_block(a) + to * PAGE;

	a->touched_bytes += PAGE * fresh;
	if (end > a->touched_top)
		a->touched_top = end;
	return fresh;
}

/* Make pages [from, to) of one block resident; the whole block if the kernel would use a huge
 * page. */
static void touch_in_block(struct os_arena *a, size_t from, size_t to)
{
	const size_t block = from / BLOCK_PAGES;
	const bool huge = a->huge != NULL && a->huge[block] != 0 && block_is_empty(a, block);

	if (huge) {
		from = block * BLOCK_PAGES;
		to = from + BLOCK_PAGES;
	}
	const size_t fresh = give_memory(a, from, to);
	a->faults += huge ? 0 : fresh;
	a->huge_faults += huge;
}

void os_arena_touch(struct os_arena *a, const void *p, size_t len)
{
	if (len == 0 || !os_arena_is_reserved(a, p))
		return;
	const size_t end = page_number(a, (const char *)p + len - 1) + 1;
	for (size_t at = page_number(a, p), next; at < end; at = next) {
		next = min_size(end, round_down(at, BLOCK_PAGES) + BLOCK_PAGES);
		touch_in_block(a, at, next);
	}
}

static void *zeroed(size_t len)
{
	void *const p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p != MAP_FAILED ? p : NULL;
}

/* Advice for the blocks that lie in [p, p + len) as a whole. */
static void advise_blocks(struct os_arena *a, const char *p, size_t len, bool huge)
{
	const size_t from = (page_number(a, p) + BLOCK_PAGES - 1) / BLOCK_PAGES;
	const size_t to = page_number(a, p + len) / BLOCK_PAGES;

	if (a->huge == NULL && huge)
		a->huge = zeroed(huge_len(a));
	if (a->huge != NULL && from < to)
		memset(&a->huge[from], huge, to - from);
}

/* As MADV_COLLAPSE: each block that has any memory becomes a huge page. */
static void collapse(struct os_arena *a, const char *p, size_t len)
{
	const size_t from = (page_number(a, p) + BLOCK_PAGES - 1) / BLOCK_PAGES;
	const size_t to = page_number(a, p + len) / BLOCK_PAGES;

	for (size_t block = from; block < to; block++) {
		if (block_is_empty(a, block))
			continue;
		give_memory(a, block * BLOCK_PAGES, (block + 1) * BLOCK_PAGES);
		a->huge_faults++;
	}
}

static bool is_huge(const struct os_arena *a, const void *p)
{
	return a->huge != NULL && a->huge[page_number(a, p) / BLOCK_PAGES] != 0;
}

void arena_advise(struct os_arena *a, const void *p, size_t len, enum dmm_advice what)
{
	if (!os_arena_is_reserved(a, p))
		return;
	if (what == DMM_ADVICE_HUGE || what == DMM_ADVICE_NOHUGE)
		advise_blocks(a, p, len, what == DMM_ADVICE_HUGE);
	else if (what == DMM_ADVICE_POPULATE && is_huge(a, p))
		os_arena_touch(a, p, len);
	else if (what == DMM_ADVICE_POPULATE)
		madvise((void *)p, len, POPULATE_WRITE);
	else if (what == DMM_ADVICE_COLLAPSE)
		collapse(a, p, len);
}

void arena_untouch(struct os_arena *a, const void *p, size_t len)
{
	const char *const end = (const char *)p + len;

	if (!os_arena_is_reserved(a, p))
		return;
	const size_t from = page_number(a, p),
	             to = page_number(a, end < a->touched_top ? end : a->touched_top);
	a->touched_bytes -= PAGE * change_bits(a->touched, from, to, false);
}

static bool is_touched(const struct os_arena *a, size_t page)
{
	return a->touched[page / 64] >> page % 64 & 1;
}

size_t os_arena_stretch(const struct os_arena *a, const void *p, size_t len, bool *held)
{
	const char *const end = (const char *)p + len;

	*held = !os_arena_is_reserved(a, p);
	if (*held || (const char *)p >= a->touched_top)
		return len;
	size_t page = page_number(a, p);
	*held = is_touched(a, page);
	const char *at = (const char *)round_down((uintptr_t)p, PAGE);
	do {
		at += PAGE;
	} while (at < end && at < a->touched_top && is_touched(a, ++page) == *held);
	return at < end && (at < a->touched_top || *held) ? ptr_diff(at, p) : len;
}

void arena_move_touched(struct os_arena *a, const char *from, const char *to, size_t len)
{
	const size_t source = page_number(a, from), target = page_number(a, to);

	arena_untouch(a, to, len);
	for (size_t i = 0; i < len / PAGE; i++)
		if (os_arena_is_reserved(a, to) && is_touched(a, source + i))
			give_memory(a, target + i, target + i + 1);
	arena_untouch(a, from, len);
}

bool arena_pages_open(struct os_arena *a)
{
	if (a->touched == NULL)
		a->touched = zeroed(touched_len(a));
	return a->touched != NULL;
}

void arena_pages_close(struct os_arena *a)
{
	if (a->touched != NULL)
		munmap(a->touched, touched_len(a));
	if (a->huge != NULL)
		munmap(a->huge, huge_len(a));
}
