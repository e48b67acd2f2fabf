/* family.c - see family.h. */
#include "trace/family.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/array.h"
#include "trace/beside.h"
#include "trace/trace.h"

static struct relative *append(struct family *f)
{
	return ARRAY_RESERVE(f->at, f->cap, f->count + 1) ? &f->at[f->count++] : NULL;
}

/* META's "lost=PID REASON PATH", unless "found=PID" came after it. */
struct losses {
	struct family *family;
	uint32_t parent;
};

static const char *reason_in_words(const char *reason)
{
	return strcmp(reason, "environment") == 0 ? "its environment had no LD_PRELOAD"
	    : strcmp(reason, "static") == 0       ? "it is static"
	    : strcmp(reason, "setuid") == 0       ? "it is setuid"
	    : strcmp(reason, "rights") == 0       ? "it may create no file beside the recording"
	    : strcmp(reason, "name") == 0         ? "another file had the name of its recording"
	    : strcmp(reason, "file") == 0         ? "its recording could not be created"
	                                          : "it is a 32-bit program";
}

static void read_losses(void *arg, const char *text, size_t len)
{
	struct losses *const l = arg;
	char reason[16], program[128];
	unsigned pid;

	(void)len;
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"),
	    line += *line == '\n') {
		if (sscanf(line, "lost=%u %15s %127[^\n]", &pid, reason, program) == 3) {
			struct relative *const r = append(l->family);
			if (r == NULL)
				return;
			r->pid = pid;
			r->parent = l->parent;
			snprintf(r->what, sizeof r->what, "%s: not recorded: %s", program,
			    reason_in_words(reason));
		}
		if (sscanf(line, "found=%u", &pid) == 1 && l->family->count != 0) {
			const struct relative *const last = &l->family->at[l->family->count - 1];
			l->family->count -= last->pid == pid && last->path[0] == '\0';
		}
	}
}

static void add(struct family *f, const char *path)
{
	struct trace_file file;
	struct trace_error ignored;
	char command[FAMILY_TEXT];

	if (!trace_file_open(&file, path, &ignored))
		return;
	struct relative *const r = append(f);
	if (r != NULL) {
		r->pid = file.head.pid;
		r->parent = file.head.parent;
		r->events = file.events;
		r->bytes = file.len;
		snprintf(r->path, sizeof r->path, "%s", path);
		if (trace_file_value(&file, TRACE_META, "command", command, sizeof command))
			snprintf(r->what, sizeof r->what, "%s", command);
		struct losses l = {f, file.head.pid};
		trace_file_texts(&file, TRACE_META, read_losses, &l, &ignored);
	}
	trace_file_close(&file);
}

/* A program that replaced the process which noted it is that process. */
static bool is_child_of(const struct relative *r, const struct relative *parent)
{
	return r != parent && r->pid != parent->pid && r->parent == parent->pid;
}

static bool comes_first(const struct relative *a, const struct relative *b)
{
	return a->events != b->events ? a->events > b->events : a->pid < b->pid;
}

/* Into `to` what is left below the members of one pid, the largest first. */
static void place(const struct family *f, bool *placed, uint32_t pid, int depth, struct family *to)
{
	for (;;) {
		const struct relative *next = NULL;
		for (size_t i = 0; i < f->count; i++) {
			const struct relative parent = {.pid = pid};
			if (!placed[i] && is_child_of(&f->at[i], &parent) &&
			    (next == NULL || comes_first(&f->at[i], next)))
				next = &f->at[i];
		}
		if (next == NULL)
			return;
		for (size_t i = 0; i < f->count; i++) { /* all images of that process */
			if (placed[i] || f->at[i].pid != next->pid)
				continue;
			placed[i] = true;
			to->at[to->count] = f->at[i];
			to->at[to->count++].depth = depth;
		}
		place(f, placed, next->pid, depth + 1, to);
	}
}

static struct family in_order(const struct family *f, uint32_t root)
{
	struct family to = {.at = calloc(f->count, sizeof *to.at)};
	bool *const placed = calloc(f->count, sizeof *placed);

	for (size_t i = 0; to.at != NULL && placed != NULL && i < f->count; i++)
		if (f->at[i].pid == root) {
			placed[i] = true;
			to.at[to.count++] = f->at[i];
		}
	if (to.at != NULL && placed != NULL) {
		place(f, placed, root, 1, &to);
		for (size_t i = 0; i < f->count; i++) /* whose parents are not recorded */
			if (!placed[i]) {
				placed[i] = true;
				to.at[to.count] = f->at[i];
				to.at[to.count++].depth = 1;
				place(f, placed, f->at[i].pid, 2, &to);
			}
	}
	free(placed);
	return to;
}

/* A recording that holds only its process's end is reported by that alone. */
static void forget_empty(struct family *f)
{
	size_t kept = 1;

	for (size_t i = 1; i < f->count; i++) {
		bool told = false;
		for (size_t k = 0; k < f->count; k++)
			told |= f->at[k].pid == f->at[i].pid && f->at[k].path[0] == '\0';
		if (!told || f->at[i].events != 0 || f->at[i].path[0] == '\0')
			f->at[kept++] = f->at[i];
	}
	f->count = kept;
}

/* The recordings beside T; where there is no memory, not all of them. */
struct paths {
	char **at;
	size_t count, cap;
};

static void note_path(void *arg, const char *path, enum file_kind kind)
{
	struct paths *const p = arg;

	if (kind != FILE_RECORDING || !ARRAY_RESERVE(p->at, p->cap, p->count + 1))
		return;
	p->at[p->count] = strdup(path);
	p->count += p->at[p->count] != NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In one order, whatever that of the folder is: the images of one process are listed by it. */
static void add_beside(struct family *f, const char *path, uint32_t root)
{
	struct paths found = {0};

	beside_each(path, root, note_path, &found);
	if (found.count != 0)
		qsort(found.at, found.count, sizeof *found.at, by_name);
	for (size_t i = 0; i < found.count; i++) {
		add(f, found.at[i]);
		free(found.at[i]);
	}
	free(found.at);
}

struct family family_read(const char *path)
{
	struct family f = {0};

	add(&f, path);
	if (f.count == 0)
		return f;
	const uint32_t root = f.at[0].pid;
	add_beside(&f, path, root);
	forget_empty(&f);
	const struct family ordered = in_order(&f, root);
	free(f.at);
	return ordered;
}

void family_free(struct family *f)
{
	free(f->at);
	f->at = NULL;
}
