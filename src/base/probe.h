/* probe.h - static probes for perf, bpftrace and SystemTap: a nop, and a note of its place.
 *
 * The note is that of SystemTap's <sys/sdt.h> (type 3 of owner "stapsdt"), written here so that a
 * build needs no header of another project.  A probe costs its nop and the registers of its two
 * arguments, so it stands on slow paths only.  The provider is "dmm":
 *
 *     perf buildid-cache --add libdmm.so.0; perf list sdt
 *     bpftrace -e 'usdt:/usr/lib/libdmm.so.0:dmm:purge { @[ustack] = sum(arg1) }' -p PID
 */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#include <stdint.h>

#include "base/config.h"

/* A note, and the nop that it names.  semaphore: "0", or the name of a PROBE_SEMAPHORE() of this
 * file. */
#define PROBE_NOTE(provider, name, semaphore, arguments, ...)                                      \
	__asm__ volatile("990: nop\n"                                                              \
	                 ".pushsection .note.stapsdt,\"?\",\"note\"\n"                             \
	                 ".balign 4\n"                                                             \
	                 ".4byte 992f - 991f, 994f - 993f, 3\n"                                    \
	                 "991: .asciz \"stapsdt\"\n"                                               \
	                 "992: .balign 4\n"                                                        \
	                 "993: .8byte 990b\n"                                                      \
	                 ".8byte _.stapsdt.base\n"                                                 \
	                 ".8byte " semaphore "\n"                                                  \
	                 ".asciz \"" provider "\"\n"                                               \
	                 ".asciz \"" name "\"\n"                                                   \
	                 ".asciz \"" arguments "\"\n"                                              \
	                 "994: .balign 4\n"                                                        \
	                 ".popsection\n"                                                           \
	                 ".ifndef _.stapsdt.base\n"                                                \
	                 ".pushsection "                                                           \
	                 ".stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"                \
	                 ".weak _.stapsdt.base\n"                                                  \
	                 ".hidden _.stapsdt.base\n"                                                \
	                 "_.stapsdt.base: .space 1\n"                                              \
	                 ".size _.stapsdt.base, 1\n"                                               \
	                 ".popsection\n"                                                           \
	                 ".endif\n" ::__VA_ARGS__)
#define PROBE_VALUE(x) "r"((uint64_t)(uintptr_t)(x))

/* name: an identifier; a and b: numbers or pointers, which the tools see as 64 unsigned bits. */
#define PROBE(name, a, b)                                                                          \
	PROBE_NOTE("dmm", #name, "0", "8@%0 8@%1", PROBE_VALUE(a), PROBE_VALUE(b))

/* A tool that watches the probe raises its semaphore; 0: no tool watches. */
#define PROBE_SEMAPHORE(name)                                                                      \
	HIDDEN volatile unsigned short name __attribute__((section(".probes"), used))

#endif
