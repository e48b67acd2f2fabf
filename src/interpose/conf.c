/* conf.c - one pass over the text, each key given to whom it belongs. */
#include "interpose/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "base/nearest.h"

enum { WORD = 64 }; /* longer ones are nobody's key */

static const char *const names[] = {"stats"};

static void unknown_key(const char *key)
{
	const char *const nearest = nearest_name(key, names, sizeof names / sizeof *names);

	if (nearest != NULL)
		crash_say("DMM_CONF: unknown key '%s'; did you mean '%s'?", key, nearest);
	else
		crash_say("DMM_CONF: unknown key '%s'", key);
}

static void set(struct conf *c, const char *key, const char *value)
{
	if (strcmp(key, "stats") != 0)
		unknown_key(key);
	else if (strcmp(value, "1") == 0 || strcmp(value, "0") == 0)
		c->stats = value[0] == '1';
	else
		crash_say("DMM_CONF: stats:%s: 0 or 1", value);
}

static void set_item(struct conf *c, const char *item, size_t len)
{
	char word[WORD];

	if (len >= sizeof word) {
		crash_say("DMM_CONF: a setting of %u letters: none is that long", len);
		return;
	}
	memcpy(word, item, len);
	word[len] = '\0';
	char *const colon = strchr(word, ':');
	if (colon == NULL) {
		crash_say("DMM_CONF: '%s': a setting is key:value", word);
		return;
	}
	*colon = '\0';
	set(c, word, colon + 1);
}

void conf_read(struct conf *c, const struct dmm_system *sys)
{
	*c = (struct conf){.params = sys->defaults};
	const char *at = secure_getenv("DMM_CONF"); /* NULL as long as there is no environment yet */

	while (at != NULL && *at != '\0') {
		const size_t len = strcspn(at, ",");
		if (len > 0)
			set_item(c, at, len);
		at += len + (at[len] == ',');
	}
}
