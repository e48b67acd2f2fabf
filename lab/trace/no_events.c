/* no_events.c - a silent recording must say why: static, setuid, a malloc of its own, or
 * DEEPBIND. */
#include "trace/no_events.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/input.h"
#include "process/elf_file.h"
#include "process/known_mallocs.h"

/* The first allocator of the table of whose words one is in the bytes; NULL: none. */
static const char *words_in(const void *bytes, size_t len)
{
	for (const struct known_malloc *k = known_mallocs; k->name != NULL; k++)
		for (size_t i = 0; i < 2; i++)
			if (k->words[i] != NULL &&
			    memmem(bytes, len, k->words[i], strlen(k->words[i])) != NULL)
				return k->shown;
	return NULL;
}

static const char *own_malloc(const char *path)
{
	struct stat st;
	const int fd = input_open(path);

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	const void *const bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return NULL;
	const char *const name = words_in(bytes, (size_t)st.st_size);
	munmap((void *)(size_t)bytes, (size_t)st.st_size);
	return name;
}

void explain_silence(const char *program, bool recorder_was_loaded, int signal, char *why,
    size_t cap)
{
	struct elf_facts facts;
	struct stat st;
	const char *const inside = own_malloc(program);

	if (stat(program, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)) != 0)
		snprintf(why, cap, "%s is setuid: the loader preloads nothing into it", program);
	else if (!elf_read(program, &facts))
		snprintf(why, cap, "%s: %s", program, facts.problem);
	else if (!facts.interpreted)
		snprintf(why, cap, "%s is static: nothing can be put in front of its malloc%s%s",
		    program,
		    inside != NULL ? ", which is " : "", inside != NULL ? inside : "");
	else if (facts.sanitizer != NULL)
		snprintf(why, cap, "%s brings the malloc of %s", program, facts.sanitizer);
	else if (facts.has_malloc)
		snprintf(why, cap, "%s has a malloc of its own inside%s%s", program,
		    inside != NULL ? ": " : "", inside != NULL ? inside : "");
	else if (signal != 0)
		snprintf(why, cap, "signal %d (%s) ended %s before %s", signal, strsignal(signal),
		    program,
		    recorder_was_loaded ? "its first call of malloc"
		    : "the loader had put the recorder into it");
	else if (!recorder_was_loaded)
		snprintf(why, cap, "%s did not load the recorder: was LD_PRELOAD removed on the "
		    "way?", program);
	else
		snprintf(why, cap, "%s never called malloc by name%s%s: its libraries may have "
			"been loaded with RTLD_DEEPBIND, or it takes memory from the system itself",
			    program,
		    inside != NULL ? ", and holds the words of " : "",
		    inside != NULL ? inside : "");
}
