/* android.c - Android's malloc_debug record_allocs and memory_replay.
 *
 *   TID: malloc PTR SIZE [START END]        TID: free PTR [START END]
 *   TID: calloc PTR COUNT SIZE [START END]  TID: memalign PTR ALIGN SIZE [START END]
 *   TID: realloc NEW OLD SIZE [START END]   TID: thread_done 0x0 [END]
 *
 * Nanoseconds, in recordings since 2023.  The order is the file's: its writer numbered the events.
 * A tid that comes back after its thread_done is another thread.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "import/import.h"
#include "trace/live.h"

#define TID_LIMIT ((uint64_t)1 << 22) /* Linux has no larger ones */

struct android {
	struct import *im;
	struct live threads; /* by tid; user: serial number */
	uint32_t serial;
	uint64_t first_ns;
	bool timed;
};

/* What stands behind the pointer. */
static const struct android_call {
	const char *name;
	size_t numbers;
	enum trace_op op;
} calls[] = {{"malloc", 1, TRACE_OP_MALLOC}, {"free", 0, TRACE_OP_FREE},
    {"calloc", 2, TRACE_OP_CALLOC},
    {"memalign", 2, TRACE_OP_MEMALIGN}, {"realloc", 2, TRACE_OP_REALLOC},
        {"thread_done", 0, TRACE_OP_NONE}};

static bool is_android(const char *line)
{
	const size_t n = strspn(line, "0123456789");

	if (n == 0 || line[n] != ':' || line[n + 1] != ' ')
		return false;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (strncmp(line + n + 2, calls[i].name, strlen(calls[i].name)) == 0)
			return true;
	return false;
}

static uint32_t thread_of(struct android *a, uint64_t tid)
{
	const size_t before = a->threads.count;
	struct live_object *const o = live_add(&a->threads, (tid + 1) << 4);

	if (o == NULL) {
		import_fail(a->im, "no memory for %zu threads", before);
		return 0;
	}
	if (a->threads.count != before) {
		o->user = ++a->serial;
		import_say(a->im, TRACE_THREAD, "%u %" PRIu64 " %" PRIu64, a->serial, tid, tid);
	}
	return (uint32_t)o->user;
}

static void thread_done(struct android *a, uint64_t tid)
{
	struct live_object *const o = live_slot(&a->threads, (tid + 1) << 4);
	if (o->addr != 0)
		live_remove(&a->threads, o);
}

/* Start and end, if they are there.  An object is there for others from the call of free, and from
 * the return of malloc. */
static bool read_times(struct android *a, char **word, size_t count, bool free, uint64_t *ns)
{
	uint64_t x[2] = {0};

	*ns = 0;
	if (count == 0)
		return true;
	if (count != 2)
		return import_fail(a->im, "a start without an end");
	for (size_t i = 0; i < 2; i++)
		if (!import_number(a->im, word[i], 10, INT64_MAX, &x[i]))
			return false;
	if (!a->timed)
		a->first_ns = x[0];
	a->timed = true;
	*ns = max_size(x[free ? 0 : 1], a->first_ns) - a->first_ns;
	return true;
}

static bool fill(struct android *a, struct trace_event *ev, char **word)
{
	uint64_t x, y;

	switch (ev->op) {
	case TRACE_OP_MALLOC:
		return import_number(a->im, word[0], 10, UINT64_MAX, &ev->size);
	case TRACE_OP_CALLOC:
		if (!import_number(a->im, word[0], 10, UINT64_MAX, &x) ||
		    !import_number(a->im, word[1], 10, UINT64_MAX, &y))
			return false;
		if (__builtin_mul_overflow(x, y, &ev->size))
			ev->size = SIZE_MAX;
		return true;
	case TRACE_OP_MEMALIGN:
		if (!import_number(a->im, word[0], 10, IMPORT_ADDRESS_MAX, &x) ||
		    !import_number(a->im, word[1], 10, UINT64_MAX, &ev->size))
			return false;
		ev->align_log2 = (uint8_t)log2_ceil(x); /* what bionic makes of it */
		return true;
	case TRACE_OP_REALLOC:
		return import_number(a->im, word[0], 16, IMPORT_ADDRESS_MAX, &ev->old) &&
		    import_number(a->im, word[1], 10, UINT64_MAX, &ev->size);
	default:
		return true;
	}
}

static const struct android_call *find_call(const char *name)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (strcmp(name, calls[i].name) == 0)
			return &calls[i];
	return NULL;
}

static bool read_event(struct android *a, char **word, size_t count)
{
	struct trace_event ev = {0};
	uint64_t tid, ns;
	const size_t colon = strcspn(word[0], ":");

	if (strcmp(word[0] + colon, ":") != 0)
		return import_fail(a->im, "'%.40s' is not 'TID:'", word[0]);
	word[0][colon] = '\0';
	if (!import_number(a->im, word[0], 10, TID_LIMIT, &tid))
		return false;
	const struct android_call *const call = count > 1 ? find_call(word[1]) : NULL;
	if (call == NULL)
		return import_fail(a->im, "'%.40s' is no call that is known",
		    count > 1 ? word[1] : "");
	if (count < 3 + call->numbers || count > 5 + call->numbers)
		return import_fail(a->im, "%s has a pointer, %zu numbers, and perhaps two times",
		    call->name,
		    call->numbers);
	if (!import_number(a->im, word[2], 16, IMPORT_ADDRESS_MAX, &ev.addr))
		return false;
	if (call->op == TRACE_OP_NONE) {
		thread_done(a, tid);
		return true;
	}
	ev.op = (uint8_t)call->op;
	ev.thread = thread_of(a, tid);
	if (ev.thread == 0 || !fill(a, &ev, word + 3) ||
	    !read_times(a, word + 3 + call->numbers, count - 3 - call->numbers,
	    ev.op == TRACE_OP_FREE, &ns))
		return false;
	ev.tick = import_tick(a->im, ns);
	import_event(a->im, &ev, NULL, 0);
	return true;
}

static bool run_android(struct import *im)
{
	struct android a = {.im = im};
	char *word[7];
	bool fine = live_open(&a.threads);

	while (fine && import_line(im)) {
		const size_t count = import_words(im, word, 7);
		fine = count == 0 || read_event(&a, word, count);
	}
	live_close(&a.threads);
	return fine && im->error[0] == '\0';
}

const struct import_format import_android = {"android", "an allocation trace of Android",
    "call sites, C++ operators, mappings", TRACE_NONE, is_android, run_android};
