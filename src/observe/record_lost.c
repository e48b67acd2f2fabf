/* record_lost.c - programs of which no recording will tell, noted by the process that starts them.
 *
 * The loader puts the recorder into a program only if it is dynamic, of our kind, not setuid, and
 * finds LD_PRELOAD in its environment.  META of the starter gets a line "lost=PID REASON PATH".
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "observe/record.h"

enum { PATH_LEN = 1024, SCRIPTS_MAX = 4 };

static bool preloads_us(char *const env[])
{
	for (size_t i = 0; env != NULL && env[i] != NULL; i++)
		if (strncmp(env[i], "LD_PRELOAD=", 11) == 0)
			return strstr(env[i], "dmm-record") != NULL;
	return false;
}

/* The file that execvp would take, in `to`; a name with a slash is one. */
static const char *find(const char *file, char to[PATH_LEN])
{
	const char *dirs = getenv("PATH");

	if (file == NULL || strchr(file, '/') != NULL || dirs == NULL)
		return file;
	for (;; dirs++) {
		const size_t n = strcspn(dirs, ":");
		if (n != 0 && n + strlen(file) + 2 < PATH_LEN) {
			memcpy(to, dirs, n);
			crash_format(to + n, PATH_LEN - n, "/%s", file);
			if (access(to, X_OK) == 0)
				return to;
		}
		dirs += n;
		if (*dirs == '\0')
			return file;
	}
}

static const char *elf_reason(int fd, const unsigned char *bytes, ssize_t len)
{
	Elf64_Ehdr head;
	Elf64_Phdr ph;

	if (len < (ssize_t)sizeof head || memcmp(bytes, ELFMAG, SELFMAG) != 0)
		return NULL;
	if (bytes[EI_CLASS] != ELFCLASS64)
		return "32-bit";
	memcpy(&head, bytes, sizeof head);
	for (unsigned i = 0; i < head.e_phnum; i++)
		if (pread(fd, &ph, sizeof ph, (off_t)(head.e_phoff + i * sizeof ph)) == sizeof ph &&
		    ph.p_type == PT_INTERP)
			return NULL;
	return "static";
}

/* Why the loader will not put the recorder into this file; NULL: it will, or there is no such file.
 * A script's interpreter answers for it. */
static const char *file_reason(const char *path)
{
	unsigned char bytes[256];
	char interpreter[sizeof bytes];
	struct stat st;

	for (int depth = 0; depth < SCRIPTS_MAX && path != NULL; depth++) {
		const int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return NULL;
		const ssize_t len = read(fd, bytes, sizeof bytes);
		const bool known = fstat(fd, &st) == 0;
		const char *const reason = elf_reason(fd, bytes, len);
		close(fd);
		if (reason != NULL)
			return reason;
		if (known && (((st.st_mode & S_ISUID) != 0 && st.st_uid != geteuid()) ||
		        ((st.st_mode & S_ISGID) != 0 && st.st_gid != getegid())))
			return "setuid";
		if (len < 4 || bytes[0] != '#' || bytes[1] != '!')
			return NULL;
		bytes[len - 1] = '\0';
		const char *const word =
		    (const char *)bytes + 2 + strspn((const char *)bytes + 2, " \t");
		const size_t n = strcspn(word, " \t\n");
		memcpy(interpreter, word, n);
		interpreter[n] = '\0';
		path = interpreter;
	}
	return NULL;
}

void exec_note(pid_t pid, const char *path, char *const env[])
{
	char text[PATH_LEN + 64], found[PATH_LEN];
	const int saved = errno;
	struct signals mask;
	const char *const file = find(path, found);
	const char *const reason = !preloads_us(env) ? "environment"
	    : !where_is_writable()                   ? "rights"
	                                             : file_reason(file);

	signals_block(&mask);
	if (reason != NULL)
		record_configure();
	if (reason != NULL && output_open()) {
		const size_t n = crash_format(text, sizeof text, "lost=%u %s %s\n", (size_t)pid,
		    reason, record_config.scrub || file == NULL ? "program" : file);
		meta_note_news();
		output_text(TRACE_META, text, n);
	}
	signals_restore(&mask);
	errno = saved;
}

void exec_failed(pid_t pid)
{
	char text[64];
	struct signals mask;

	signals_block(&mask);
	if (meta_has_news() && output_open())
		output_text(TRACE_META, text,
		    crash_format(text, sizeof text, "found=%u\n", (size_t)pid));
	signals_restore(&mask);
}
