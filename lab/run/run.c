/* run.c - one program on one allocator, in this process or, with figures, in a child. */
#include "run/run.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocators/conf_file.h"
#include "allocators/registry.h"
#include "cli/lab.h"
#include "cli/units.h"
#include "run/preload_check.h"

/* The system that checks the settings; NULL: not one of our designs, so it must check them
 * itself. */
static const struct dmm_system *judge_of(const struct run_order *r)
{
	const struct allocator *const a = &r->list.item[0];
	char word[PATH_MAX + 8];

	if (a->kind != KIND_SYSTEM)
		return NULL;
	if (!a->own_path)
		return registry_find(a->name);
	snprintf(word, sizeof word, "mine=%s", a->path);
	return registry_choose(word);
}

/* DMM_CONF of the environment, then the file's, then what --stats asks: the last word counts. */
static void set_conf(const struct run_order *r)
{
	const char *const given = getenv("DMM_CONF");
	char *const file = r->conf != NULL ? conf_read_file(r->conf, judge_of(r)) : NULL;
	char *all;

	if (file == NULL && !r->stats)
		return;
	if (asprintf(&all, "%s%s%s%s%s", given != NULL ? given : "", given != NULL ? "," : "",
		file != NULL ? file : "", file != NULL && r->stats ? "," : "",
		r->stats ? "stats:1" : "") < 0)
		lab_die(EXIT_OURS, "no memory for the settings");
	setenv("DMM_CONF", all, 1);
	free(all);
	free(file);
}

static void check_program(const struct run_order *r)
{
	const struct allocator *const a = &r->list.item[0];
	const struct launch l = {.argv = r->command, .allocator = a, .input = -1};
	struct proof proof;
	char *const path = launch_path(r->command[0]);

	if (path == NULL)
		lab_die(errno == EACCES ? EXIT_NOT_EXECUTABLE : EXIT_NOT_FOUND, "%s: %s",
		    r->command[0],
		    errno == EACCES ? "not executable" : "command not found");
	free(path);
	if (a->problem[0] != '\0')
		lab_die(EXIT_OURS, "%s cannot be loaded: %s", a->path != NULL ? a->path : a->name,
		    a->problem);
	proof_make(&l, &proof);
	if (proof.verdict == PROOF_NOT_LOADED && proof.whole_program)
		lab_die(EXIT_OURS, "%s", proof.why);
	if (proof.verdict == PROOF_NOT_LOADED)
		lab_die(EXIT_OURS, "%s was not loaded: %s", a->path, proof.why);
}

static void become(const struct run_order *r)
{
	allocator_enter(&r->list.item[0]);
	execvp(r->command[0], r->command);
	lab_die(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "%s: %s", r->command[0],
	    strerror(errno));
}

static void tell(const struct run_order *r, double wall_s, const struct rusage *u)
{
	char wall[UNITS_LEN], cpu[UNITS_LEN], peak[UNITS_LEN], faults[UNITS_LEN];
	const double cpu_s = (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	    (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) * 1e-6;

	lab_say("%s: %s, cpu %s, peak %s, %s page faults", r->list.item[0].name,
	    units_seconds(wall, wall_s), units_seconds(cpu, cpu_s),
	    units_bytes(peak, (double)u->ru_maxrss * 1024),
	    units_count(faults, (double)(u->ru_minflt + u->ru_majflt)));
	lab_next(r->command, "dmm compare --");
}

/* ^C and its like are the program's to answer; the terminal sends them to both. */
static int run_and_tell(const struct run_order *r)
{
	struct rusage usage = {0};
	int status = 0;

	const double started = launch_now();
	const pid_t pid = fork();
	if (pid == 0)
		become(r);
	if (pid < 0)
		lab_die(EXIT_OURS, "cannot fork: %s", strerror(errno));
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		lab_say("%s: killed by SIG%s", r->command[0], sigabbrev_np(WTERMSIG(status)));
	tell(r, launch_now() - started, &usage);
	return launch_status(status);
}

int run_program(const struct run_order *r)
{
	check_program(r);
	set_conf(r);
	if (r->stats)
		return run_and_tell(r);
	become(r);
	return EXIT_OURS;
}
