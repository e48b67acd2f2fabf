/* conf.c - one pass over the text, each key given to whom it belongs. */
#include "interpose/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "base/nearest.h"
#include "system/policy/params.h"

enum { WORD = 64 }; /* longer ones are nobody's key */

static void set_stats(struct conf *c, const char *value)
{
	if (strcmp(value, "1") == 0 || strcmp(value, "0") == 0)
		c->stats = value[0] == '1';
	else
		crash_say("DMM_CONF: stats:%s: 0 or 1", value);
}

static void set(struct conf *c, const struct dmm_system *sys, const char *key, const char *value)
{
	static const char *const ours[] = {"stats"};
	struct params_error e;

	if (strcmp(key, ours[0]) == 0)
		set_stats(c, value);
	else if (nearest_name(key, ours, 1) != NULL)
		crash_say("DMM_CONF: unknown key '%s'; did you mean '%s'?", key, ours[0]);
	else if (!params_set(&c->params, sys, key, value, &e))
		crash_say("DMM_CONF: %s", e.text);
}

static void set_item(struct conf *c, const struct dmm_system *sys, const char *item, size_t len)
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
	set(c, sys, word, colon + 1);
}

void conf_read(struct conf *c, const struct dmm_system *sys)
{
	*c = (struct conf){.params = sys->defaults};
	const char *at = secure_getenv("DMM_CONF"); /* NULL as long as there is no environment yet */

	while (at != NULL && *at != '\0') {
		const size_t len = strcspn(at, ",");
		if (len > 0)
			set_item(c, sys, at, len);
		at += len + (at[len] == ',');
	}
	struct params_error e;
	if (!params_valid(&c->params, sys, &e)) {
		crash_say("DMM_CONF: %s", e.text);
		c->params = sys->defaults;
	}
}
