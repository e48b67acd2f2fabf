/* slab_conf.c - see slab_conf.h. */
#include "allocators/slab_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/config_keys.h"
#include "slab/settings.h"
#include "slab/system.h"

static const char *next;

/* slab asks for its settings where it starts. */
const char *slab_settings_text(void)
{
	return next;
}

void slab_conf_next(const char *text)
{
	next = text;
}

/* The settings that slab would have with this text; the caller frees the result. */
static struct settings *obey(const char *text)
{
	struct settings *const s = malloc(sizeof *s);

	if (s == NULL)
		lab_die(EXIT_OURS, "no memory for the settings");
	settings_begin(s, &system_slab);
	settings_obey(s, text);
	settings_end(s);
	slab_settings_reset();
	return s;
}

bool slab_conf_valid(const char *text, char *why, size_t cap)
{
	struct settings *const s = obey(text);
	const bool valid = s->problems == 0;

	if (!valid)
		snprintf(why, cap, "%s", s->problem[0].text);
	free(s);
	return valid;
}

bool slab_conf_simulable(const char *text)
{
	slab_settings_obey(text, NULL, NULL);
	const bool can = !hardening.canary && !hardening.zero_on_free &&
	    !hardening.check_on_reuse && hardening.quarantine == 0 &&
	    !hardening.random_order && !hardening.guard_large && !hardening.readonly_conf &&
	    !guarding.on && !surface.stats && sampling.mean == 0 && !surface.profile_exit &&
	    surface.profile_interval_s == 0 && surface.profile_signal == 0;
	slab_settings_reset();
	return can;
}

bool slab_conf_changes_nothing(const char *text)
{
	struct settings *const own = obey(""), *const set = obey(text);
	bool same = set->problems == 0;

	for (size_t i = 0; i < own->count; i++)
		same = same && strcmp(own->item[i].value, set->item[i].value) == 0;
	free(own);
	free(set);
	return same;
}
