/* vm.c - experiments: unmapping, the VM implementation, GNU's, and the system calls themselves.
 *
 * Here the kernel is the matter: heaps stand on the real break and real mappings, and where time is
 * compared it is the least of several short runs.
 */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/rng.h"
#include "bench/lecture.h"
#include "process/maps.h"

/* A line of /proc/self/status, in KiB. */
static double status_kib(const char *key)
{
	char line[128];
	double kib = NAN;
	FILE *const f = fopen("/proc/self/status", "r");

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			kib = strtod(line + strlen(key) + 1, NULL);
	if (f != NULL)
		fclose(f);
	return kib;
}

static double now_ns(void)
{
	return (double)clock_ns(CLOCK_MONOTONIC);
}

/* ---- memory to be unmapped ------------------------------------------------------------------- */

struct heap_top {
	double free_bytes, last_bytes; /* of the free piece that ends the heap so far */
};

static int see_top(void *arg, const struct dmm_piece *piece)
{
	struct heap_top *const t = arg;

	if (piece->kind == DMM_FREE) {
		t->free_bytes += (double)piece->len;
		t->last_bytes = (double)piece->len;
	} else if (piece->kind == DMM_LIVE) {
		t->last_bytes = 0;
	}
	return 0;
}

static void top_of_heap(struct finding *f)
{
	static const char *const names[] = {"list", "dlist", "bins"};
	const struct churn c = {.ops = 50000, .live = 5000, .size_max = 512};
	static void *slots[5000];
	static size_t sizes[5000];

	for (int i = 0; i < 3; i++) {
		struct bench_heap b;
		struct heap_top top = {0};
		struct rng rng = {1};
		memset(slots, 0, sizeof slots);
		bench_heap_open(&b, lecture_system(names[i]), NULL);
		churn_run(&b, &c, slots, sizes);
		for (size_t k = 0; k < c.live; k++)
			if (rng_below(&rng, 10) != 0)
				bench_free(&b, slots[k]);
		heap_walk(&b.heap, see_top, &top);
		bench_heap_close(&b);
		const double share = 100 * top.last_bytes / top.free_bytes;
		find_text(f, "%s: %.1f %% of what is free is at the high end", names[i], share);
		find_figure(f, names[i], share);
		find_verdict(f, share < 10, "%s has %.0f %% of it at the high end", names[i],
		    share);
	}
	find_text(f, "a random 90 %% of 5000 objects freed");
}

/* Pages that are no longer needed but stay mapped: page tables and memory of pad against list. */
static void page_tables(struct finding *f)
{
	static const char *const names[] = {"pad", "list"};
	const struct churn c = {.ops = 300000, .live = 200, .size_max = 512};
	static void *slots[200];
	static size_t sizes[200];
	double pte_kib[2];

	for (int i = 0; i < 2; i++) {
		struct bench_heap b;
		const double before = status_kib("VmPTE:");
		memset(slots, 0, sizeof slots);
		bench_heap_open_linux(&b, lecture_system(names[i]), NULL);
		churn_run(&b, &c, slots, sizes);
		pte_kib[i] = status_kib("VmPTE:") - before;
		find_text(f, "%s: page tables grow by %.0f KiB, %.1f MiB mapped", names[i],
		    pte_kib[i],
		    (double)b.os.owned_bytes / (1 << 20));
		find_figure(f, names[i], pte_kib[i]);
		bench_heap_close(&b);
	}
	find_verdict(f, pte_kib[0] > 4 * (pte_kib[1] + 1), "pad's page tables are not much larger");
}

/* ---- vm -------------------------------------------------------------------------------------- */

static void vm_calls(struct finding *f)
{
	enum { PAIRS = 1000 };
	struct bench_heap b;

	bench_heap_open(&b, lecture_system("vm"), NULL);
	const uint64_t before = b.os.calls;
	for (int i = 0; i < PAIRS; i++)
		bench_free(&b, bench_alloc(&b, 100));
	const double calls = (double)(b.os.calls - before) / PAIRS;
	bench_heap_close(&b);
	find_text(f, "%.2f system calls per malloc and free", calls);
	find_figure(f, "calls_per_pair", calls);
	find_verdict(f, calls > 1.99 && calls < 2.01, "it is not two calls a pair");
}

/* Nanoseconds of malloc, write to each page, free: the least of several runs. */
static double pair_ns(struct bench_heap *b, size_t n, bool touch)
{
	enum { RUNS = 7 };
	const int pairs = n <= 1 << 20 ? 200 : 4;
	double least = INFINITY;

	for (int run = 0; run < RUNS; run++) {
		const double start = now_ns();
		for (int i = 0; i < pairs; i++) {
			volatile char *const p = bench_alloc(b, n);
			for (size_t at = 0; touch && at < n; at += 4096)
				p[at] = 1;
			bench_free(b, (void *)(uintptr_t)p);
		}
		least = fmin(least, (now_ns() - start) / pairs);
	}
	return least;
}

static double pair_ns_of(const char *name, size_t n, bool touch)
{
	struct bench_heap b;

	bench_heap_open_linux(&b, lecture_system(name), NULL);
	const double ns = pair_ns(&b, n, touch);
	bench_heap_close(&b);
	return ns;
}

static void vm_small(struct finding *f)
{
	const double vm = pair_ns_of("vm", 64, true), bins = pair_ns_of("bins", 64, true);

	f->timed = true;
	find_text(f, "malloc(64), write, free: vm %.0f ns, bins %.0f ns, %.0f times", vm, bins,
	    vm / bins);
	find_figure(f, "vm_ns", vm);
	find_figure(f, "bins_ns", bins);
	find_verdict(f, vm > 5 * bins, "vm takes only %.1f times as long", vm / bins);
}

/* Touching one page in each 2 MiB costs one page of page tables each. */
static void vm_shrinks(struct finding *f)
{
	static const char *const names[] = {"vm", "bins"};
	enum { CHUNKS = 64 };
	const size_t len = 4 << 20;
	double left[2];

	for (int i = 0; i < 2; i++) {
		struct bench_heap b;
		char *p[CHUNKS];
		bench_heap_open_linux(&b, lecture_system(names[i]), NULL);
		const double before = status_kib("VmPTE:");
		for (int k = 0; k < CHUNKS; k++) {
			p[k] = bench_alloc(&b, len);
			p[k][0] = p[k][len / 2] = 1;
		}
		const double peak = status_kib("VmPTE:") - before;
		for (int k = 0; k < CHUNKS; k++)
			bench_free(&b, p[k]);
		left[i] = (status_kib("VmPTE:") - before) / peak;
		find_text(f, "%s: page tables +%.0f KiB with %d chunks of 4 MiB, %.0f %% of that "
		    "after free",
		    names[i], peak, CHUNKS, 100 * left[i]);
		find_figure(f, names[i], 100 * left[i]);
		bench_heap_close(&b);
	}
	find_verdict(f, left[0] < 0.2, "vm keeps %.0f %% of its page tables", 100 * left[0]);
	find_verdict(f, left[1] > 0.8, "bins gives its page tables back too");
}

/* Where vm starts to beat bins: how many chunks that do not fit must the final bin hold? */
static void vm_crossover(struct finding *f)
{
	enum { HOLE = 32 << 10, ASK = 64 << 10, HOLES_MAX = 1 << 14 };
	const double vm_ns = pair_ns_of("vm", ASK, false);
	static void *p[HOLES_MAX];
	size_t holes = 0;
	double bins_ns = 0;

	f->timed = true;
	for (size_t n = 64; n <= HOLES_MAX && holes == 0; n *= 2) {
		struct bench_heap b;
		bench_heap_open_linux(&b, lecture_system("bins"), NULL);
		void *const target = bench_alloc(&b, ASK + HOLE);
		for (size_t i = 0; i < n; i++) {
			p[i] = bench_alloc(&b, HOLE);
			bench_alloc(&b, 16);
		}
		bench_free(&b, target);
		for (size_t i = 0; i < n; i++)
			bench_free(&b, p[i]);
		const double start = now_ns();
		void *const q = bench_alloc(&b, ASK + HOLE);
		bins_ns = now_ns() - start;
		CHECK(q != NULL);
		bench_heap_close(&b);
		if (bins_ns > vm_ns)
			holes = n;
	}
	find_text(f, "malloc(64 KiB): vm %.0f ns a pair; bins needs %.0f ns once %zu chunks that "
	             "do not fit wait in its final bin",
	    vm_ns, bins_ns, holes);
	find_figure(f, "vm_ns", vm_ns);
	find_figure(f, "bins_ns", bins_ns);
	find_figure(f, "holes", (double)holes);
	find_verdict(f, holes != 0, "bins was faster with %d chunks in its final bin too",
	    HOLES_MAX);
}

/* Nanoseconds of malloc and first use, without a free: the kernel's pages, whoever asks for
 * them. */
static double fresh_ns_of(const char *name, size_t n)
{
	enum { CHUNKS = 16 };
	struct bench_heap b;

	bench_heap_open_linux(&b, lecture_system(name), NULL);
	const double start = now_ns();
	for (int i = 0; i < CHUNKS; i++) {
		volatile char *const p = bench_alloc(&b, n);
		for (size_t at = 0; at < n; at += 4096)
			p[at] = 1;
	}
	const double ns = (now_ns() - start) / CHUNKS;
	bench_heap_close(&b);
	return ns;
}

static double kept_bytes(const char *name, size_t n)
{
	struct bench_heap b;

	bench_heap_open(&b, lecture_system(name), NULL);
	bench_free(&b, bench_alloc(&b, 16));
	const double before = (double)b.os.owned_bytes;
	bench_free(&b, bench_alloc(&b, n));
	const double kept = (double)b.os.owned_bytes - before;
	bench_heap_close(&b);
	return kept;
}

/* Good in space always; in time only where a chunk is not used again and again. */
static void vm_large(struct finding *f)
{
	const size_t n = 4 << 20;
	const double again_vm = pair_ns_of("vm", n, true), again_bins = pair_ns_of("bins", n, true);
	const double fresh_vm = fresh_ns_of("vm", n), fresh_bins = fresh_ns_of("bins", n);
	const double kept_vm = kept_bytes("vm", n), kept_bins = kept_bytes("bins", n);

	f->timed = true;
	find_text(f, "4 MiB, after free: vm keeps %.0f bytes, bins %.0f; malloc and first use: vm "
	             "%.0f us, bins %.0f us; malloc, use and free again and again: vm %.0f us, "
	             "bins %.1f us",
	    kept_vm, kept_bins, fresh_vm / 1e3, fresh_bins / 1e3, again_vm / 1e3, again_bins / 1e3);
	find_figure(f, "kept_vm", kept_vm);
	find_figure(f, "kept_bins", kept_bins);
	find_figure(f, "fresh_vm_ns", fresh_vm);
	find_figure(f, "fresh_bins_ns", fresh_bins);
	find_figure(f, "again_vm_ns", again_vm);
	find_figure(f, "again_bins_ns", again_bins);
	find_verdict(f, kept_vm == 0 && kept_bins >= (double)n,
	    "vm keeps memory, or bins does not");
	find_verdict(f, fresh_vm < 1.5 * fresh_bins, "even the first use is slower by %.0f %%",
	    100 * (fresh_vm / fresh_bins - 1));
}

static void vm_zero(struct finding *f)
{
	struct bench_heap b;

	bench_heap_open(&b, lecture_system("vm"), NULL);
	const void *const p = heap_malloc(&b.heap, 0);
	bench_heap_close(&b);
	find_text(f, "malloc(0) returned %s", p == NULL ? "NULL" : "an object");
	find_verdict(f, p == NULL, "malloc(0) gave an object");
}

/* ---- gnu ------------------------------------------------------------------------------------- */

static bool is_mapped(size_t n)
{
	struct bench_heap b;

	bench_heap_open(&b, lecture_system("gnu"), NULL);
	bench_alloc(&b, 16);
	const size_t before = b.arena.map_bytes;
	bench_alloc(&b, n);
	const bool mapped = b.arena.map_bytes > before;
	bench_heap_close(&b);
	return mapped;
}

static void gnu_threshold(struct finding *f)
{
	size_t low = 16, high = 1 << 20; /* low by brk, high by mmap */
	const bool small_by_brk = !is_mapped(low), large_by_map = is_mapped(high);

	while (small_by_brk && large_by_map && high - low > 1) {
		const size_t mid = low + (high - low) / 2;
		*(is_mapped(mid) ? &high : &low) = mid;
	}
	find_text(f, "from %zu bytes on by mmap, below by brk", high);
	find_figure(f, "threshold_bytes", (double)high);
	find_verdict(f, small_by_brk && large_by_map,
	    "small and large chunks come from the same place");
}

/* ---- the system calls ------------------------------------------------------------------------ */

static void sbrk_overflow(struct finding *f)
{
	const bool up = sbrk(INTPTR_MAX) == (void *)-1, down = sbrk(INTPTR_MIN) == (void *)-1;

	find_text(f, "sbrk(INTPTR_MAX) %s, sbrk(INTPTR_MIN) %s", up ? "refused" : "granted",
	    down ? "refused" : "granted");
	find_verdict(f, !up || !down,
	    "this C library checks for overflow and refuses; dmm uses brk() alone");
}

/* At the first instruction of a new program: is there a heap yet? */
struct sections {
	bool heap, stack;
};

static bool note_section(void *arg, const struct map_line *line)
{
	struct sections *const s = arg;

	s->heap |= strcmp(line->path, "[heap]") == 0;
	s->stack |= strcmp(line->path, "[stack]") == 0;
	return true;
}

static void heap_start(struct finding *f)
{
	struct sections seen = {0};
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl("/bin/true", "true", (char *)NULL);
		_exit(EXIT_OURS);
	}
	waitpid(pid, &status, 0);
	maps_visit(pid, note_section, &seen);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	find_text(f, "at its first instruction a process has %s heap section",
	    seen.heap ? "already a" : "no");
	find_verdict(f, seen.stack && !seen.heap, "its break is above its heap start");
}

const struct experiment lecture_vm[] = {
    {"page-tables", "Why Free Memory Dynamically?",
        "Mapping unnecessary VM pages bloats page tables, wastes memory", page_tables},
    {"heap-start", "The Heap Section of Memory", "At process start-up, heap start == program break",
        heap_start},
    {"sbrk-overflow", "Unix Heap Management", "sbrk() is buggy and unreliable in case of overflow",
        sbrk_overflow},
    {"top-of-heap", "What's (Still) Wrong?",
        "Often memory to be unmapped is not at high end of heap",
        top_of_heap},
    {"vm-zero", "VM Mapping Impl", "malloc(0) returns NULL", vm_zero},
    {"vm-calls", "VM Mapping Impl Performance", "One mmap() per malloc(), one munmap() per free()",
        vm_calls},
    {"vm-small", "VM Mapping Impl Performance", "For small chunks: poor", vm_small},
    {"vm-shrinks", "VM Mapping Impl Performance",
        "free() unmaps large chunks of memory, and so shrinks page table", vm_shrinks},
    {"vm-large", "VM Mapping Impl Performance", "For large chunks: maybe good", vm_large},
    {"vm-crossover", "VM Mapping Impl Performance",
        "Large chunks: vm beats bins where the final bin is long", vm_crossover},
    {"gnu-threshold", "The GNU Implementation",
        "Small chunks from the heap by brk(), large chunks by mmap()", gnu_threshold},
    {0},
};
