/* systems.c - the designs of the lecture, in its order. */
#include "system/systems.h"

#include <stddef.h>

const struct dmm_system *const systems_of_lecture[] = {
    &system_minimal,
    &system_pad,
    &system_list,
    &system_dlist,
    &system_bins,
    &system_vm,
    &system_gnu,
    &system_segdata,
    &system_segmeta,
    NULL,
};
