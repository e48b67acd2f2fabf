/* registry.h - every system by its name: the lecture's, slab, and those from outside the tree. */
#ifndef LAB_ALLOCATORS_REGISTRY_H
#define LAB_ALLOCATORS_REGISTRY_H

#include "cli/lab.h"
#include "dmm_system.h"

/* All systems of this build in the lecture's order, then NULL. */
const struct dmm_system *const *registry_systems(void);

/* The one called `name`, or NULL. */
const struct dmm_system *registry_find(const char *name);

/* The same for a word of the command line: "bins", or "mine=path.so" for a shared object that
 * exports dmm_system_entry().  Otherwise says what is wrong, the nearest name, and exits with
 * EXIT_USAGE. */
const struct dmm_system *registry_choose(const char *word);

/* The same for a list, "bins,mine=path.so": adds to `systems`, of which *count are there already.
 * More than `most`: exits with EXIT_USAGE; `option` is what the command line calls the list. */
void registry_choose_list(const char *option, const char *list, const struct dmm_system **systems,
    size_t *count, size_t most);

/* Print all systems with their traits, for dmm systems. */
void systems_print(enum format format);

#endif
