/* vm.c - DMM system 6: one mmap per chunk, and munmap on free.
 *
 *          +-----------------------------------+
 *  page -> | links | size | size, status       |  header, 32 bytes: the slide's size, and links by
 *  mem --> +-----------------------------------+  which walk finds all chunks (mapping.h)
 *          | payload ...                       |
 *          +-----------------------------------+  whole pages
 *
 *   malloc(n)   mmap n + sizeof(header), store size in header, move forward to payload
 *   free(p)     move backward from payload to header, munmap
 *
 * Invariants, checked under these names: V1 aligned, V2 linked, V3 summed, V4 mirrored (mapping.h).
 *
 * Two system calls a pair, and a page at least for every chunk; but what is freed is gone.
 * As on the slide, malloc(0) is NULL: the one exception to the drop-in contract.
 * Beside the slide: a payload is aligned to 16 bytes; realloc is mremap; and a mapping that the
 * kernel refuses to unmap (past vm.max_map_count holes) is kept and used again.
 * Sees a double free of one of the last 64 chunks freed (a longer gone header is a segmentation
 * fault, or somebody else's by then), and a foreign pointer, unless its page looks like a chunk.
 * Cannot see: an overrun, except where it leaves the last page.
 */
#include "system/systems.h"

#include "system/mapping.h"

struct vm {
	struct mappings chunks;
};

static int vm_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	struct vm *const v = st;
	(void)params;
	mappings_open(&v->chunks, os);
	return 0;
}

static void vm_close(void *st)
{
	struct vm *const v = st;
	mappings_close(&v->chunks);
}

static void *vm_alloc(void *st, size_t n, size_t align)
{
	struct vm *const v = st;
	(void)align;

	if (n == 0)
		return NULL;
	struct mapping *const ps = mapping_new(&v->chunks, n); /* mmap, store size in header */
	if (ps == NULL)
		return NULL;
	return mapping_payload(ps); /* move forward from header to payload */
}

static void vm_free(void *st, void *p)
{
	struct vm *const v = st;

	struct mapping *const ps = mapping_to_free(&v->chunks, p); /* move backward to header */
	mapping_delete(&v->chunks, ps);                            /* munmap */
}

static void *vm_resize(void *st, void *p, size_t n)
{
	struct vm *const v = st;
	struct mapping *const ps = mapping_resize(&v->chunks, mapping_of(p), n);
	return ps != NULL ? mapping_payload(ps) : NULL;
}

static size_t vm_usable(void *st, const void *p)
{
	(void)st;
	return mapping_usable(mapping_of(p));
}

static int vm_walk(void *st, dmm_visit *visit, void *arg)
{
	struct vm *const v = st;
	return mappings_walk(&v->chunks, 0, UINTPTR_MAX, visit, arg);
}

static bool vm_check(void *st, struct dmm_fault *why)
{
	const struct vm *const v = st;
	return mappings_check(&v->chunks, why);
}

static size_t vm_trim(void *st, size_t keep)
{
	struct vm *const v = st;
	(void)keep; /* nothing is kept but what the kernel refused to take */
	return mappings_trim(&v->chunks);
}

const struct dmm_system system_vm = {
    .abi = DMM_SYSTEM_ABI,
    .name = "vm",
    .doc = "one mmap per chunk, munmap on free: fragmentation is the kernel's",
    .traits = DMM_FREES | DMM_INBAND | DMM_USES_MAP | DMM_RETURNS | DMM_SEES_DOUBLE_FREE |
        DMM_SEES_FOREIGN | DMM_ZERO_IS_NULL,
    .align = DMM_ALIGN_MIN,
    .state_size = sizeof(struct vm),
    .open = vm_open,
    .close = vm_close,
    .alloc = vm_alloc,
    .free = vm_free,
    .resize = vm_resize,
    .usable = vm_usable,
    .walk = vm_walk,
    .check = vm_check,
    .trim = vm_trim,
};
