/* map.c - the map of a large heap, the legend, and the lists of free chunks. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "draw/look.h"
#include "cli/lab.h"

enum { MARGIN = 2, MAP_ROWS = 16, CELL_MIN = 16, LIST_MAX = 8, BINS_MAX = 16 };

/* ---- map ---------------------------------------------------------------------------------- */

/* Bytes of each kind in one cell. */
struct drawn_cell {
	size_t len[LOOK_COUNT];
};

/* The smallest power of two with which the heap fits into MAP_ROWS rows. */
static size_t cell_bytes(const struct picture *p, size_t columns)
{
	size_t bytes = CELL_MIN;
	while (p->owned_bytes / bytes > columns * MAP_ROWS)
		bytes *= 2;
	return bytes;
}

/* A cell of one kind shows it; one with payload shows how much of it is payload. */
static void put_cell(FILE *out, const struct draw_style *s, const struct drawn_cell *c)
{
	static const char *const shades[] = {"░", "▒", "▓", "█"};
	static const char *const digits[] = {"1", "2", "3", "4"};
	size_t all = 0;
	enum look most = LOOK_PAD;

	for (enum look l = 0; l < LOOK_COUNT; l++) {
		all += c->len[l];
		if (c->len[l] > c->len[most])
			most = l;
	}
	const size_t live = c->len[LOOK_PAYLOAD];
	if (live == 0 || all == 0) {
		fprintf(out, "%s%s%s", look_on(s, most), look_glyph(s, most), look_off(s));
		return;
	}
	const size_t quarter = min_size(live * 4 / all, 3);
	fprintf(out, "%s%s%s", look_on(s, LOOK_PAYLOAD), (s->ascii ? digits : shades)[quarter],
	    look_off(s));
}

static void put_line_start(FILE *out, const struct draw_style *s, uintptr_t addr)
{
	fprintf(out, "%*s%s%012zx%s ", MARGIN, "", look_dim(s), (size_t)addr, look_off(s));
}

struct heap_map {
	FILE *out;
	const struct draw_style *s;
	size_t columns, bytes, at; /* cells in the row so far */
	uintptr_t cell_addr;       /* where the cell that is being filled begins */
	uintptr_t marked;          /* an address whose cell is marked; 0: none */
	struct drawn_cell cell;
};

static void finish_cell(struct heap_map *m)
{
	if (m->at == 0)
		put_line_start(m->out, m->s, m->cell_addr);
	if (m->marked - m->cell_addr < m->bytes)
		fprintf(m->out, "%sp%s", m->s->colour ? "\033[7m" : "", look_off(m->s));
	else
		put_cell(m->out, m->s, &m->cell);
	m->cell = (struct drawn_cell){0};
	m->cell_addr += m->bytes;
	if (++m->at == m->columns) {
		fputc('\n', m->out);
		m->at = 0;
	}
}

static void map_piece(struct heap_map *m, const struct dmm_piece *piece)
{
	uintptr_t addr = piece->addr;
	const uintptr_t end = addr + piece->len;

	while (addr < end) {
		const uintptr_t cell_end = m->cell_addr + m->bytes;
		m->cell.len[look_of(piece)] += min_size(end, cell_end) - addr;
		addr = min_size(end, cell_end);
		if (addr == cell_end)
			finish_cell(m);
	}
}

static void end_region(struct heap_map *m)
{
	size_t all = 0;
	for (enum look l = 0; l < LOOK_COUNT; l++)
		all += m->cell.len[l];
	if (all != 0)
		finish_cell(m);
	if (m->at != 0)
		fputc('\n', m->out);
	m->at = 0;
}

void draw_map(FILE *out, const struct draw_style *s, const struct picture *p, uintptr_t marked)
{
	const size_t columns = s->width - MARGIN - 13;
	struct heap_map m = {.out = out,
	    .s = s,
	    .columns = columns,
	    .bytes = cell_bytes(p, columns),
	    .marked = marked};
	char text[120];

	for (size_t i = 0; i < p->piece_count; i++) {
		if (picture_begins_region(p, i)) {
			end_region(&m);
			m.cell_addr = p->pieces[i].addr;
		}
		map_piece(&m, &p->pieces[i]);
	}
	end_region(&m);
	snprintf(text, sizeof text,
	    "one cell is %zu bytes; the shade of a cell is its share of payload", m.bytes);
	fputs(look_dim(s), out);
	draw_text(out, s, MARGIN, text);
	fputs(look_off(s), out);
}

/* ---- legend ------------------------------------------------------------------------------- */

static bool wasted(const struct picture *p, const struct draw_label *labels, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct picture_chunk *const c = picture_find(p, labels[i].mem);
		if (c != NULL && labels[i].n != 0 && c->usable >= labels[i].n + sizeof(void *))
			return true;
	}
	return false;
}

static bool has_room_for_link(const struct picture *p, const struct picture_chunk *c)
{
	const struct dmm_piece *const first = &p->pieces[c->first];
	return !c->live && look_of(first) == LOOK_HEADER && first->len == 2 * sizeof(void *);
}

unsigned draw_kinds(const struct picture *p, const struct draw_label *labels, size_t label_count)
{
	unsigned kinds = 0;

	for (size_t i = 0; i < p->piece_count; i++)
		kinds |= 1u << look_in(p, &p->pieces[i]);
	for (size_t i = 0; i < p->chunk_count; i++)
		if (has_room_for_link(p, &p->chunks[i]))
			kinds |= 1u << LOOK_LINKS;
	return wasted(p, labels, label_count) ? kinds | 1u << LOOK_WASTE : kinds;
}

void draw_legend(FILE *out, const struct draw_style *s, unsigned kinds)
{
	enum { APART = 3 };
	size_t at = 0;

	for (enum look l = 0; l < LOOK_COUNT; l++) {
		const size_t len = strlen(look_name(l)) + 2;
		const bool first = at == 0, wraps = !first && at + APART + len > s->width;
		if (!(kinds & 1u << l))
			continue;
		fprintf(out, "%s%*s%s%s%s %s", wraps ? "\n" : "", first || wraps ? MARGIN : APART,
		    "",
		    look_on(s, l), look_glyph(s, l), look_off(s), look_name(l));
		at = wraps || first ? MARGIN + len : at + APART + len;
	}
	fputc('\n', out);
}

/* ---- bins --------------------------------------------------------------------------------- */

static int by_bin_and_rank(const void *a, const void *b)
{
	const struct picture_chunk *const x = *(const struct picture_chunk *const *)a;
	const struct picture_chunk *const y = *(const struct picture_chunk *const *)b;

	if (x->bin != y->bin)
		return x->bin < y->bin ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Print sizes with each chunk, or once if all are equal. */
static void put_bin(FILE *out, const struct draw_style *s, const char *name,
    const struct picture_chunk **chunks, size_t count)
{
	char text[LIST_MAX * 48], address[DRAW_SIZE_TEXT], size[DRAW_SIZE_TEXT];
	const struct draw_style plain = {.unit = s->unit != 0 ? s->unit : 1};
	bool equal = count > 1;

	for (size_t i = 1; i < count; i++)
		equal &= chunks[i]->len == chunks[0]->len;
	size_t at = (size_t)snprintf(text, sizeof text, "%s", name);
	if (equal)
		at += (size_t)snprintf(text + at, sizeof text - at, ", %zu of %s", count,
		    draw_size(size, &plain, chunks[0]->len));
	at += (size_t)snprintf(text + at, sizeof text - at, ":");
	for (size_t i = 0; i < min_size(count, LIST_MAX); i++) {
		at += (size_t)snprintf(text + at, sizeof text - at, "%s %s",
		    i == 0 ? "" : s->ascii ? " ->" : " →",
		    draw_address(address, s, chunks[i]->addr));
		if (!equal)
			at += (size_t)snprintf(text + at, sizeof text - at, " (%s)",
			    draw_size(size, &plain, chunks[i]->len));
	}
	if (count > LIST_MAX)
		snprintf(text + at, sizeof text - at, " and %zu more", count - LIST_MAX);
	draw_text(out, s, MARGIN, text);
}

void draw_bins(FILE *out, const struct draw_style *s, const struct picture *p)
{
	const struct picture_chunk **listed = calloc(p->chunk_count + 1, sizeof *listed);
	bool one_list = true;
	size_t count = 0;

	if (listed == NULL)
		lab_die(EXIT_OURS, "no memory to draw %zu chunks", p->chunk_count);
	for (size_t i = 0; i < p->chunk_count; i++) {
		if (p->chunks[i].live || p->chunks[i].bin < 0)
			continue;
		listed[count++] = &p->chunks[i];
		one_list &= p->chunks[i].bin == 0;
	}
	qsort(listed, count, sizeof *listed, by_bin_and_rank);
	size_t bins = 0, from = 0;
	for (size_t end; from < count && bins < BINS_MAX; from = end, bins++) {
		char name[32];
		for (end = from; end < count && listed[end]->bin == listed[from]->bin;)
			end++;
		snprintf(name, sizeof name, one_list ? "free list" : "bin %d", listed[from]->bin);
		put_bin(out, s, name, &listed[from], end - from);
	}
	if (from < count)
		fprintf(out, "%*s%sand %zu chunks in larger bins%s\n", MARGIN, "", look_dim(s),
		    count - from,
		    look_off(s));
	free(listed);
}
