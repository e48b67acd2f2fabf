/* config.h - every compile-time knob of the library, with the rule that it must obey.
 *
 * Knobs are values, never bare #ifdefs: `if (config_debug_check)` always compiles both branches.
 * This is the only file outside src/os that may use #if.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdint.h>

#if defined(__x86_64__)
#define CPU_RELAX "pause"
#define CPU_PREFETCH_WRITE "prefetchw %a0" /* the compiler's builtin reads, for all cores */
#define CPU_BREAKPOINT     0xccul /* int3 */
#define CPU_BREAKPOINT_LEN 1
#elif defined(__aarch64__)
#define CPU_RELAX "yield"
#define CPU_PREFETCH_WRITE "prfm pstl1keep, %a0"
#define CPU_BREAKPOINT     0xd4200000ul /* brk #0 */
#define CPU_BREAKPOINT_LEN 4
#else
#error "dmm is written for 64-bit Linux on x86-64 and aarch64"
#endif

/* The largest page, in bytes, of the kernels on which slab works. */
#if defined(__aarch64__)
enum { PAGE_MOST = 16384 };
#else
enum { PAGE_MOST = 4096 };
#endif

/* What the hit path of slab needs of the processor, where C has no word for it.
 *
 * OWN_SEG: the address space in which thread-local storage begins at 0, so that a field is reached
 * by one instruction; own_offset(x): where the thread-local x lies in it, which is the sum of
 * own_fixed(x), the same for all threads and so fit for a table, and of own_varying(x).
 * own_move(x, n): the pointer x in it moves by n bytes, in one instruction, behind all accesses to
 * memory that stand before it in the code.  own_apart(n): from here on the compiler takes n for
 * another number, so that it adds it in each address, which costs nothing, and not by an
 * instruction for all of them.  computed_here(n): n is in its register before the next own_move().
 * as_result(x): x lies in the register of a function's result, so that no instruction moves it
 * there.
 * write_nothing(p): an access to the byte at p that changes nothing, but is a write to the kernel.
 * bit_drop(): clear bit n % 64; was it set?  bit_add(): set bit n % 64.  bit_scan(): the number of
 * the lowest bit that is set; the compiler's builtin returns an int, which costs two instructions
 * more where the number is added to an address. */
#if defined(__x86_64__)
#define OWN_SEG __seg_fs
#define own_offset(x)                                                         \
	({                                                                        \
		uintptr_t own_offset_;                                                \
		__asm__("movq " #x "@gottpoff(%%rip), %0" : "=r"(own_offset_));       \
		own_offset_;                                                          \
	})
#define own_fixed(x) own_offset(x)
#define own_varying(x) ((uintptr_t)0)
#if defined(__clang__) /* an operand in memory loses its address space there */
#define own_move(x, n)                                     \
	({                                                     \
		atomic_signal_fence(memory_order_seq_cst);         \
		(x) = (void *)((uintptr_t)(x) + (size_t)(n));      \
	})
#else
#define own_move(x, n) __asm__ volatile("addq %1, %0" : "+m"(x) : "e"((long)(n)) : "memory")
#endif
#define own_apart(n)   __asm__("" : "+r"(n))
#define as_result(x)   __asm__("" : "+a"(x))
#define computed_here(n) __asm__ volatile("" : "+r"(n))
#define write_nothing(p) __asm__ volatile("orb $0, %0" : "+m"(*(volatile char *)(p)) : : "cc")
static inline bool bit_drop(uint64_t *word, uint64_t n)
{
	bool was;
	__asm__("btrq %2, %0" : "+r"(*word), "=@ccc"(was) : "r"(n));
	return was;
}
static inline void bit_add(uint64_t *word, uint64_t n)
{
	__asm__("btsq %1, %0" : "+r"(*word) : "r"(n));
}
static inline uint64_t bit_scan(uint64_t word)
{
	uint64_t n;
	/* tzcnt, where the processor has it */
	__asm__("rep bsfq %1, %0" : "=r"(n) : "r"(word) : "cc");
	return n;
}
#else
#define OWN_SEG
#define own_offset(x) ((uintptr_t)&(x))
#define own_fixed(x) ((uintptr_t)0)
#define own_varying(x) own_offset(x)
#define own_move(x, n)                                     \
	({                                                     \
		atomic_signal_fence(memory_order_seq_cst);         \
		(x) = (__typeof__(x))((uintptr_t)(x) + (size_t)(n)); \
	})
#define own_apart(n) (void)0
#define as_result(x) (void)0
#define computed_here(n) (void)0
#define write_nothing(p) \
	((void)atomic_fetch_or_explicit((_Atomic uint8_t *)(p), 0, memory_order_relaxed))
static inline bool bit_drop(uint64_t *word, uint64_t n)
{
	const uint64_t old = *word;
	*word &= ~(1ull << n % 64);
	return *word != old;
}
static inline void bit_add(uint64_t *word, uint64_t n)
{
	*word |= 1ull << n % 64;
}
static inline uint64_t bit_scan(uint64_t word)
{
	return (uint64_t)__builtin_ctzll(word);
}
#endif

/* Data that other files of this library use: reached without the global offset table, one
 * instruction less. */
#define HIDDEN __attribute__((visibility("hidden")))

/* Behind alias(): and the attributes of that function, else gcc warns of their absence. */
#if defined(__clang__)
#define COPY_OF(function)
#else
#define COPY_OF(function) , copy(function)
#endif

/* For functions that use OWN_SEG: a sanitizer takes such an address for one in the common space. */
#define NO_SANITIZE __attribute__((no_sanitize("address", "thread", "undefined")))

#define MAX_ALIGN      16u /* every payload; x86-64 psABI */
#define CACHE_LINE     64u
#define HUGE_PAGE_SIZE (2u << 20)

/* DEBUG_CHECK walks structures: on in debug and sanitizer builds. */
#ifdef DMM_DEBUG
static const bool config_debug_check = true;
#else
static const bool config_debug_check = false;
#endif

static_assert(MAX_ALIGN >= 2 * sizeof(void *), "a link pair must fit an aligned granule");
static_assert((CACHE_LINE & (CACHE_LINE - 1)) == 0, "a power of two");
static_assert(sizeof(void *) == 8 && sizeof(size_t) == 8, "64-bit only");

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
