/* caveat.c - see caveat.h. */
#include "trace/caveat.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/lab.h"
#include "cli/units.h"

enum { CALLS_LEAST = 1000, BESIDE_TIMES = 4 };

static const uint64_t SHORT_NS = 20000000, IDLE_NS = 100000000, BESIDE_LEAST = 64 << 20;

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

	if (is_timeless(f))
		lab_say("%s: it has no times, so averages are over calls, and idle time is not "
		    "seen; dmm record notes times", f->path);
	else if (k->calls < CALLS_LEAST || k->ns < SHORT_NS)
		lab_say("%s: %llu calls in %s are too short to tell habits from chance; record a "
		    "longer run", f->path, (unsigned long long)k->calls,
		    units_seconds(text, (double)k->ns * 1e-9));
	else if (k->idle_ns < IDLE_NS)
		lab_say("%s: the program was never idle for 100 ms, so what an allocator gives "
		    "back in idle times is not seen; record it until it has been idle for a second",
		    f->path);
}

static void say_beside(const struct trace_file *f, const struct caveat_facts *k)
{
	const uint64_t all = f->peak_anon_kib << 10;
	char a[UNITS_LEN], b[UNITS_LEN];

	if (all > BESIDE_LEAST + BESIDE_TIMES * k->peak_payload)
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
	else if (f->damage.text[0] != '\0')
		lab_say("%s: %s; shown is what comes before; record it again, with room on "
		    "the disk", f->path, f->damage.text);
	if (k->calls == 0)
		return;
	say_page_size(f);
	caveat_python(f);
	say_time(f, k);
	say_beside(f, k);
}
