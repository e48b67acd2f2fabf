/* guarded.h - slab's guarded objects (slab/guarded.h), which lie outside of its heap, from outside;
 * and what one of them has to do with the signal that ended a core's process.
 */
#ifndef LAB_INSPECT_GUARDED_H
#define LAB_INSPECT_GUARDED_H

#include <stdio.h>

#include "inspect/inspect.h"

/* Into v->guarded_*. */
void outside_count_guarded(struct outside *o, struct outside_view *v);
/* If a core's process was ended by an access to a guard: what, by whom allocated and freed.
 * False: nothing. */
bool outside_tell_guarded(FILE *out, struct outside *o);

#endif
