/* provenance.c - the machine, its settings, and when. */
#include "run/provenance.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* The rest of the first line of `path` that begins with `prefix`. */
static void read_line(const char *path, const char *prefix, char to[PROVENANCE_LEN])
{
	char line[512];
	FILE *const f = fopen(path, "re");

	snprintf(to, PROVENANCE_LEN, "unknown");
	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		if (strncmp(line, prefix, strlen(prefix)) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		const char *rest = line + strlen(prefix);
		rest += strspn(rest, " \t:");
		snprintf(to, PROVENANCE_LEN, "%.*s", PROVENANCE_LEN - 1, rest);
		break;
	}
	if (f != NULL)
		fclose(f);
}

/* "always [madvise] never": the word in brackets. */
static void read_huge_pages(char to[PROVENANCE_LEN])
{
	char line[PROVENANCE_LEN];

	read_line("/sys/kernel/mm/transparent_hugepage/enabled", "", line);
	const char *const open = strchr(line, '[');
	const size_t n = open != NULL ? strcspn(open + 1, "]") : 0;
	snprintf(to, PROVENANCE_LEN, "%.*s", n > 0 ? (int)n : 7, n > 0 ? open + 1 : "unknown");
}

void provenance_read(struct provenance *p)
{
	struct utsname os;
	struct tm utc;
	const time_t now = time(NULL);

	read_line("/proc/cpuinfo", "model name", p->cpu);
	read_huge_pages(p->huge_pages);
	uname(&os);
	snprintf(p->kernel, sizeof p->kernel, "%.60s %.60s", os.sysname, os.release);
	snprintf(p->libc, sizeof p->libc, "glibc %s", gnu_get_libc_version());
	strftime(p->date, sizeof p->date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	p->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	p->memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

void provenance_json(const struct provenance *p, struct json *j, const char *key)
{
	json_object(j, key);
	json_string(j, "dmm", DMM_VERSION);
	json_string(j, "date", p->date);
	json_string(j, "cpu", p->cpu);
	json_integer(j, "cpus", p->cpus);
	json_count(j, "memory_bytes", p->memory);
	json_string(j, "kernel", p->kernel);
	json_string(j, "libc", p->libc);
	json_string(j, "huge_pages", p->huge_pages);
	json_end(j);
}
