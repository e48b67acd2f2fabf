/* names.c - cutting lists of allocators into names. */
#include "allocators/names.h"

#include <string.h>

#include "cli/lab.h"

/* A piece "dirty_decay_ms:0" after "je=je.so?MALLOC_CONF=narenas:1" is the setting's, not a
 * name. */
static bool continues_setting(const char *item, const char *piece, size_t n)
{
	const size_t name = strcspn(piece, ":?=,");
	return strchr(item, '?') != NULL && name < n && piece[name] == ':';
}

bool names_next(const char **rest, char item[PATH_MAX])
{
	size_t used = 0;

	item[0] = '\0';
	while (**rest != '\0') {
		const size_t n = strcspn(*rest, ",");
		if (used > 0 && !continues_setting(item, *rest, n))
			return true;
		if (used + n + 2 > PATH_MAX)
			lab_die(EXIT_USAGE, "'%.40s...': too long", *rest);
		if (used > 0)
			item[used++] = ',';
		memcpy(item + used, *rest, n);
		used += n;
		item[used] = '\0';
		*rest += n + ((*rest)[n] == ',');
	}
	return used > 0;
}

void names_split(char *item, char **path, char **settings)
{
	*settings = strchr(item, '?');
	if (*settings != NULL)
		*(*settings)++ = '\0';
	*path = strchr(item, '=');
	if (*path != NULL)
		*(*path)++ = '\0';
}
