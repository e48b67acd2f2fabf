/* soak_sample.c - what the kernel reports about this process, read without allocating, and how that
 * grows. */
#include "soak.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file's text, terminated; lines counted even where it is longer than the buffer. */
static size_t slurp(const char *path, char *text, size_t cap, size_t *lines)
{
	static char rest[1 << 16];
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t got;

	*lines = 0;
	while (fd >= 0 && (got = read(fd, rest, sizeof rest)) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			*lines += rest[i] == '\n';
			if (have < cap - 1)
				text[have++] = rest[i];
		}
	}
	text[have] = '\0';
	if (fd >= 0)
		close(fd);
	return have;
}

struct sample sample_take(double seconds)
{
	static char text[1 << 14];
	struct sample s = {.hours = seconds / 3600, .live = atomic_load(&soak.live)};
	size_t lines;

	slurp("/proc/self/maps", text, sizeof text, &s.maps);
	slurp("/proc/self/smaps_rollup", text, sizeof text, &lines);
	const char *const at = strstr(text, "Rss:");
	s.rss = at != NULL ? strtoull(at + 4, NULL, 10) << 10 : 0;
	return s;
}

double sample_rss(const struct sample *s)
{
	return (double)s->rss;
}

double sample_maps(const struct sample *s)
{
	return (double)s->maps;
}

double sample_live(const struct sample *s)
{
	return (double)s->live;
}

double slope_percent(const struct sample *s, size_t count, double after,
    double (*what)(const struct sample *))
{
	double n = 0, x = 0, y = 0, xx = 0, xy = 0;

	for (size_t i = 0; i < count; i++) {
		if (s[i].hours < after)
			continue;
		n += 1, x += s[i].hours, y += what(&s[i]);
		xx += s[i].hours * s[i].hours, xy += s[i].hours * what(&s[i]);
	}
	const double det = n * xx - x * x;
	return n < 3 || det <= 0 || y <= 0 ? 0 : (n * xy - x * y) / det / (y / n) * 100;
}
