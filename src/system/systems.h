/* systems.h - the designs of the lecture, one page each. */
#ifndef SYSTEM_SYSTEMS_H
#define SYSTEM_SYSTEMS_H

#include "dmm_system.h"

extern const struct dmm_system system_minimal, system_pad, system_list, system_dlist, system_bins,
    system_vm, system_gnu, system_segdata, system_segmeta;

/* All of them in the lecture's order, then NULL. */
extern const struct dmm_system *const systems_of_lecture[];

#endif
