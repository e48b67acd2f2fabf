/* conf_file.c - the settings of --conf: all words, and whether a system can obey them. */
#include "allocators/conf_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf_text.h"
#include "cli/lab.h"
#include "allocators/config_keys.h"

static char *read_words(const char *path)
{
	struct conf_text t;
	struct conf_word w;
	char *all = NULL;
	size_t len = 0;
	int error = 0;

	if (conf_is_text(path))
		conf_text_begin(&t, path);
	else
		error = conf_text_open(&t, path);
	FILE *const out = open_memstream(&all, &len);
	if (out == NULL)
		lab_die(EXIT_OURS, "no memory for the settings");
	while (error == 0 && conf_text_next(&t, &w)) {
		if (w.len >= CONF_WORD)
			lab_die(EXIT_USAGE, "%s:%zu: a setting of %zu letters is too long", path,
			    w.line, w.len);
		fprintf(out, "%s%s%s%s", ftell(out) > 0 ? "," : "", w.key,
		    w.value != NULL ? ":" : "",
		    w.value != NULL ? w.value : "");
	}
	if (error == 0)
		error = t.error;
	conf_text_end(&t);
	fclose(out);
	if (error != 0)
		lab_die(EXIT_USAGE, "%s: %s", path, conf_text_reason(error));
	return all;
}

static void check(const char *path, const struct dmm_system *sys)
{
	struct settings *const s = malloc(sizeof *s);

	if (s == NULL)
		lab_die(EXIT_OURS, "no memory for the settings");
	settings_begin(s, sys);
	settings_obey_argument(s, path);
	settings_end(s);
	if (s->problems != 0)
		lab_die(EXIT_USAGE, "%s%s%s", s->problem[0].word == 0 ? path : "",
		    s->problem[0].word == 0 ? ": " : "", s->problem[0].text);
	free(s);
}

char *conf_read_file(const char *path, const struct dmm_system *sys)
{
	char *const all = read_words(path);

	if (sys != NULL)
		check(path, sys);
	return all;
}
