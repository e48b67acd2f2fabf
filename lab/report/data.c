/* data.c - the page's data for its script: one JSON object, and tiles of bounded size.
 *
 * `reduction` halves what can be spared each time it is raised: rows of the maps, blocks, call
 * sites.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "report/page.h"

enum { REPORT_DATA_VERSION = 1, NAMES_BYTES = 1 << 20 };

/* ---- call sites ------------------------------------------------------------------------------ */

struct nodes {
	const struct report *r;
	uint32_t *kept; /* by node of the reader: its number on the page; 0: not there */
	uint32_t *parent, *name;
	size_t count;
	const char **names;
	size_t name_count, name_bytes;
	uint32_t *site; /* by stack: its number on the page, 0: one of the others */
	size_t sites, stacks;
};

static uint32_t name_of(struct nodes *n, const char *name)
{
	for (size_t i = n->name_count; i-- > 0 && n->name_count - i < 4096;)
		if (n->names[i] == name || strcmp(n->names[i], name) == 0)
			return (uint32_t)i;
	n->names[n->name_count] = name;
	n->name_bytes += strlen(name) + 1;
	return (uint32_t)n->name_count++;
}

/* The node and all above it; 0: no room for them. */
static uint32_t keep_node(struct nodes *n, uint32_t node)
{
	const struct trace_reader *const reader = n->r->survey->stream.reader;

	if (node == 0 || n->kept[node] != 0)
		return node == 0 ? 0 : n->kept[node];
	if (n->count >= REPORT_NODES || n->name_bytes > NAMES_BYTES)
		return 0;
	const struct trace_node *const t = trace_reader_node(reader, node);
	uint32_t up = keep_node(n, t->parent);
	if (t->parent != 0 && up == 0)
		return 0;
	const struct symbols_place *const p = symbols_place(n->r->symbols, t->addr);
	if (p->wrappers == p->count && up != 0) /* who called it is told in its place */
		return n->kept[node] = up;
	for (uint32_t i = p->count; i-- > (p->wrappers < p->count ? p->wrappers : 0);) {
		if (n->count >= REPORT_NODES)
			return 0;
		n->parent[n->count] = up;
		n->name[n->count] = name_of(n, p->name[i]);
		up = (uint32_t)++n->count;
	}
	return n->kept[node] = up;
}

static void keep_sites(struct nodes *n, const struct report *r, unsigned reduction)
{
	const struct report_survey *const s = r->survey;
	const size_t most = min_size(s->site_count, REPORT_SITES >> reduction);

	*n = (struct nodes){.r = r, .stacks = (size_t)trace_reader_nodes(s->stream.reader) + 1};
	n->kept = calloc(n->stacks, sizeof *n->kept);
	n->site = calloc(n->stacks, sizeof *n->site);
	n->parent = calloc(REPORT_NODES, sizeof *n->parent);
	n->name = calloc(REPORT_NODES, sizeof *n->name);
	n->names = calloc(REPORT_NODES, sizeof *n->names);
	CHECK(n->kept != NULL && n->site != NULL && n->parent != NULL && n->name != NULL &&
	      n->names != NULL);
	while (n->sites < most) {
		const uint32_t stack = s->sites[n->sites].stack;
		if (stack != 0 && keep_node(n, stack) == 0)
			break;
		n->site[stack] = (uint32_t)++n->sites;
	}
}

static void drop_sites(struct nodes *n)
{
	free(n->kept);
	free(n->site);
	free(n->parent);
	free(n->name);
	free(n->names);
}

static void put_names(FILE *out, const struct nodes *n)
{
	char *text = NULL;
	size_t len = 0;
	FILE *const f = open_memstream(&text, &len);

	CHECK(f != NULL);
	for (size_t i = 0; i < n->name_count; i++)
		fprintf(f, "%s\n", n->names[i]);
	fclose(f);
	tile_put(out, "names", "u8", text, len);
	free(text);
}

static void put_sites(FILE *out, const struct nodes *n)
{
	const struct report_survey *const s = n->r->survey;
	const size_t m = s->moment_count;
	uint32_t *const node = calloc(n->sites + 1, sizeof *node);
	double *const total = calloc(2 * n->sites + 1, sizeof *total);
	float *const bytes = calloc(2 * n->sites * m + 1, sizeof *bytes);
	float *const count = bytes + n->sites * m;

	CHECK(node != NULL && total != NULL && bytes != NULL);
	for (size_t i = 0; i < n->sites; i++) {
		const struct report_site *const site = &s->sites[i];
		node[i] = n->kept[site->stack];
		total[i] = (double)site->total_bytes;
		total[n->sites + i] = (double)site->total_count;
		for (size_t k = 0; k < m; k++) {
			bytes[k * n->sites + i] = site->bytes[k];
			count[k * n->sites + i] = site->count[k];
		}
	}
	put_names(out, n);
	tile_put(out, "node-parent", "u32", n->parent, n->count);
	tile_put(out, "node-name", "u32", n->name, n->count);
	tile_put(out, "site-node", "u32", node, n->sites);
	tile_put(out, "site-total", "f64", total, 2 * n->sites);
	tile_put(out, "site-bytes", "f32", bytes, n->sites * m);
	tile_put(out, "site-count", "f32", count, n->sites * m);
	free(node);
	free(total);
	free(bytes);
}

static void put_lives(FILE *out, const struct report_survey *s)
{
	const struct {
		const char *id;
		const uint64_t (*cells)[LIFE_SIZES];
	} all[] = {{"life-ns-count", s->life_count}, {"life-ns-bytes", s->life_bytes},
	    {"life-calls-count", s->call_count}, {"life-calls-bytes", s->call_bytes}};
	static double values[LIFE_TIMES * LIFE_SIZES];

	for (size_t k = 0; k < 4; k++) {
		for (size_t i = 0; i < LIFE_TIMES * LIFE_SIZES; i++)
			values[i] = (double)all[k].cells[i / LIFE_SIZES][i % LIFE_SIZES];
		tile_put(out, all[k].id, "f64", values, LIFE_TIMES * LIFE_SIZES);
	}
}

/* ---- designs --------------------------------------------------------------------------------- */

static void put_series(FILE *out, const struct report_design *d, const char *prefix)
{
	static double value[(REPORT_SAMPLES + 1) * (PARTS + 4)];
	char id[64];
	size_t n = 0;

	for (size_t i = 0; i < d->samples; i++) {
		const struct accounting *const a = &d->sample[i];
		value[n++] = (double)a->events;
		value[n++] = (double)a->ns;
		value[n++] = (double)a->footprint;
		value[n++] = (double)d->hole[i];
		for (int p = 0; p < PARTS; p++)
			value[n++] = (double)a->part[p];
	}
	snprintf(id, sizeof id, "%s-series", prefix);
	tile_put(out, id, "f64", value, n);
}

static size_t map_rows(const struct report_design *d, unsigned reduction)
{
	return (d->rows + (1u << reduction) - 1) >> reduction;
}

/* Column by column; rows are joined 2^reduction at a time, shares of a joined row are averages. */
static void put_map(FILE *out, const struct report_design *d, const char *prefix,
    unsigned reduction)
{
	static uint8_t cell[(REPORT_SAMPLES + 1) * REPORT_ROWS];
	const size_t rows = map_rows(d, reduction), join = (size_t)1 << reduction;
	char id[64];

	for (int owned = 0; owned < 2; owned++) {
		for (size_t x = 0; x < d->samples; x++)
			for (size_t y = 0; y < rows; y++) {
				unsigned sum = 0;
				for (size_t k = y * join; k < min_size((y + 1) * join, d->rows);
				     k++)
					sum += owned ? d->owned[x][k] : d->live[x][k];
				cell[x * rows + y] = (uint8_t)((sum + join - 1) / join);
			}
		snprintf(id, sizeof id, "%s-%s", prefix, owned ? "owned" : "live");
		tile_put(out, id, "u8", cell, d->samples * rows);
	}
}

static bool class_used(const struct report_design *d, size_t slot)
{
	for (size_t x = 0; x < d->samples; x++)
		if (d->class_live[x][slot] != 0 || d->class_free[x][slot] != 0)
			return true;
	return false;
}

static void put_classes(FILE *out, const struct report_design *d, const char *prefix)
{
	static float live[(REPORT_SAMPLES + 1) * (REPORT_BINS + REPORT_SIZES)];
	static float waste[(REPORT_SAMPLES + 1) * (REPORT_BINS + REPORT_SIZES)];
	static double size[REPORT_BINS + REPORT_SIZES];
	char id[64];
	size_t n = 0;

	for (size_t slot = 0; slot < REPORT_BINS + REPORT_SIZES; slot++) {
		if (!class_used(d, slot))
			continue;
		for (size_t x = 0; x < d->samples; x++) {
			live[n * d->samples + x] = d->class_live[x][slot];
			waste[n * d->samples + x] = d->class_free[x][slot];
		}
		size[n++] = (double)d->class_size[slot];
	}
	snprintf(id, sizeof id, "%s-class-size", prefix);
	tile_put(out, id, "f64", size, n);
	snprintf(id, sizeof id, "%s-class-live", prefix);
	tile_put(out, id, "f32", live, n * d->samples);
	snprintf(id, sizeof id, "%s-class-free", prefix);
	tile_put(out, id, "f32", waste, n * d->samples);
}

/* Where an address is in the map, in bytes from its first row; negative: nowhere. */
static double map_position(const struct report_design *d, uint64_t addr)
{
	for (size_t i = 0; i < d->region_count; i++) {
		const struct report_region *const g = &d->region[i];
		if (addr >= g->addr && addr - g->addr < g->rows * d->granule)
			return (double)(g->row * d->granule + (addr - g->addr));
	}
	return -1;
}

static int by_area(const void *a, const void *b)
{
	const struct report_block *const x = *(const struct report_block *const *)a;
	const struct report_block *const y = *(const struct report_block *const *)b;
	const double p = (double)x->size * (double)(x->died - x->born);
	const double q = (double)y->size * (double)(y->died - y->born);
	return p != q ? (p > q ? -1 : 1) : x < y ? -1 : x > y;
}

/* The largest first, so that the script may stop drawing where they become invisible. */
static void put_blocks(FILE *out, const struct report_design *d, const char *prefix,
    unsigned reduction, const struct nodes *n)
{
	static const struct report_block *order[REPORT_BLOCKS];
	static double column[4][REPORT_BLOCKS];
	static uint32_t site[REPORT_BLOCKS];
	static const char *const names[4] = {"at", "size", "born", "died"};
	char id[64];

	for (size_t i = 0; i < d->block_count; i++)
		order[i] = &d->block[i];
	qsort(order, d->block_count, sizeof *order, by_area);
	const size_t count = min_size(d->block_count, REPORT_BLOCKS >> reduction);
	for (size_t i = 0; i < count; i++) {
		column[0][i] = map_position(d, order[i]->addr);
		column[1][i] = (double)order[i]->size;
		column[2][i] = (double)order[i]->born;
		column[3][i] = (double)order[i]->died;
		site[i] = order[i]->stack < n->stacks ? n->site[order[i]->stack] : 0;
	}
	for (int k = 0; k < 4; k++) {
		snprintf(id, sizeof id, "%s-block-%s", prefix, names[k]);
		tile_put(out, id, "f64", column[k], count);
	}
	snprintf(id, sizeof id, "%s-block-site", prefix);
	tile_put(out, id, "u32", site, count);
}

/* ---- the object ------------------------------------------------------------------------------ */

static void put_pins(struct json *j, const struct report_pins *p, const char *key,
    const struct nodes *n)
{
	json_object(j, key);
	json_count(j, "event", p->event);
	json_count(j, "footprint", p->footprint);
	json_count(j, "payload", p->payload);
	json_count(j, "sparse", p->sparse_bytes);
	json_count(j, "sparse_live", p->sparse_live);
	json_count(j, "stretches", p->sparse_count);
	json_count(j, "sites", p->sites);
	json_array(j, "pins");
	for (size_t i = 0; i < p->count; i++) {
		const struct report_pin *const pin = &p->pin[i];
		const int64_t value[] = {pin->stack < n->stacks ? n->site[pin->stack] : 0,
		    (int64_t)pin->survivors, (int64_t)pin->survivor_bytes, (int64_t)pin->alone,
		    (int64_t)pin->shared};
		json_array(j, NULL);
		for (size_t k = 0; k < 5; k++)
			json_integer(j, NULL, value[k]);
		json_end(j);
	}
	json_end(j);
	json_end(j);
}

static void put_design(struct json *j, const struct report_design *d, unsigned reduction,
    const struct nodes *n)
{
	static const char *const scales[PIN_SCALES] = {"page", "slab", "huge"};

	json_object(j, NULL);
	json_string(j, "name", d->name);
	json_string(j, "doc", d->doc);
	json_string(j, "problem", d->problem[0] != '\0' ? d->problem : NULL);
	json_count(j, "samples", d->samples);
	json_count(j, "peak", d->peak.footprint);
	json_number(j, "mean", d->mean);
	json_count(j, "end", d->end);
	json_count(j, "peak_event", d->peak.events);
	json_array(j, "peak_parts");
	for (int p = 0; p < PARTS; p++)
		json_count(j, NULL, d->peak.part[p]);
	json_end(j);
	json_count(j, "granule", d->granule << reduction);
	json_count(j, "rows", map_rows(d, reduction));
	json_bool(j, "classed", d->classed);
	json_number(j, "blocks_cover", d->all_area > 0 ? d->block_area / d->all_area : 1);
	json_array(j, "regions");
	for (size_t i = 0; i < d->region_count; i++) {
		json_array(j, NULL);
		json_count(j, NULL, d->region[i].addr);
		json_integer(j, NULL, d->region[i].row >> reduction);
		json_end(j);
	}
	json_end(j);
	json_object(j, "pins");
	for (int m = 0; m < PIN_MOMENTS; m++) {
		json_object(j, pin_moment_names[m]);
		for (int k = 0; k < PIN_SCALES; k++)
			put_pins(j, &d->pins[m][k], scales[k], n);
		json_end(j);
	}
	json_end(j);
	json_end(j);
}

static void put_moments(struct json *j, const struct report_survey *s)
{
	json_array(j, "moments");
	for (size_t i = 0; i < s->moment_count; i++) {
		json_object(j, NULL);
		json_string(j, "name", s->moment[i].name);
		json_count(j, "event", s->moment[i].event);
		json_count(j, "ns", s->moment[i].ns);
		json_count(j, "payload", s->moment[i].payload);
		json_end(j);
	}
	json_end(j);
}

static void put_object(struct json *j, const struct report *r, unsigned reduction,
    const struct nodes *n)
{
	json_schema(j, "dmm-report", REPORT_DATA_VERSION);
	json_integer(j, "reduction", reduction);
	if (r->survey != NULL) {
		json_count(j, "events", r->survey->events);
		json_count(j, "ns", r->survey->ns);
		json_count(j, "peak_payload", r->survey->peak_payload);
		json_count(j, "peak_event", r->survey->peak_event);
		json_bool(j, "stacks", r->survey->has_stacks);
		json_count(j, "sites", r->survey->site_count);
		put_moments(j, r->survey);
	}
	json_array(j, "parts");
	for (int p = 0; p < PARTS; p++)
		json_string(j, NULL, part_names[p]);
	json_end(j);
	json_array(j, "designs");
	for (size_t i = 0; i < r->design_count; i++)
		put_design(j, &r->designs[i], reduction, n);
	json_end(j);
	page_measured_json(r->native, j);
}

/* JSON in HTML: no '<' may be seen. */
static void put_json(const struct report *r, FILE *out, unsigned reduction, const struct nodes *n)
{
	char *text = NULL;
	size_t len = 0;
	FILE *const f = open_memstream(&text, &len);
	struct json j;

	CHECK(f != NULL);
	json_begin(&j, f);
	put_object(&j, r, reduction, n);
	json_end(&j);
	fclose(f);
	fputs("<script type=\"application/json\" id=\"dmm\">", out);
	bool space = false; /* cli/json.c indents for people; a page need not */
	for (const char *s = text; *s != '\0'; s++) {
		if (*s == '<')
			fputs("\\u003c", out);
		else if (!space || (*s != ' ' && *s != '\n'))
			fputc(*s, out);
		space = *s == '\n' || (space && *s == ' ');
	}
	fputs("</script>\n", out);
	free(text);
}

void page_data(const struct report *r, FILE *out, unsigned reduction)
{
	struct nodes n = {.r = r};
	char prefix[24];

	if (r->survey != NULL)
		keep_sites(&n, r, reduction);
	put_json(r, out, reduction, &n);
	for (size_t i = 0; i < r->design_count; i++) {
		const struct report_design *const d = &r->designs[i];
		if (!page_has_picture(d))
			continue;
		snprintf(prefix, sizeof prefix, "d%zu", i);
		put_series(out, d, prefix);
		put_map(out, d, prefix, reduction);
		put_classes(out, d, prefix);
		put_blocks(out, d, prefix, reduction, &n);
	}
	if (r->native != NULL)
		page_measured_tiles(r->native, out);
	if (r->survey != NULL) {
		put_sites(out, &n);
		put_lives(out, r->survey);
	}
	drop_sites(&n);
}
