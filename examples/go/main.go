// A Go program with cgo on libdmm: what its C parts allocate is slab's, and one request has a heap of its own.
// Go's own heap is not replaced: Go's runtime has its own allocator.
//
//	PKG_CONFIG_PATH=PREFIX/lib/pkgconfig go run main.go
package main

/*
#cgo pkg-config: dmm dmm-heaps
#include <stdlib.h>
#include <string.h>
#include <dmm.h>
#include <dmm_stats.h>

static struct dmm_stats stats(void)
{
	struct dmm_stats s;
	dmm_stats(&s, sizeof s);
	return s;
}

static struct dmm_heap *limited(size_t bytes)
{
	return dmm_heap_create(&(struct dmm_heap_options){.limit_bytes = bytes});
}
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"
)

func main() {
	before := C.stats()
	held := make([]unsafe.Pointer, 1000)
	for i := range held {
		held[i] = C.malloc(48)
	}
	full := C.stats()
	for _, p := range held {
		C.free(p)
	}

	request := C.limited(1 << 20) // all that it takes goes at once, and a runaway request ends at 1 MiB
	objects := 0
	for C.dmm_heap_malloc(request, 1000) != nil {
		objects++
	}
	C.dmm_heap_destroy(request)

	fmt.Printf("%d objects by malloc, %d in the request's heap\n", full.live_objects-before.live_objects, objects)
	// Go's other threads may free a few objects meanwhile.
	if full.live_objects < before.live_objects+900 || objects < 900 || objects > 1048 {
		os.Exit(1)
	}
}
