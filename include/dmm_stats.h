/* dmm_stats.h - what the heap of this process holds, for programs on libdmm.so or libdmm.a.
 *
 *     struct dmm_stats s;
 *     if (dmm_stats != NULL && dmm_stats(&s, sizeof s) == 0)
 *             printf("%llu bytes in %llu objects\n", s.live_bytes, s.live_objects);
 *
 * Both functions are weak: NULL where the program runs on another malloc.  Nothing is gathered for
 * them in malloc and free: they read the tables of the heap, a lock for one chunk of 2 MiB at a
 * time.  While no other thread allocates or frees, every figure is exact; else each object is
 * counted as it was when its slab was read.  The sums below hold always.  Thread-safe, also while
 * other threads hold the heap busy; not async-signal-safe.  They allocate nothing.
 */
#ifndef DMM_STATS_H
#define DMM_STATS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DMM_STATS_CLASSES = 96 };

/* Objects of one size class. */
struct dmm_class_stats {
	uint64_t object_bytes; /* of one object, with its padding */
	uint64_t slabs;
	uint64_t live_objects, free_objects;
};

/* In bytes, but for what is called otherwise.
 *
 *   mapped = live + free + lost + tables
 *   live   = the live objects of all classes, each with its padding, + large + guarded
 */
struct dmm_stats {
	uint64_t mapped_bytes;
	uint64_t live_bytes, live_objects;
	uint64_t large_bytes, large_objects; /* above 32 KiB, in whole granules of 16 KiB */
	uint64_t guarded_bytes, guarded_objects;
	uint64_t free_bytes;   /* free objects, also those in threads' magazines, and free pages */
	uint64_t dirty_bytes;  /* of free: pages that hold memory and go back by malloc_trim() */
	uint64_t lost_bytes;   /* ends of slabs, and what changes hands at this moment */
	uint64_t tables_bytes; /* slab's own */
	uint64_t heaps;        /* most threads at once; one of them serves threads without a heap */
	/* Since the process began: calls of the system by slab, and what went back. */
	uint64_t maps, unmaps, moves, protects, advices, purges;
	uint64_t purged_bytes, unmapped_bytes;
	uint64_t class_count;
	struct dmm_class_stats classes[DMM_STATS_CLASSES];
};

/* Fill the first `bytes` of *out, which may be of an older or a newer header: pass sizeof *out.
 * Returns 0. */
__attribute__((weak)) int dmm_stats(struct dmm_stats *out, size_t bytes);

/* What the slabs of one heap hold: of a thread's, or of a thread's that has ended, until another
 * thread takes it over. */
struct dmm_thread_stats {
	uint64_t thread; /* its thread pointer, on x86-64 its pthread_self(); 0: none has it now */
	uint64_t slabs;
	/* with the padding of each; objects above 32 KiB are in none */
	uint64_t live_objects, live_bytes;
	uint64_t free_objects, free_bytes;
};

/* Fill *out as dmm_stats() does, and at most `count` rows by the number of the heap, from the same
 * look, so that the rows sum to the classes.  Row 0 has slabs that changed hands at this moment,
 * and those of heaps that have no row; row 1 is of threads without a heap.  Returns how many rows
 * there are, which may be more than count.  As exact and as safe as dmm_stats(). */
__attribute__((weak)) size_t dmm_stats_threads(struct dmm_stats *out, size_t bytes,
    struct dmm_thread_stats *rows, size_t count);

enum dmm_stats_format {
	DMM_STATS_TEXT,        /* a line for people */
	DMM_STATS_JSON,        /* one line, with "schema":"dmm-stats" and "version" */
	DMM_STATS_OPENMETRICS, /* also read by Prometheus and node_exporter's textfile collector */
};

/* The same as text, written to a file descriptor.  0, or -1 and errno, as of write(2). */
__attribute__((weak)) int dmm_stats_write(int fd, enum dmm_stats_format format);

#ifdef __cplusplus
}
#endif
#endif
