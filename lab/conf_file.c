/* conf_file.c - settings in a file. */
#include "conf_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"

enum { CONF_MAX = 1 << 16 };

char *conf_read_file(const char *path)
{
	char *const all = calloc(1, CONF_MAX);
	char *line = NULL;
	size_t room = 0, used = 0;
	FILE *const f = fopen(path, "re");

	if (f == NULL || all == NULL)
		lab_die(EXIT_USAGE, "%s: %s", path, strerror(errno));
	while (getline(&line, &room, f) >= 0) {
		line[strcspn(line, "#")] = '\0';
		for (char *save, *word = strtok_r(line, ", \t\r\n", &save); word != NULL;
		     word = strtok_r(NULL, ", \t\r\n", &save)) {
			const size_t n = strlen(word);
			if (used + n + 2 > CONF_MAX)
				lab_die(EXIT_USAGE, "%s: more than %d bytes of settings", path, CONF_MAX);
			if (used > 0)
				all[used++] = ',';
			memcpy(all + used, word, n + 1);
			used += n;
		}
	}
	free(line);
	fclose(f);
	return all;
}
