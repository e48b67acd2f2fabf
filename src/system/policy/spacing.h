/* spacing.h - bin spacing: which bin holds chunks of a size, counted in units of 16 bytes.
 *
 *   bin_spacing:exact       bin[i] for i units; the last for MAX_BIN units and more
 *   bin_spacing:geometric   bin[i] for i units below 1 KiB, then eight bins for each doubling:
 *                           "more elaborate binning schemes are common"
 */
#ifndef SYSTEM_POLICY_SPACING_H
#define SYSTEM_POLICY_SPACING_H

#include "base/assert.h"
#include "base/bits.h"
#include "dmm_system.h"

enum {
	MAX_BIN = 511, /* the table is a page */
	BINS = MAX_BIN + 1,
	SPACING_EXACT_UNITS = 64,
	SPACING_PER_DOUBLING = 8,
};

static inline size_t spacing_bin(enum dmm_spacing spacing, size_t size)
{
	const size_t units = size / MAX_ALIGN;

	DEBUG_CHECK(units > 0 && size % MAX_ALIGN == 0 && spacing <= DMM_SPACING_GEOMETRIC);
	if (spacing == DMM_SPACING_EXACT || units < SPACING_EXACT_UNITS)
		return min_size(units, MAX_BIN);
	const unsigned doubling = log2_floor(units / SPACING_EXACT_UNITS);
	const size_t eighth = (size_t)(SPACING_EXACT_UNITS / SPACING_PER_DOUBLING) << doubling;
	return SPACING_EXACT_UNITS + doubling * SPACING_PER_DOUBLING + units / eighth -
	    SPACING_PER_DOUBLING;
}

#endif
