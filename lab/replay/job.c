/* job.c - a hash of all that a cell's result depends on; and results as whole files. */
#include "replay/job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/input.h"
#include "cli/lab.h"
#include "observe/xxh64.h"

enum { SEED = 1 }; /* another one when the meaning of a result changes */

/* XXH64 of a file's bytes; the last one asked for is remembered. */
static uint64_t hash_of_file(const char *path)
{
	static char last[4096];
	static uint64_t hash;
	struct stat st;

	if (strcmp(path, last) == 0)
		return hash;
	const int fd = input_open(path);
	if (fd < 0 || fstat(fd, &st) != 0)
		lab_die(EXIT_FAULT, "%s: %s", path, input_why(errno));
	void *const p = st.st_size != 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
	    fd, 0)
	                                : NULL;
	if (p == MAP_FAILED)
		lab_die(EXIT_FAULT, "%s: %s", path, strerror(errno));
	hash = xxh64(p != NULL ? p : "", (size_t)st.st_size, SEED);
	if (p != NULL)
		munmap(p, (size_t)st.st_size);
	close(fd);
	snprintf(last, sizeof last, "%s", path);
	return hash;
}

static void put_identity(FILE *out, const char *what, const char *path)
{
	struct elf_facts facts;

	if (path != NULL && elf_read(path, &facts) && facts.build_id[0] != '\0')
		fprintf(out, "%s=%s\n", what, facts.build_id);
	else if (path != NULL && access(path, R_OK) == 0)
		fprintf(out, "%s=%016" PRIx64 "\n", what, hash_of_file(path));
	else
		fprintf(out, "%s=-\n", what);
}

void cell_hash(struct sweep_cell *c)
{
	const struct allocator *const a = c->allocator;
	struct allocators base = {0};
	char *text = NULL;
	size_t len = 0;

	snprintf(c->content, sizeof c->content, "%016" PRIx64, hash_of_file(c->recording));
	FILE *const out = open_memstream(&text, &len);
	if (out == NULL)
		lab_die(EXIT_OURS, "no memory");
	fprintf(out, "recording=%s\nkind=%s\nallocator=%s\n", c->content,
	    c->model ? "model" : "time", a->name);
	put_identity(out, "dmm", "/proc/self/exe"); /* the model is in it */
	if (c->model) {
		fprintf(out, "steps=%zu\n", c->steps);
	} else {
		allocators_add_baseline(&base);
		fprintf(out, "glibc=%s\n", base.item[0].build_id);
		put_identity(out, "binary", a->path);
		fprintf(out, "touch=%s\nthp=%s\nwarm=%zd\nrepeat=%zu\n", c->touch, c->thp,
		    (ssize_t)c->warm, c->repeat);
		allocators_free(&base);
	}
	for (char *const *s = a->settings; *s != NULL; s++)
		fprintf(out, "setting=%s\n", *s);
	fclose(out);
	snprintf(c->hash, sizeof c->hash, "%016" PRIx64, xxh64(text, len, SEED));
	free(text);
}

void cell_json(const struct sweep_cell *c, struct json *j)
{
	json_object(j, "cell");
	json_string(j, "hash", c->hash);
	json_string(j, "kind", c->model ? "space" : "time");
	json_string(j, "recording_hash", c->content);
	json_count(j, "repeat", c->repeat);
	json_end(j);
}

void cell_word(const struct allocator *a, char *word, size_t cap)
{
	size_t n = (size_t)snprintf(word, cap, "%s", a->name);

	if (a->own_path && n < cap) {
		n += (size_t)snprintf(word + n, cap - n, "=%s", a->path);
		for (char *const *s = a->settings; *s != NULL && n < cap; s++)
			n += (size_t)snprintf(word + n, cap - n, "%c%s",
			    s == a->settings ? '?' : '&', *s);
	}
	if (n >= cap)
		lab_die(EXIT_USAGE, "'%.40s...': too long", a->name);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void make_directory(const char *path)
{
	char directory[4096];
	const char *const slash = strrchr(path, '/');

	if (slash == NULL || slash == path)
		return;
	snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
	if (mkdir(directory, 0777) != 0 && errno == ENOENT) {
		make_directory(directory);
		mkdir(directory, 0777);
	}
}

void cell_out_open(struct cell_out *o, const char *path)
{
	if (snprintf(o->path, sizeof o->path, "%s", path) >= (int)sizeof o->path)
		lab_die(EXIT_USAGE, "-o %.40s...: too long", path);
	make_directory(path);
	snprintf(o->partial, sizeof o->partial, "%s.%d.partial", path, (int)getpid());
	o->file = fopen(o->partial, "we");
	if (o->file == NULL)
		lab_die(EXIT_OURS, "%s: %s", o->partial, strerror(errno));
}

void cell_out_close(struct cell_out *o)
{
	const bool unwritten = ferror(o->file) != 0;

	if (fclose(o->file) != 0 || unwritten || rename(o->partial, o->path) != 0) {
		const int error = errno;
		unlink(o->partial);
		lab_die(EXIT_OURS, "%s: cannot write: %s", o->path, strerror(error));
	}
}
