/* conf_file.c - settings in a file. */
#include "conf_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interpose/conf.h"
#include "lab.h"

struct collected {
	char *all;
	size_t len;
	FILE *out;
	bool checked;
};

static void collect(void *arg, const struct conf_heard *h)
{
	struct collected *const c = arg;

	if (h->file == NULL) /* the file itself: why it cannot be read */
		lab_die(EXIT_USAGE, "%s", h->problem + strlen("file:"));
	if (h->value == NULL || (c->checked && h->problem != NULL))
		lab_die(EXIT_USAGE, "%s:%zu: %s", h->file, h->line, h->problem);
	fprintf(c->out, "%s%s:%s", c->len > 0 ? "," : "", h->key, h->value);
	c->len++;
}

char *conf_read_file(const char *path, const struct dmm_system *sys)
{
	static const struct dmm_system anything = {.name = "?"};
	const struct dmm_system *const judge = sys != NULL ? sys : &anything;
	struct conf conf = {.params = judge->defaults};
	struct collected c = {.checked = sys != NULL};
	struct params_error e;
	size_t size;

	c.out = open_memstream(&c.all, &size);
	if (c.out == NULL)
		lab_die(EXIT_OURS, "no memory for the settings");
	conf_obey_file(&conf, judge, path, collect, &c);
	fclose(c.out);
	if (sys != NULL && !params_valid(&conf.params, sys, &e))
		lab_die(EXIT_USAGE, "%s: %s", path, e.text);
	return c.all;
}
