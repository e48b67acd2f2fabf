/* rep.c - the .rep files of malloc labs (Bryant and O'Hallaron's mdriver).
 *
 *   four numbers      suggested heap size, ids, operations, weight; or weight first and something
 *                     last: ids and operations are second and third in both
 *   a ID SIZE         malloc
 *   c ID SIZE         calloc (some courses)
 *   r ID SIZE         realloc
 *   f ID              free; -1: free(NULL)
 *   w ...             a write into an object (some courses): no event
 *
 * A line without a size stands for 0 bytes.  The importer makes addresses up; an object that
 * shrinks keeps its address.
 */
#include <inttypes.h>
#include <string.h>

#include "import/ids.h"

static bool is_rep(const char *line)
{
	return line[strspn(line, " \t")] != '\0' && line[strspn(line, "0123456789 \t")] == '\0';
}

struct rep {
	struct import *im;
	struct ids ids;
	uint64_t header[4], operations, sizeless;
};

static bool read_header(struct rep *r)
{
	char *word[4];

	for (size_t have = 0; have < 4;) {
		if (!import_line(r->im))
			return import_fail(r->im,
			    "truncated: the header has four numbers, there are %zu", have);
		const size_t count = import_words(r->im, word, 4 - have);
		if (count > 4 - have)
			return import_fail(r->im, "more than four numbers in the header");
		for (size_t i = 0; i < count; i++)
			if (!import_number(r->im, word[i], 10, UINT64_MAX, &r->header[have++]))
				return false;
	}
	return true;
}

static bool operate(struct rep *r, char **word, size_t count)
{
	const char op = word[0][0];
	uint64_t id, size = 0;

	if (word[0][1] != '\0' || strchr("acrf", op) == NULL)
		return import_fail(r->im, "'%.20s' is none of a, c, r, f, w", word[0]);
	if (count < 2 || count > 3 || (op == 'f' && count != 2))
		return import_fail(r->im, "'%c' has an id%s", op,
		    op == 'f' ? " alone" : " and a size");
	if (op == 'f' && strcmp(word[1], "-1") == 0)
		return ids_release_null(&r->ids);
	if (!import_number(r->im, word[1], 10, IDS_LIMIT, &id))
		return false;
	if (count == 3 && !import_number(r->im, word[2], 10, UINT64_MAX, &size))
		return false;
	r->sizeless += op != 'f' && count == 2;
	if (op == 'f')
		return ids_release(&r->ids, id);
	if (op == 'r')
		return ids_resize(&r->ids, id, id, size);
	return ids_allocate(&r->ids, op == 'c' ? TRACE_OP_CALLOC : TRACE_OP_MALLOC, id, size);
}

static bool read_operations(struct rep *r)
{
	char *word[3];

	while (import_line(r->im)) {
		const size_t count = import_words(r->im, word, 3);
		if (count == 0)
			continue;
		r->operations++;
		if (word[0][0] != 'w' && !operate(r, word, count))
			return false;
	}
	return r->im->error[0] == '\0';
}

static bool run_rep(struct import *im)
{
	struct rep r = {.im = im};
	bool fine = ids_open(&r.ids, im) && read_header(&r) && read_operations(&r);

	if (fine && r.operations < r.header[2])
		fine = import_fail(im,
		    "truncated: the header promises %" PRIu64 " operations, there are %" PRIu64,
		    r.header[2], r.operations);
	if (r.operations > r.header[2])
		import_note(im, "%" PRIu64 " operations, though the header says %" PRIu64,
		    r.operations, r.header[2]);
	if (r.sizeless != 0)
		import_note(im, "%" PRIu64 " lines without a size were taken as 0 bytes",
		    r.sizeless);
	ids_close(&r.ids);
	return fine;
}

const struct import_format import_rep = {"rep", "a malloc lab's .rep trace",
    "threads, times, addresses, call sites", TRACE_NONE, is_rep, run_rep};
