/* top.c - looking at a running process's heap again and again, and which processes could be
 * meant. */
#include "show/top.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/maps.h"

static double rate(double before, double after, double seconds)
{
	return (after - before) / seconds;
}

static void compare(struct top *t, const struct outside_view *old, const struct outside_view *new)
{
	const struct outside_churn churn = outside_churn(old, new);
	const double seconds = new->time - old->time;
	const uint64_t live_before = old->bytes[OUTSIDE_LIVE] + old->bytes[OUTSIDE_LARGE];
	const uint64_t live_after = new->bytes[OUTSIDE_LIVE] + new->bytes[OUTSIDE_LARGE];

	t->rates = (struct top_rates){
	    .known = true,
	    .allocated = (double)churn.allocated / seconds,
	    .freed = (double)churn.freed / seconds,
	    .live = rate((double)live_before, (double)live_after, seconds),
	    .held = rate((double)outside_held(old), (double)outside_held(new), seconds),
	    .resident = rate((double)outside_resident(old), (double)outside_resident(new), seconds),
	    .faults = rate((double)old->faults, (double)new->faults, seconds),
	    .cpu = rate(old->cpu_seconds, new->cpu_seconds, seconds),
	};
}

bool top_look(struct top *t, struct memory_error *e)
{
	t->now ^= 1;
	struct outside_view *const new = &t->views[t->now];
	if (!outside_look(&t->outside, new, e))
		return false;
	if (t->looks == 0)
		t->began = new->time;
	else
		compare(t, &t->views[t->now ^ 1], new);
	t->live[t->looks % TOP_HISTORY] = (double)(new->bytes[OUTSIDE_LIVE] +
	    new->bytes[OUTSIDE_LARGE]);
	t->held[t->looks % TOP_HISTORY] = (double)outside_held(new);
	t->looks++;
	return true;
}

struct top *top_open(pid_t pid)
{
	struct top *const t = calloc(1, sizeof *t);
	struct memory_error e;

	if (t == NULL)
		lab_die(EXIT_OURS, "out of memory");
	if (!outside_open_process(&t->outside, pid, &e) || !top_look(t, &e))
		lab_die(EXIT_OURS, "%s", e.text);
	return t;
}

void top_close(struct top *t)
{
	outside_view_drop(&t->views[0]);
	outside_view_drop(&t->views[1]);
	outside_close(&t->outside);
	free(t);
}

/* ---- which processes could be meant ---------------------------------------------------------- */

static bool find_libdmm(void *arg, const struct map_line *line)
{
	*(bool *)arg = strstr(line->path, "/libdmm.so") != NULL;
	return !*(bool *)arg;
}

static bool runs_slab(const char *pid)
{
	bool found = false;

	maps_visit(atoi(pid), find_libdmm, &found);
	return found;
}

static size_t say_candidate(const char *pid)
{
	char path[64], name[32] = "";

	if (!isdigit((unsigned char)pid[0]) || !runs_slab(pid))
		return 0;
	snprintf(path, sizeof path, "/proc/%.16s/comm", pid);
	FILE *const f = fopen(path, "re");
	if (f != NULL && fgets(name, sizeof name, f) != NULL)
		name[strcspn(name, "\n")] = '\0';
	if (f != NULL)
		fclose(f);
	lab_say("  %7s %s", pid, name);
	return 1;
}

_Noreturn void top_ask_for_pid(void)
{
	DIR *const d = opendir("/proc");
	size_t count = 0;

	lab_say("top: no process is given.  These have libdmm.so loaded:");
	for (const struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL;)
		count += say_candidate(entry->d_name);
	if (d != NULL)
		closedir(d);
	if (count == 0)
		lab_say("  none that may be read; 'dmm run -- PROGRAM' starts one");
	exit(EXIT_USAGE);
}
