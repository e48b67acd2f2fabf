/* compare.c - dmm compare --report: the scoreboard of a comparison, and the program's heap, which
 * one more run records. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/lab.h"
#include "report/compare.h"
#include "report/page.h"

enum { ARGS_MAX = 4096, DESIGNS_AS_GIVEN = 6, FOLDER_LEN = 256 };

static void become_recorder(const struct compare *c, const char *trace)
{
	static char *argv[ARGS_MAX + 8];
	char input[64];
	size_t n = 0;

	snprintf(input, sizeof input, "/proc/self/fd/%d", c->input);
	const int in = open(c->input >= 0 ? input : "/dev/null", O_RDONLY),
	    null = open("/dev/null", O_WRONLY);
	dup2(in, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	argv[n++] = (char *)"dmm";
	argv[n++] = (char *)"record";
	argv[n++] = (char *)"-o";
	argv[n++] = (char *)(size_t)trace;
	argv[n++] = (char *)"--";
	for (size_t i = 0; c->command[i] != NULL && i < ARGS_MAX; i++)
		argv[n++] = c->command[i];
	execv("/proc/self/exe", argv);
	_exit(EXIT_OURS);
}

static bool record(const struct compare *c, const char *trace)
{
	int status;

	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0)
		become_recorder(c, trace);
	return pid > 0 && waitpid(pid, &status, 0) == pid;
}

/* A shell starts the program that matters: of all processes the one with the largest recording. */
static bool largest_in(const char *folder, char path[PATH_MAX])
{
	DIR *const dir = opendir(folder);
	off_t most = 0;
	struct stat st;
	char name[PATH_MAX];

	for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
		snprintf(name, sizeof name, "%s/%s", folder, d->d_name);
		if (stat(name, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > most) {
			most = st.st_size;
			snprintf(path, PATH_MAX, "%s", name);
		}
	}
	if (dir != NULL)
		closedir(dir);
	return most != 0;
}

static void remove_folder(const char *folder)
{
	DIR *const dir = opendir(folder);
	char name[PATH_MAX];

	for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
		snprintf(name, sizeof name, "%s/%s", folder, d->d_name);
		if (d->d_name[0] != '.')
			unlink(name);
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(folder);
}

/* The designs of the comparison, if they are few; else those that dmm report takes by itself. */
static const char *designs_of(const struct compare *c)
{
	static char names[4096];
	size_t n = 0, len = 0;

	for (size_t i = 0; i < c->allocators.count; i++) {
		const struct allocator *const a = &c->allocators.item[i];
		if (a->kind != KIND_SYSTEM || a->own_path)
			continue;
		len += (size_t)snprintf(names + len, sizeof names - len, "%s%s",
		    n++ == 0 ? "" : ",", a->name);
		if (len >= sizeof names)
			return REPORT_SYSTEMS;
	}
	return n == 0 || n > DESIGNS_AS_GIVEN ? REPORT_SYSTEMS : names;
}

static char *words_of(const struct compare *c)
{
	char *text = NULL;
	size_t len;
	FILE *const f = open_memstream(&text, &len);

	for (size_t i = 0; f != NULL && c->command[i] != NULL; i++)
		fprintf(f, "%s%s", i == 0 ? "" : " ", c->command[i]);
	if (f != NULL)
		fclose(f);
	return text;
}

static void scoreboard_only(const struct compare *c, const struct report_scores *scores,
    const char *output)
{
	char *const title = words_of(c);
	static struct report r;
	char why[256];

	r = (struct report){.title = title, .scores = scores, .provenance = c->provenance};
	snprintf(r.program, sizeof r.program, "%s", title);
	if (!report_write(&r, output, why, sizeof why))
		lab_die(EXIT_OURS, "%s cannot be written: %s", output, why);
	free(title);
}

void report_compare(const struct compare *c, const char *output)
{
	static struct report_scores scores;
	char folder[FOLDER_LEN], trace[FOLDER_LEN + 16], path[PATH_MAX];
	const char *const tmp = getenv("TMPDIR");
	struct trace_file f;
	struct trace_error e;

	scores_of_compare(&scores, c, "run", "of the program itself");
	snprintf(folder, sizeof folder, "%.200s/dmm-report-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (c->drive != NULL || mkdtemp(folder) == NULL) {
		lab_say("%s has the scoreboard; for the heap of a server: dmm record, then dmm "
		    "report", output);
		scoreboard_only(c, &scores, output);
		return;
	}
	snprintf(trace, sizeof trace, "%s/recording", folder);
	bool heap = record(c, trace) && largest_in(folder, path) && trace_file_open(&f, path, &e);
	if (heap) {
		heap = f.events != 0;
		trace_file_close(&f);
	}
	if (heap)
		report_make(&(struct report_order){.path = path, .output = output,
		    .systems = designs_of(c),
		    .title = c->command[0], .limit_s = REPORT_LIMIT_S, .scores = &scores});
	else
		scoreboard_only(c, &scores, output);
	remove_folder(folder);
	if (!heap)
		lab_say("%s has the scoreboard; the program could not be recorded, so its heap is "
		    "not in it", output);
}
