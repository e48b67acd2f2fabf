/* top.c - dmm top: the heap of a running process, watched from outside. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "show/top.h"

struct top_options {
	const char *pid;
	double interval;
	size_t count, width;
	enum format format;
	bool ascii;
};

enum { OPTION_INTERVAL = OPTION_OWN, OPTION_COUNT, OPTION_ASCII, OPTION_WIDTH };

static const struct argp_option options[] = {
    {"interval", OPTION_INTERVAL, "SECONDS", 0, "Between two looks (1)", 0},
    {"count", OPTION_COUNT, "N", 0, "Print a line a look, N of them, and end; also in a terminal", 0},
    OPTION_FORMAT_LINE,
    {"ascii", OPTION_ASCII, NULL, 0, "No other characters than ASCII", 0},
    {"width", OPTION_WIDTH, "COLUMNS", 0, "Fit so many columns (the terminal's)", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct top_options *const o = state->input;

	switch (key) {
	case OPTION_INTERVAL:
		o->interval = option_seconds("interval", arg);
		return 0;
	case OPTION_COUNT:
		o->count = option_count("count", arg, 1);
		return 0;
	case OPTION_FORMAT:
		o->format = option_format(arg);
		return 0;
	case OPTION_ASCII:
		o->ascii = true;
		return 0;
	case OPTION_WIDTH:
		o->width = option_count("width", arg, DRAW_WIDTH_MIN);
		return 0;
	case ARGP_KEY_ARG:
		if (o->pid != NULL)
			lab_die(EXIT_USAGE, "top: one process at a time, '%s' is the second", arg);
		o->pid = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char doc[] =
    "Watch the heap of a process that runs slab: what it holds and why, its classes, threads and map. "
    "The process is neither prepared nor stopped.\v"
    "Keys: q leave, p or space pause, s sort, a all, c classes, t threads, m map, + and - interval.";
static const struct argp argp = {options, parse, "PID", doc, NULL, NULL, NULL};

/* ---- which processes could be meant ------------------------------------------------------------ */

static bool runs_slab(const char *pid)
{
	char path[64], line[4400];
	bool found = false;

	snprintf(path, sizeof path, "/proc/%.16s/maps", pid);
	FILE *const f = fopen(path, "re");
	while (f != NULL && !found && fgets(line, sizeof line, f) != NULL)
		found = strstr(line, "/libdmm.so") != NULL;
	if (f != NULL)
		fclose(f);
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

static _Noreturn void ask_for_pid(void)
{
	DIR *const d = opendir("/proc");
	size_t count = 0;

	lab_say("top: which process?  These have libdmm.so loaded:");
	for (const struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL;)
		count += say_candidate(entry->d_name);
	if (d != NULL)
		closedir(d);
	if (count == 0)
		lab_say("  none that may be read; 'dmm run -- PROGRAM' starts one");
	exit(EXIT_USAGE);
}

/* ---- looking ----------------------------------------------------------------------------------- */

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
	t->live[t->looks % TOP_HISTORY] = (double)(new->bytes[OUTSIDE_LIVE] + new->bytes[OUTSIDE_LARGE]);
	t->held[t->looks % TOP_HISTORY] = (double)outside_held(new);
	t->looks++;
	return true;
}

int cmd_top(int argc, char **argv)
{
	struct top_options o = {.interval = 1};
	struct memory_error e;
	struct top *const t = calloc(1, sizeof *t);

	options_parse(&argp, argc, argv, &o);
	if (t == NULL)
		lab_die(EXIT_OURS, "out of memory");
	if (o.pid == NULL)
		ask_for_pid();
	const pid_t pid = (pid_t)option_count("pid", o.pid, 1);
	if (!outside_open_process(&t->outside, pid, &e) || !top_look(t, &e))
		lab_die(EXIT_OURS, "%s", e.text);

	struct draw_style s = draw_style(stdout, o.ascii, o.width);
	const bool lines = o.count != 0 || o.format != FORMAT_TEXT || !isatty(STDOUT_FILENO);
	const int status = lines ? top_lines(t, &s, o.format, o.interval, o.count) : top_screen(t, &s, o.interval);
	outside_view_drop(&t->views[0]);
	outside_view_drop(&t->views[1]);
	outside_close(&t->outside);
	free(t);
	return status;
}
