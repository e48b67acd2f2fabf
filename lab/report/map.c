/* map.c - the heap map of a design: cells start small, and double when there are too many.
 *
 *   sample 1   [cell][cell]      [cell]            a column holds only cells that own something
 *   sample 2   [cell][cell][cell][cell]
 *               \________/                         too many: neighbours become one, in all columns
 *
 * So the map of a heap of any size and any time takes REPORT_SAMPLES x REPORT_ROWS cells.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "report/report.h"

enum { SHIFT_MIN = 6, GAP_MAX = 16 };

bool map_open(struct report_map *m)
{
	*m = (struct report_map){.shift = SHIFT_MIN, .work_cap = 4 * REPORT_ROWS};
	m->work = malloc(m->work_cap * sizeof *m->work);
	return m->work != NULL;
}

void map_close(struct report_map *m)
{
	for (size_t i = 0; i < m->columns; i++)
		free(m->column[i].cell);
	free(m->work);
}

static size_t coarsen_cells(struct map_cell *cell, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		const uint64_t granule = cell[i].granule >> 1;
		if (kept != 0 && cell[kept - 1].granule == granule) {
			cell[kept - 1].live += cell[i].live;
			cell[kept - 1].owned += cell[i].owned;
		} else {
			cell[kept] = cell[i];
			cell[kept++].granule = granule;
		}
	}
	return kept;
}

static void coarsen(struct report_map *m)
{
	for (size_t i = 0; i < m->columns; i++)
		m->column[i].count = coarsen_cells(m->column[i].cell, m->column[i].count);
	m->work_count = coarsen_cells(m->work, m->work_count);
	m->shift++;
}

static struct map_cell *cell_at(struct report_map *m, uint64_t granule)
{
	if (m->work_count != 0 && m->work[m->work_count - 1].granule == granule)
		return &m->work[m->work_count - 1];
	m->work[m->work_count] = (struct map_cell){.granule = granule};
	return &m->work[m->work_count++];
}

void map_add(struct report_map *m, uint64_t addr, uint64_t len, bool live)
{
	const uint64_t end = addr + len;

	while ((len >> m->shift) + m->work_count + 2 > m->work_cap)
		coarsen(m);
	while (addr < end) {
		const uint64_t next = min_size(end, ((addr >> m->shift) + 1) << m->shift);
		struct map_cell *const c = cell_at(m, addr >> m->shift);
		c->owned += next - addr;
		c->live += live ? next - addr : 0;
		addr = next;
	}
}

void map_end_column(struct report_map *m)
{
	while (m->work_count > REPORT_ROWS)
		coarsen(m);
	struct map_column *const c = &m->column[m->columns];
	c->cell = malloc((m->work_count + 1) * sizeof *c->cell);
	CHECK(c->cell != NULL);
	memcpy(c->cell, m->work, m->work_count * sizeof *c->cell);
	c->count = m->work_count;
	m->columns++;
	m->work_count = 0;
}

/* All granules of all columns, rising, into rows[], and short gaps between them: what is never
 * touched at the end of a slab does not part a heap.  SIZE_MAX: more than REPORT_ROWS. */
static size_t unite(const struct report_map *m, uint64_t rows[REPORT_ROWS])
{
	size_t at[REPORT_SAMPLES + 1] = {0}, n = 0;

	for (;;) {
		uint64_t least = UINT64_MAX;
		for (size_t i = 0; i < m->columns; i++)
			if (at[i] < m->column[i].count && m->column[i].cell[at[i]].granule < least)
				least = m->column[i].cell[at[i]].granule;
		if (least == UINT64_MAX)
			return n;
		const uint64_t gap = n != 0 ? least - rows[n - 1] - 1 : 0;
		if (n + (gap <= GAP_MAX ? gap : 0) >= REPORT_ROWS)
			return SIZE_MAX;
		for (uint64_t i = 0; gap <= GAP_MAX && i < gap; i++, n++)
			rows[n] = rows[n - 1] + 1;
		rows[n++] = least;
		for (size_t i = 0; i < m->columns; i++)
			at[i] += at[i] < m->column[i].count &&
			    m->column[i].cell[at[i]].granule == least;
	}
}

/* 1..255 for anything above nothing, so that a single small object still shows. */
static uint8_t share(uint64_t part, unsigned shift)
{
	const uint64_t scaled = (part * 255) >> shift;
	return part == 0 ? 0 : (uint8_t)(scaled == 0 ? 1 : min_size(scaled, 255));
}

static void find_regions(struct report_design *d, const uint64_t *rows, unsigned shift)
{
	for (size_t i = 0; i < d->rows; i++) {
		if ((i == 0 || rows[i] != rows[i - 1] + 1) && d->region_count < REPORT_REGIONS)
			d->region[d->region_count++] =
			    (struct report_region){rows[i] << shift, (uint32_t)i, 0};
		d->region[d->region_count - 1].rows++;
	}
}

void map_finish(struct report_map *m, struct report_design *d)
{
	static uint64_t rows[REPORT_ROWS];
	size_t n;

	while ((n = unite(m, rows)) == SIZE_MAX)
		coarsen(m);
	d->rows = n;
	d->granule = (uint64_t)1 << m->shift;
	find_regions(d, rows, m->shift);
	for (size_t x = 0; x < m->columns; x++) {
		const struct map_column *const c = &m->column[x];
		for (size_t i = 0, row = 0; i < c->count; i++) {
			while (rows[row] != c->cell[i].granule)
				row++;
			d->live[x][row] = share(c->cell[i].live, m->shift);
			d->owned[x][row] = share(c->cell[i].owned, m->shift);
		}
	}
}
