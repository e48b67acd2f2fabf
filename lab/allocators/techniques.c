/* techniques.c - the values of each technique that tests and measurements try. */
#include "allocators/techniques.h"

#include <stdio.h>

#include "dmm_system.h"

const struct technique techniques[TECHNIQUES] = {
    {"fit", DMM_OPT_FIT, {"first", "next", "best", "address"}},
    {"split_min", DMM_OPT_SPLIT_MIN, {"0", "64", "512"}},
    {"coalesce", DMM_OPT_COALESCE, {"now", "deferred", "8"}},
    {"footer", DMM_OPT_FOOTER, {"off", "check"}},
    {"reuse", DMM_OPT_REUSE, {"none", "links", "footer"}},
    {"bin_spacing", DMM_OPT_BIN_SPACING, {"exact", "geometric"}},
    {"mmap_threshold", DMM_OPT_MMAP_THRESHOLD, {"adaptive", "never", "4096"}},
    {"trim_threshold", DMM_OPT_TRIM_THRESHOLD, {"never", "4096"}},
    {"grow_min", DMM_OPT_GROW_MIN, {"4096", "262144"}},
    {"min_chunk", DMM_OPT_MIN_CHUNK, {"usual", "16"}},
    {"runs", DMM_OPT_RUNS, {"off", "16", "256"}},
};

const struct technique tunables[TUNABLES] = {
    {"reuse", DMM_OPT_REUSE, {"none", "links", "footer"}},
    /* early, as a heap that grows by much at once hides what the others gain */
    {"grow_min", DMM_OPT_GROW_MIN, {"4k", "16k", "32k", "64k", "128k", "256k", "1m"}},
    {"min_chunk", DMM_OPT_MIN_CHUNK, {"usual", "16"}},
    {"runs", DMM_OPT_RUNS, {"off", "16", "32", "64", "128", "256"}},
    {"fit", DMM_OPT_FIT, {"first", "next", "best", "address"}},
    {"coalesce", DMM_OPT_COALESCE, {"now", "8", "64", "512", "4k", "16k"}},
    {"split_min", DMM_OPT_SPLIT_MIN, {"0", "64", "128", "256", "512", "1k"}},
    {"bin_spacing", DMM_OPT_BIN_SPACING, {"exact", "geometric"}},
    {"mmap_threshold", DMM_OPT_MMAP_THRESHOLD,
        {"adaptive", "never", "16k", "32k", "64k", "128k", "256k", "1m"}},
    {"trim_threshold", DMM_OPT_TRIM_THRESHOLD, {"never", "4k", "32k", "128k", "512k", "2m"}},
};

const struct technique slab_tunables[SLAB_TUNABLES] = {
    {"purge_again_ms", 0, {"0", "100", "300", "1000"}},
    {"dirty_share_permille", 0, {"0", "15", "30", "60", "125", "250"}},
    {"dirty_floor_bytes", 0, {"0", "64k", "256k", "512k", "1m", "4m"}},
    {"huge_from_mib", 0, {"2", "8", "16", "64", "256", "never"}},
    {"magazine_bytes", 0, {"1k", "4k", "16k", "64k", "256k"}},
    {"magazine_max_objects", 0, {"15", "31", "63", "127", "255"}},
    /* only in a process with threads, where the helper purges */
    {"purge_age_ms", 0, {"50", "100", "200", "400", "1000"}},
    {"purge_tick_ms", 0, {"20", "50", "100", "250"}},
};

const char *const slab_tight[SLAB_TUNABLES] = {"0", "0", "0"};

void slab_tight_conf(char *buf, size_t cap)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < SLAB_TUNABLES; i++)
		if (slab_tight[i] != NULL && len < cap)
			len += (size_t)snprintf(buf + len, cap - len, "%s%s:%s",
			    len != 0 ? "," : "", slab_tunables[i].key, slab_tight[i]);
}
