/* stdatomic.h - stands before the compiler's own: every atomic operation is a place where another
 * thread may go on (scheduler.h).  All orders are the strongest: interleavings are explored, not
 * weak memory. */
#ifndef TEST_INTERLEAVE_SHIM_STDATOMIC_H
#define TEST_INTERLEAVE_SHIM_STDATOMIC_H

#pragma GCC system_header /* one operation inside another's argument hides its names */

#include_next <stdatomic.h>

void sched_point(const volatile void *at, _Bool changes);

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and
#undef atomic_fetch_and_explicit

/* The compiler's own names, of which src/slab uses some. */
#define __atomic_load_n(P, O)                                                         \
	__extension__({                                                               \
		__auto_type at_ = (P);                                                \
		sched_point(at_, 0);                                                  \
		__atomic_load_n(at_, __ATOMIC_SEQ_CST);                               \
	})
#define __atomic_store_n(P, V, O)                                                     \
	__extension__({                                                               \
		__auto_type at_ = (P);                                                \
		__typeof__((void)0, *at_) to_ = (V);                                  \
		sched_point(at_, 1);                                                  \
		__atomic_store_n(at_, to_, __ATOMIC_SEQ_CST);                         \
	})
#define __atomic_compare_exchange_n(P, E, V, W, O, F)                                 \
	__extension__({                                                               \
		__auto_type at_ = (P);                                                \
		__typeof__((void)0, *at_) with_ = (V);                                \
		sched_point(at_, 1);                                                  \
		__atomic_compare_exchange_n(at_, (E), with_, 0, __ATOMIC_SEQ_CST,     \
		    __ATOMIC_SEQ_CST);                                                \
	})
#define SCHED_RMW(NAME, P, V)                                                         \
	__extension__({                                                               \
		__auto_type at_ = (P);                                                \
		__typeof__((void)0, *at_) with_ = (V);                                \
		sched_point(at_, 1);                                                  \
		NAME(at_, with_, __ATOMIC_SEQ_CST);                                   \
	})
#define atomic_load(P)         __atomic_load_n(P, __ATOMIC_SEQ_CST)
#define atomic_store(P, V)     __atomic_store_n(P, V, __ATOMIC_SEQ_CST)
#define atomic_exchange(P, V)  SCHED_RMW(__atomic_exchange_n, P, V)
#define atomic_fetch_add(P, V) SCHED_RMW(__atomic_fetch_add, P, V)
#define atomic_fetch_sub(P, V) SCHED_RMW(__atomic_fetch_sub, P, V)
#define atomic_fetch_or(P, V)  SCHED_RMW(__atomic_fetch_or, P, V)
#define atomic_fetch_and(P, V) SCHED_RMW(__atomic_fetch_and, P, V)
#define atomic_compare_exchange_strong(P, E, V) \
	__atomic_compare_exchange_n(P, E, V, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define atomic_compare_exchange_weak atomic_compare_exchange_strong

#define atomic_load_explicit(P, O)         atomic_load(P)
#define atomic_store_explicit(P, V, O)     atomic_store(P, V)
#define atomic_exchange_explicit(P, V, O)  atomic_exchange(P, V)
#define atomic_fetch_add_explicit(P, V, O) atomic_fetch_add(P, V)
#define atomic_fetch_sub_explicit(P, V, O) atomic_fetch_sub(P, V)
#define atomic_fetch_or_explicit(P, V, O)  atomic_fetch_or(P, V)
#define atomic_fetch_and_explicit(P, V, O) atomic_fetch_and(P, V)
#define atomic_compare_exchange_strong_explicit(P, E, V, O, F) \
	atomic_compare_exchange_strong(P, E, V)
#define atomic_compare_exchange_weak_explicit(P, E, V, O, F) \
	atomic_compare_exchange_strong(P, E, V)

#endif
