/* profile.c - slab's heap profile (slab/profile.h) as pprof's protobuf messages, gzip around them:
 *
 *   sites, copied under the profile's lock | their addresses, sorted, each once | buffers
 *   \____________ one mapping, as large as the profile needs, for the time of writing ____________/
 *
 * Field numbers are those of proto/profile.proto of github.com/google/pprof.  Protobuf permits the
 * parts in any order, so each is written when it is known.  The address of a call is told as that
 * of the return less 1, which lies in the call instruction.  The functions' names are left to
 * readers, who find the files by their build-ids.
 */
#include "interpose/profile.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/crash.h"
#include "dmm_profile.h"
#include "interpose/code_maps.h"
#include "interpose/gzip_out.h"
#include "interpose/interpose.h"
#include "os/os.h"
#include "slab/profile.h"

enum { PAGE = 4096, PART = 2048, MAPS_MAX = 4096 };

enum { PROFILE_SAMPLE_TYPE = 1, PROFILE_SAMPLE, PROFILE_MAPPING, PROFILE_LOCATION,
	PROFILE_STRING = 6, PROFILE_TIME = 9, PROFILE_DURATION, PROFILE_PERIOD_TYPE, PROFILE_PERIOD,
	PROFILE_COMMENT, PROFILE_DEFAULT };

/* The first strings of the table; those of mappings follow, two for each. */
static const char *const texts[] = {"", "alloc_objects", "count", "alloc_space", "bytes",
    "inuse_objects", "inuse_space", "peak_objects", "peak_space", "temporary_objects",
    "temporary_space", "space"};
enum { TEXT_COUNT = 2, TEXT_BYTES = 4, TEXT_INUSE_SPACE = 6, TEXT_SPACE = 11,
	TEXTS = sizeof texts / sizeof *texts };
/* By number of the string, each with its unit: as Go's heap profiles have them, and four more. */
static const uint8_t types[][2] = {{1, 2}, {3, 4}, {5, 2}, {6, 4}, {7, 2}, {8, 4}, {9, 2}, {10, 4}};

/* A message that is being built; none is longer. */
struct pprof_part {
	size_t n;
	unsigned char at[PART];
};

struct writer {
	struct profile_head head;
	struct gzip_out out;
	struct pprof_part part, list;
	char *sites;
	size_t sites_len;
	uint64_t *addresses;
	size_t address_count;
	struct {
		uint64_t start, end;
	} maps[MAPS_MAX];
	size_t map_count;
	size_t len; /* of the mapping that holds all of this */
};

/* ---- protobuf: a field is its number and kind, then a varint, or a length and bytes ---------- */

static void put_varint(struct pprof_part *p, uint64_t x)
{
	for (; x >= 0x80; x >>= 7)
		p->at[p->n++] = (unsigned char)(x | 0x80);
	p->at[p->n++] = (unsigned char)x;
}

static void put_number(struct pprof_part *p, unsigned field, uint64_t x)
{
	if (x == 0)
		return; /* the default */
	put_varint(p, field << 3);
	put_varint(p, x);
}

static void put_length(struct pprof_part *p, unsigned field, size_t n)
{
	put_varint(p, field << 3 | 2);
	put_varint(p, n);
}

static void write_bytes(struct writer *w, unsigned field, const void *bytes, size_t n)
{
	struct pprof_part head = {.n = 0};

	put_length(&head, field, n);
	gzip_out_put(&w->out, head.at, head.n);
	gzip_out_put(&w->out, bytes, n);
}

static void write_part(struct writer *w, unsigned field)
{
	write_bytes(w, field, w->part.at, w->part.n);
	w->part.n = 0;
}

static void write_number(struct writer *w, unsigned field, uint64_t x)
{
	put_number(&w->part, field, x);
	gzip_out_put(&w->out, w->part.at, w->part.n);
	w->part.n = 0;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static const struct profile_site *next_site(const struct writer *w, size_t *at)
{
	if (*at >= w->sites_len)
		return NULL;
	const struct profile_site *const s = (const struct profile_site *)(w->sites + *at);
	*at += profile_site_len(s);
	return s;
}

static void sift_down(uint64_t *a, size_t i, size_t n)
{
	const uint64_t x = a[i];

	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		child += child + 1 < n && a[child + 1] > a[child];
		if (a[child] <= x)
			break;
		a[i] = a[child];
	}
	a[i] = x;
}

/* The C library's qsort may allocate. */
static void heap_sort(uint64_t *a, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		sift_down(a, i, n);
	for (size_t end = n; end-- > 1;) {
		const uint64_t most = a[0];
		a[0] = a[end];
		a[end] = most;
		sift_down(a, 0, end);
	}
}

static void collect_addresses(struct writer *w)
{
	const struct profile_site *s;
	size_t n = 0, at = 0;

	while ((s = next_site(w, &at)) != NULL)
		for (size_t i = 0; i < s->depth; i++)
			w->addresses[n++] = (uintptr_t)s->at[i] - 1;
	heap_sort(w->addresses, n);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || w->addresses[i] != w->addresses[i - 1])
			w->addresses[w->address_count++] = w->addresses[i];
}

/* Locations are numbered from 1. */
static uint64_t location_of(const struct writer *w, uint64_t address)
{
	size_t low = 0, high = w->address_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (w->addresses[middle] < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low + 1;
}

/* Mappings too; 0: none. */
static uint64_t map_of(const struct writer *w, uint64_t address)
{
	for (size_t i = 0; i < w->map_count; i++)
		if (address >= w->maps[i].start && address < w->maps[i].end)
			return i + 1;
	return 0;
}

/* ---- the parts of a profile ------------------------------------------------------------------ */

static void write_types(struct writer *w)
{
	for (size_t i = 0; i < TEXTS; i++)
		write_bytes(w, PROFILE_STRING, texts[i], strlen(texts[i]));
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		put_number(&w->part, 1, types[i][0]);
		put_number(&w->part, 2, types[i][1]);
		write_part(w, PROFILE_SAMPLE_TYPE);
	}
	put_number(&w->part, 1, TEXT_SPACE);
	put_number(&w->part, 2, TEXT_BYTES);
	write_part(w, PROFILE_PERIOD_TYPE);
	write_number(w, PROFILE_PERIOD, w->head.mean);
	write_number(w, PROFILE_DEFAULT, TEXT_INUSE_SPACE);
}

static void write_mapping(void *arg, const struct code_map *map)
{
	struct writer *const w = arg;

	if (w->map_count == MAPS_MAX)
		return;
	const uint64_t text = TEXTS + 2 * w->map_count;
	w->maps[w->map_count].start = map->start;
	w->maps[w->map_count++].end = map->end;
	write_bytes(w, PROFILE_STRING, map->path, strlen(map->path));
	write_bytes(w, PROFILE_STRING, map->id, map->id[0] == '-' ? 0 : strlen(map->id));
	put_number(&w->part, 1, w->map_count);
	put_number(&w->part, 2, map->start);
	put_number(&w->part, 3, map->end);
	put_number(&w->part, 4, map->offset);
	put_number(&w->part, 5, text);
	put_number(&w->part, 6, text + 1);
	write_part(w, PROFILE_MAPPING);
}

static void write_locations(struct writer *w)
{
	for (size_t i = 0; i < w->address_count; i++) {
		put_number(&w->part, 1, i + 1);
		put_number(&w->part, 2, map_of(w, w->addresses[i]));
		put_number(&w->part, 3, w->addresses[i]);
		write_part(w, PROFILE_LOCATION);
	}
}

static void put_sum(struct pprof_part *p, struct profile_sum x)
{
	put_varint(p, (x.objects + PROFILE_FRACTION / 2) / PROFILE_FRACTION);
	put_varint(p, x.bytes);
}

static void write_sample(struct writer *w, const struct profile_site *s)
{
	struct pprof_part *const list = &w->list;

	for (size_t i = 0; i < s->depth; i++)
		put_varint(list, location_of(w, (uintptr_t)s->at[i] - 1));
	put_length(&w->part, 1, list->n);
	memcpy(w->part.at + w->part.n, list->at, list->n);
	w->part.n += list->n;
	list->n = 0;
	put_sum(list, s->allocated);
	put_sum(list, s->live);
	put_sum(list, profile_peak(&w->head, s));
	put_sum(list, s->temporary);
	put_length(&w->part, 2, list->n);
	memcpy(w->part.at + w->part.n, list->at, list->n);
	w->part.n += list->n;
	list->n = 0;
	write_part(w, PROFILE_SAMPLE);
}

static void write_comment(struct writer *w)
{
	char text[200];
	const size_t n = crash_format(text, sizeof text,
	    "dmm: %u samples, one each %u bytes on average; %u lost for want of memory",
	    w->head.samples, w->head.mean, w->head.lost);

	write_bytes(w, PROFILE_STRING, text, n);
	write_number(w, PROFILE_COMMENT, TEXTS + 2 * w->map_count);
}

static int write_all(struct writer *w, int fd)
{
	const struct profile_site *s;
	struct timespec now;
	size_t at = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	const uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	collect_addresses(w);
	gzip_out_begin(&w->out, fd);
	write_types(w);
	code_maps_visit(write_mapping, w);
	write_locations(w);
	while ((s = next_site(w, &at)) != NULL)
		write_sample(w, s);
	write_comment(w);
	write_number(w, PROFILE_TIME, now_ns);
	write_number(w, PROFILE_DURATION, now_ns - min_size(now_ns, w->head.begun_ns));
	return gzip_out_end(&w->out);
}

/* Room for sites of `cap` bytes, and the sites.  NULL: no memory.  *need: more than cap, and the
 * sites are not there. */
static struct writer *snapshot(size_t cap, size_t *need)
{
	const size_t head = round_up(sizeof(struct writer), PAGE), len = head + 2 * cap;
	struct writer *const w = os_linux.map(os_linux.ctx, len, PAGE);

	if (w == NULL)
		return NULL;
	w->len = len;
	w->sites = (char *)w + head;
	w->addresses = (uint64_t *)(w->sites + cap);
	*need = w->sites_len = profiler_copy(&w->head, w->sites, cap);
	return w;
}

int profile_write(int fd)
{
	size_t cap = 16 * PAGE, need;

	if (__atomic_load_n(&root.profile, __ATOMIC_ACQUIRE) == NULL)
		return ENODATA;
	for (;; cap = round_up(need + need / 8, PAGE)) { /* it may grow meanwhile */
		struct writer *const w = snapshot(cap, &need);
		if (w == NULL)
			return ENOMEM;
		const int error = need <= cap ? write_all(w, fd) : -1;
		os_linux.unmap(os_linux.ctx, w, w->len);
		if (error >= 0)
			return error;
	}
}

EXPORT int dmm_profile_write(int fd)
{
	const int error = profile_write(fd);

	if (error == 0)
		return 0;
	errno = error;
	return -1;
}
