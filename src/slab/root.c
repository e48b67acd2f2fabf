/* root.c - the one root of slab's heap, exported for outside readers: see root.h. */
#include "slab/root.h"

struct slab_root root;
extern __attribute__((visibility("default"), alias("root"))) struct slab_root dmm_slab_root;

struct lock start_lock, purge_lock;
