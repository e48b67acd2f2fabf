/* techniques.c - what of each technique is tried. */
#include "techniques.h"

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
};
