/* caveat.c - see caveat.h. */
#include "trace/caveat.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/lab.h"
#include "cli/units.h"

enum { BESIDE_TIMES = 4, BESIDE_TIMES_PYTHON = 2 };

static const uint64_t SHORT_NS = 20000000, IDLE_NS = 100000000;
/* Python is known to have a malloc of its own; less memory beside malloc's may, in other programs,
 * be the fragments of their heap. */
static const uint64_t BESIDE_LEAST = 64 << 20, BESIDE_LEAST_PYTHON = 8 << 20;

static void say_page_size(const struct trace_file *f)
{
	char text[32], a[UNITS_LEN], b[UNITS_LEN];
	const long here = sysconf(_SC_PAGESIZE);

	if (!trace_file_value(f, TRACE_META, "page_size", text, sizeof text))
		return;
	const long there = strtol(text, NULL, 10);
	if (there > 0 && there != here)
		lab_say("%s: it was recorded on a machine with pages of %s, here they have %s: "
		    "resident memory differs, so look at it on that machine",
		    f->path, units_bytes(a, (double)there), units_bytes(b, (double)here));
}

static bool is_timeless(const struct trace_file *f)
{
	char clock[16];

	return trace_file_value(f, TRACE_META, "clock", clock, sizeof clock) &&
	    strcmp(clock, "none") == 0;
}

static void say_time(const struct trace_file *f, const struct caveat_facts *k)
{
	char text[UNITS_LEN];
	const bool timeless = is_timeless(f);
	const bool is_short = !timeless && (k->calls < CAVEAT_CALLS || k->ns < SHORT_NS);

	if (timeless && !k->diagnosed)
		lab_say("%s: it has no times, so averages are over calls, and idle time is not "
		    "seen; dmm record notes times", f->path);
	if (timeless && k->calls < CAVEAT_CALLS)
		lab_say("%s: %llu calls are too few to tell habits from chance; record a longer "
		    "run", f->path, (unsigned long long)k->calls);
	if (is_short && !k->diagnosed)
		lab_say("%s: %llu calls in %s are too short to tell habits from chance; record a "
		    "longer run", f->path, (unsigned long long)k->calls,
		    units_seconds(text, (double)k->ns * 1e-9));
	if (!timeless && !is_short && k->idle_ns < IDLE_NS)
		lab_say("%s: the program was never idle for 100 ms, so what an allocator gives "
		    "back in idle times is not seen; record it until it has been idle for a second",
		    f->path);
}

static void say_beside(const struct trace_file *f, const struct caveat_facts *k)
{
	const uint64_t all = f->peak_anon_kib << 10;
	char a[UNITS_LEN], b[UNITS_LEN];
	const bool python =
	    trace_file_value(f, TRACE_META, "python", a, sizeof a) ||
	    trace_file_value(f, TRACE_META, "python_unread", a, sizeof a);

	if (all > (python ? BESIDE_LEAST_PYTHON + BESIDE_TIMES_PYTHON * k->peak_payload
	                  : BESIDE_LEAST + BESIDE_TIMES * k->peak_payload))
		lab_say("%s: the process had %s of memory of its own, and malloc gave it %s: it "
		    "takes the rest by a malloc of its own, or maps it, and no figure is about "
		    "that; a build on the system's malloc, or PYTHONMALLOC=malloc and the like, "
		    "shows it",
		    f->path, units_bytes(a, (double)all), units_bytes(b, (double)k->peak_payload));
}

void caveat_python(const struct trace_file *f)
{
	char version[32], why[128];

	if (trace_file_value(f, TRACE_META, "python_unread", why, sizeof why) &&
	    trace_file_value(f, TRACE_META, "python", version, sizeof version))
		lab_say("%s: the program is Python %s, whose functions dmm does not name, as %s: "
		    "its call sites are C functions of the interpreter; dmm reads 3.11, 3.12 and "
		    "3.13", f->path, version, why);
}

void caveats_say(const struct trace_file *f, const struct caveat_facts *k)
{
	if (f->damage.text[0] != '\0' && f->sound_len == f->len)
		lab_say("%s: %s", f->path, f->damage.text);
	else if (!k->diagnosed && f->damage.text[0] != '\0')
		lab_say("%s: %s; shown is what comes before; record it again, with room on "
		    "the disk", f->path, f->damage.text);
	if (k->calls == 0)
		return;
	say_page_size(f);
	caveat_python(f);
	say_time(f, k);
	say_beside(f, k);
}
