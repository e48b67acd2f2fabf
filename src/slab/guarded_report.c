/* guarded_report.c - what happened to an object of guarded.h, in one text:
 *
 *   dmm: write past the end: 0x7f32c4017fd0 (48 bytes)
 *     at 0x7f32c4018000, 1 byte past the end, in thread 4711:
 *       /usr/bin/program+0x11a3
 *       /usr/lib/x86_64-linux-gnu/libc.so.6+0x2724a
 *     allocated in thread 4711:
 *       /usr/bin/program+0x1189
 *       ...
 *     addr2line -Cfipe /usr/bin/program 0x11a3    tells the line of the first; and so on
 *
 * For last words: it may run in a signal handler, on a small stack.  The text is gathered in static
 * memory, so that nothing of other threads comes between, and written at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/where.h"
#include "os/segv.h"
#include "slab/guarded.h"

enum { TEXT = 12 << 10, PLACE = 300 };

static struct lock text_lock;
static char text[TEXT];
static size_t text_len;

static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_len += crash_vformat(text + text_len, sizeof text - text_len, format, args);
	va_end(args);
}

static void write_out(void)
{
	for (size_t at = 0; at < text_len;) {
		const ssize_t wrote = write(STDERR_FILENO, text + at, text_len - at);
		if (wrote < 0 && errno != EINTR)
			break;
		at += wrote > 0 ? (size_t)wrote : 0;
	}
	text_len = 0;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static char first_place[PLACE]; /* of this text */

static void say_place(const void *return_address)
{
	char place[PLACE];

	where_format(place, sizeof place, return_address);
	say("    %s\n", place);
	if (first_place[0] == '\0')
		memcpy(first_place, place, sizeof first_place);
}

/* "file+0x123" is file and 0x123. */
static void say_how_to_read(void)
{
	char *const plus = strrchr(first_place, '+');

	if (plus != NULL) {
		*plus = '\0';
		say("  addr2line -Cfipe %s %s    tells the line of the first; and so on\n",
		    first_place, plus + 1);
	}
	first_place[0] = '\0';
}

static void say_places(const struct guarded_stack *s)
{
	for (uint32_t i = 0; i < s->count && i < GUARDED_FRAMES; i++)
		say_place(s->at[i]);
	if (s->count == 0)
		say("    (nothing is known of its callers)\n");
}

static void say_history(const struct guarded *s)
{
	if (s != NULL) {
		say("  allocated in thread %u:\n", (size_t)s->allocated.thread);
		say_places(&s->allocated);
	}
	if (s != NULL && s->state == GUARDED_FREED) {
		say("  freed in thread %u:\n", (size_t)s->freed.thread);
		say_places(&s->freed);
	}
	say_how_to_read();
}

static const char *bytes(size_t n)
{
	return n == 1 ? "byte" : "bytes";
}

/* "1 byte past the end", "8 bytes before the start", "byte 4 of it" */
static void say_offset(const struct guarded *s, const char *at)
{
	const char *const end = s->p + s->n;

	if (at >= end)
		say("%u %s past the end", ptr_diff(at, end) + 1, bytes(ptr_diff(at, end) + 1));
	else if (at < s->p)
		say("%u %s before the start", ptr_diff(s->p, at), bytes(ptr_diff(s->p, at)));
	else
		say("byte %u of it", ptr_diff(at, s->p));
}

static const char *fault_of(const struct guarded *s, const char *at)
{
	return s->state == GUARDED_FREED ? "after free"
	       : at < s->p               ? "before the start"
	                                 : "past the end";
}

/* ---- an access ------------------------------------------------------------------------------- */

void guarded_tell_access(const struct segv *segv)
{
	static const char *const words[] = {
	    [ACCESS] = "access", [ACCESS_READ] = "read", [ACCESS_WRITE] = "write"};
	static struct guarded_stack now; /* text_lock is held */
	const char *const at = segv->address;
	const struct guarded *const s = guarded_meant(at);

	/* Inside a live object: not a fault that we made. */
	if (s == NULL || (s->state == GUARDED_LIVE && at >= s->p && at < s->p + s->n))
		return;
	guarded_stop();
	lock_take(&text_lock);
	now.count = (uint32_t)callers_of(segv->at, now.at, GUARDED_FRAMES);
	say("dmm: %s %s: %p (%u bytes)\n  at %p, ", words[segv->access], fault_of(s, at), s->p,
	    (size_t)s->n, at);
	say_offset(s, at);
	say(", in thread %u:\n", (size_t)thread_number());
	say_place((const char *)segv->at.pc + 1);
	if (now.count != 0)
		say_places(&now);
	say_history(s);
	write_out();
	lock_give(&text_lock);
}

/* ---- a call ---------------------------------------------------------------------------------- */

static void say_call(const char *call, const struct guarded *s, const void *p)
{
	if (s == NULL || (const char *)p < s->p || (const char *)p >= s->p + s->n)
		say("dmm: invalid %s: %p (not allocated here)\n", call, p);
	else if (p != s->p)
		say("dmm: invalid %s: %p (inside %u bytes)\n", call, p, (size_t)s->n);
	else if (strcmp(call, "free") == 0)
		say("dmm: double free: %p (%u bytes)\n", p, (size_t)s->n);
	else
		say("dmm: %s after free: %p (%u bytes)\n", call, p, (size_t)s->n);
}

void guarded_misuse(const char *call, const void *p, const struct guarded_stack *now,
    const void *changed)
{
	const struct guarded *const s = guarded_meant(p);

	lock_take(&text_lock);
	if (changed != NULL) {
		say("dmm: write %s: %p (%u bytes)\n  at %p, ", fault_of(s, changed), p,
		    (size_t)s->n, changed);
		say_offset(s, changed);
		say("; found by %s in thread %u:\n", call, (size_t)now->thread);
	} else {
		say_call(call, s, p);
		say("  in thread %u:\n", (size_t)now->thread);
	}
	say_places(now);
	say_history(s);
	write_out();
	lock_give(&text_lock);
	abort();
}
