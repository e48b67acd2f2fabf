/* speedscope.c - see speedscope.h. */
#include "trace/speedscope.h"

#include <stdlib.h>
#include <string.h>

#include "cli/array.h"
#include "cli/json.h"
#include "cli/lab.h"
#include "trace/live.h"

struct speedscope_row {
	size_t first, depth; /* in .frames */
	uint64_t weight[SPEEDSCOPE_KINDS];
};

struct speedscope {
	const char *const *kinds;
	size_t kind_count;
	struct live numbers; /* of names, by a hash; .user: the number from 1 */
	char **names;
	size_t name_count, name_cap;
	uint32_t *frames;
	size_t frame_count, frame_cap;
	struct speedscope_row *rows;
	size_t row_count, row_cap;
};

static void no_memory(void)
{
	lab_die(EXIT_OURS, "no memory for a profile");
}

struct speedscope *speedscope_open(const char *const *names, size_t kinds)
{
	struct speedscope *const s = calloc(1, sizeof *s);

	if (s == NULL || !live_open(&s->numbers))
		return NULL;
	s->kinds = names;
	s->kind_count = kinds;
	return s;
}

static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3;
	return h | 1;
}

static uint32_t frame_of(struct speedscope *s, const char *name)
{
	const size_t before = s->numbers.count;
	struct live_object *const o = live_add(&s->numbers, hash(name));

	if (o == NULL)
		no_memory();
	ARRAY_GROW(s->names, s->name_cap, s->name_count + 1);
	if (s->numbers.count != before) {
		o->user = s->name_count;
		if ((s->names[s->name_count++] = strdup(name)) == NULL)
			no_memory();
	}
	return (uint32_t)o->user;
}

void speedscope_sample(struct speedscope *s, const char *const *frames, size_t depth,
    const uint64_t *weight)
{
	ARRAY_GROW(s->rows, s->row_cap, s->row_count + 1);
	ARRAY_GROW(s->frames, s->frame_cap, s->frame_count + depth + 1);
	struct speedscope_row *const row = &s->rows[s->row_count++];
	*row = (struct speedscope_row){.first = s->frame_count, .depth = depth};
	memcpy(row->weight, weight, s->kind_count * sizeof *weight);
	for (size_t i = depth; i-- > 0;) /* speedscope wants the outermost first */
		s->frames[s->frame_count++] = frame_of(s, frames[i]);
}

/* "main (hello.c:12)" is a function in a file; anything else is a name alone. */
static void write_frame(struct json *j, const char *name)
{
	const char *const open = strrchr(name, '('), *const colon = strrchr(name, ':');
	char *bare, *file;

	json_object(j, NULL);
	if (open != NULL && open > name && open[-1] == ' ' && colon != NULL && colon > open) {
		bare = strndup(name, (size_t)(open - name) - 1);
		file = strndup(open + 1, (size_t)(colon - open) - 1);
		if (bare == NULL || file == NULL)
			no_memory();
		json_string(j, "name", bare);
		json_string(j, "file", file);
		json_integer(j, "line", strtol(colon + 1, NULL, 10));
		free(bare);
		free(file);
	} else {
		json_string(j, "name", name);
	}
	json_end(j);
}

static void write_kind(const struct speedscope *s, struct json *j, size_t kind)
{
	uint64_t total = 0;

	for (size_t i = 0; i < s->row_count; i++)
		total += s->rows[i].weight[kind];
	json_object(j, NULL);
	json_string(j, "type", "sampled");
	json_string(j, "name", s->kinds[kind]);
	json_string(j, "unit", "bytes");
	json_integer(j, "startValue", 0);
	json_count(j, "endValue", total);
	json_array(j, "samples");
	for (size_t i = 0; i < s->row_count; i++) {
		const struct speedscope_row *const row = &s->rows[i];
		if (row->weight[kind] == 0)
			continue;
		json_array(j, NULL);
		for (size_t k = 0; k < row->depth; k++)
			json_integer(j, NULL, s->frames[row->first + k]);
		json_end(j);
	}
	json_end(j);
	json_array(j, "weights");
	for (size_t i = 0; i < s->row_count; i++)
		if (s->rows[i].weight[kind] != 0)
			json_count(j, NULL, s->rows[i].weight[kind]);
	json_end(j);
	json_end(j);
}

void speedscope_close(struct speedscope *s, FILE *out, const char *title)
{
	struct json j;

	json_begin(&j, out);
	json_string(&j, "$schema", "https://www.speedscope.app/file-format-schema.json");
	json_string(&j, "name", title);
	json_string(&j, "exporter", "dmm " DMM_VERSION);
	json_integer(&j, "activeProfileIndex", 0);
	json_object(&j, "shared");
	json_array(&j, "frames");
	for (size_t i = 0; i < s->name_count; i++)
		write_frame(&j, s->names[i]);
	json_end(&j);
	json_end(&j);
	json_array(&j, "profiles");
	for (size_t kind = 0; kind < s->kind_count; kind++)
		write_kind(s, &j, kind);
	json_end(&j);
	json_end(&j);
	for (size_t i = 0; i < s->name_count; i++)
		free(s->names[i]);
	live_close(&s->numbers);
	free(s->names);
	free(s->frames);
	free(s->rows);
	free(s);
}
