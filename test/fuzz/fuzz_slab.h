/* fuzz_slab.h - what fuzz_ops.c asks of slab beyond the operations of every system: settings, kinds
 * of calls that are refused until they are let through, time that passes, trims, and objects of
 * megabytes. */
#ifndef TEST_FUZZ_FUZZ_SLAB_H
#define TEST_FUZZ_FUZZ_SLAB_H

#include "torture/shadow.h"
#include "torture/test_os.h"

/* The stage is open, the heap is not yet; an input that begins with FUZZ_SETTINGS names
 * settings. */
enum { FUZZ_SETTINGS = 0xfe };
void fuzz_slab_begin(struct stage *stage, const uint8_t *data, size_t len);
/* All calls are let through again; and the last before the heap closes. */
void fuzz_slab_calm(struct stage *stage);
void fuzz_slab_end(void);

/* what: 16 to 63.  False: a rule is broken. */
bool fuzz_slab_operate(struct stage *stage, struct shadow *s, unsigned what, unsigned detail);
/* Of what the stage says, what a walk tells of. */
size_t fuzz_slab_owned(const struct stage *stage);

#endif
