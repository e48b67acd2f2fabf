/* exhaustive.c - every sequence of mallocs and frees up to a depth, small scope: four sizes, at
 * most four live objects, a heap of 4 KiB.
 *
 *      exhaustive --system=NAME [--depth=8] [--conf=...]
 *
 * "Most faults show in small counterexamples" (Jackson's small scope hypothesis).  The tree of
 * sequences is walked depth first; going back restores the saved memory of heap, system and shadow.
 * After each operation the system's checker, the walk and the contents of all objects are compared.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "flat_os.h"
#include "cli/lab.h"
#include "allocators/registry.h"
#include "torture/shadow.h"
#include "system/policy/params.h"

enum { SIZES = 4, LIVE_MAX = 4, DEPTH_MAX = 12, SMALL_HEAP = 4096 };

/* One level of the search: what it was before the step. */
struct level {
	struct flat_saved memory;
	struct heap heap;
	struct shadow shadow;
	struct shadow_object objects[LIVE_MAX];
};

static struct search {
	struct flat_os os;
	struct heap heap;
	struct shadow shadow;
	struct level levels[DEPTH_MAX];
	char trail[DEPTH_MAX][24]; /* the steps that led here, for a person */
	size_t sizes[SIZES];
	unsigned depth;
	uint64_t nodes, refused;
} s;

static void save(struct level *l)
{
	flat_save(&s.os, &l->memory);
	l->heap = s.heap;
	l->shadow = s.shadow;
	memcpy(l->objects, s.shadow.objects, s.shadow.count * sizeof l->objects[0]);
}

static void restore(const struct level *l)
{
	flat_restore(&s.os, &l->memory);
	s.heap = l->heap;
	s.shadow = l->shadow;
	memcpy(s.shadow.objects, l->objects, s.shadow.count * sizeof l->objects[0]);
}

static void complain(unsigned at)
{
	const struct dmm_fault *const why = &s.shadow.why;
	printf("broken rule '%s' at %#" PRIxPTR ": found %#" PRIx64 ", wanted %#" PRIx64 ", after:",
	    why->rule, why->addr, why->found, why->wanted);
	for (unsigned i = 0; i <= at; i++)
		printf(" %s", s.trail[i]);
	printf("\n");
	exit(EXIT_FAULT);
}

/* Step number `which`: an allocation of one of the sizes, or the free of one of the live. */
static bool step(unsigned which, char trail[24])
{
	if (which < SIZES) {
		snprintf(trail, 24, "malloc(%zu)", s.sizes[which]);
		return shadow_malloc(&s.shadow, s.sizes[which]);
	}
	snprintf(trail, 24, "free(#%u)", which - SIZES); /* by address */
	return shadow_free(&s.shadow, which - SIZES);
}

static void search_from(unsigned at)
{
	const size_t live = s.shadow.count;

	if (at == s.depth)
		return;
	save(&s.levels[at]);
	for (unsigned which = live == LIVE_MAX ? SIZES : 0; which < SIZES + live; which++) {
		s.nodes++;
		const uint64_t refused = s.shadow.refused;
		if (!step(which, s.trail[at]) || !shadow_check(&s.shadow, s.os.now.owned) ||
		    !shadow_contents(&s.shadow))
			complain(at);
		s.refused += s.shadow.refused - refused;
		search_from(at + 1);
		restore(&s.levels[at]);
	}
}

/* Growth by little and a heap of one page, as far as the system can be told. */
static void make_small(const struct dmm_system *sys, struct dmm_params *params)
{
	static const size_t chunks[SIZES] = {16, 48, 200, 1400},
	    pages[SIZES] = {16, 100, 3000, 9000};

	memcpy(s.sizes, sys->options & DMM_OPT_GROW_MIN ? chunks : pages, sizeof s.sizes);
	if (sys->options & DMM_OPT_GROW_MIN)
		params->grow_min = 256;
	if (sys->options & DMM_OPT_MMAP_THRESHOLD) {
		params->mmap_threshold = 1024;
		params->mmap_adaptive = false;
	}
	if (sys->options & DMM_OPT_TRIM_THRESHOLD)
		params->trim_threshold = 512;
}

static int search(const struct dmm_system *sys, const char *conf)
{
	struct dmm_params params = sys->defaults;
	struct conf_error e;
	char *const base = mmap(NULL, FLAT_HEAP + FLAT_PAGES * FLAT_PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	make_small(sys, &params);
	if (conf != NULL && !params_parse(&params, sys, conf, &e))
		lab_die(EXIT_USAGE, "--conf: %s", e.text);
	if (base == MAP_FAILED || !shadow_open(&s.shadow, &s.heap, LIVE_MAX + 1))
		lab_die(EXIT_OURS, "no memory");
	flat_open(&s.os, base, SMALL_HEAP);
	const int r = heap_open(&s.heap, sys, &params, &s.os.os);
	if (r != 0)
		lab_die(EXIT_OURS, "%s does not open on %d pages: %s", sys->name, FLAT_PAGES,
		    strerror(-r));
	search_from(0);
	printf("%-8s depth %u: %" PRIu64 " sequences, %" PRIu64 " requests refused: sound\n",
	    sys->name,
	    s.depth, s.nodes, s.refused);
	return EXIT_FINE;
}

int main(int argc, char **argv)
{
	const char *system = NULL, *conf = NULL;

	s.depth = 8;
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--system=", 9) == 0)
			system = argv[i] + 9;
		else if (strncmp(argv[i], "--conf=", 7) == 0)
			conf = argv[i] + 7;
		else if (strncmp(argv[i], "--depth=", 8) == 0)
			s.depth = (unsigned)min_size(option_count("depth", argv[i] + 8, 1),
			    DEPTH_MAX);
		else
			lab_die(EXIT_USAGE, "usage: exhaustive --system=NAME [--depth=N] "
			    "[--conf=...]");
	}
	if (system == NULL)
		lab_die(EXIT_USAGE, "usage: exhaustive --system=NAME [--depth=N] [--conf=...]");
	return search(registry_choose(system), conf);
}
