/* reuse.h - payload reuse: how many bytes a chunk spends on itself, in the appendix's steps.
 *
 *   reuse:none    32 bytes   header 16 (status and size, next), footer 16 (size, prev): as taught
 *   reuse:links   16 bytes   header 8, footer 8: next and prev live in the payload of free chunks,
 *                            for free chunks do not have a payload and chunks in use no links
 *   reuse:footer   8 bytes   header 8: a live chunk has no footer either; its neighbour's P bit
 *                            says whether there is one to read
 */
#ifndef SYSTEM_POLICY_REUSE_H
#define SYSTEM_POLICY_REUSE_H

#include "base/assert.h"
#include "dmm_system.h"

/* Bytes before the payload. */
static inline size_t reuse_header(enum dmm_reuse reuse)
{
	DEBUG_CHECK(reuse <= DMM_REUSE_FOOTER);
	return reuse == DMM_REUSE_NONE ? 16 : 8;
}

/* Bytes after the payload of a live chunk. */
static inline size_t reuse_footer(enum dmm_reuse reuse)
{
	DEBUG_CHECK(reuse <= DMM_REUSE_FOOTER);
	return reuse == DMM_REUSE_NONE ? 16 : reuse == DMM_REUSE_LINKS ? 8 : 0;
}

static inline size_t reuse_overhead(enum dmm_reuse reuse)
{
	return reuse_header(reuse) + reuse_footer(reuse);
}

/* The smallest chunk: it has room for one granule while live, for links and footer while free. */
static inline size_t reuse_chunk_min(enum dmm_reuse reuse)
{
	return reuse == DMM_REUSE_NONE ? 48 : 32;
}

#endif
