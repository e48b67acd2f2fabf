/* archive.c - reads the bytes of a plain or packed file by libarchive. */
#include "import/archive.h"
#include "cli/input.h"
#include "cli/progress.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 64 << 10 };

/* Before the first member libarchive knows no offset; if it misses data then, the file was cut
 * off. */
static bool fail(struct import_archive *a, char *error)
{
	const char *const why = archive_error_string(a->archive);
	long long offset = archive_filter_bytes(a->archive, -1);

	if (offset < 0)
		offset = a->len;
	snprintf(error, IMPORT_ERROR_LEN, "offset %lld: %s", offset,
	    why != NULL ? why : "cannot be read");
	return false;
}

/* And its length, if it has one. */
static bool open_file(struct import_archive *a, const char *path, char *error)
{
	struct stat st;

	a->fd = input_stream(path);
	if (a->fd < 0 || fstat(a->fd, &st) != 0)
		snprintf(error, IMPORT_ERROR_LEN, "%s", input_why(errno));
	else
		a->len = S_ISREG(st.st_mode) ? (long long)st.st_size : 0;
	return error[0] == '\0';
}

/* The first member of a zip; anything else is one member. */
static bool next_member(struct import_archive *a, char *error)
{
	struct archive_entry *entry;

	for (;;) {
		const int r = archive_read_next_header(a->archive, &entry);
		if (r == ARCHIVE_EOF) {
			snprintf(error, IMPORT_ERROR_LEN, "there is nothing in it");
			return false;
		}
		if (r < ARCHIVE_WARN)
			return fail(a, error);
		const bool regular = archive_entry_filetype(entry) == AE_IFREG;
		if (regular && archive_entry_is_encrypted(entry)) {
			snprintf(error, IMPORT_ERROR_LEN, "it is encrypted");
			return false;
		}
		if (regular)
			break;
	}
	const char *const name = archive_entry_pathname(entry);
	if (archive_format(a->archive) != ARCHIVE_FORMAT_RAW && name != NULL)
		snprintf(a->member, sizeof a->member, "%s", name);
	return true;
}

bool import_archive_open(struct import_archive *a, const char *path, char *error)
{
	memset(a, 0, sizeof *a);
	a->fd = -1;
	if (strcmp(path, "-") != 0 && !open_file(a, path, error))
		return false;
	a->archive = archive_read_new();
	if (a->archive == NULL) {
		snprintf(error, IMPORT_ERROR_LEN, "no memory");
		return false;
	}
	archive_read_support_filter_gzip(a->archive);
	archive_read_support_filter_zstd(a->archive);
	archive_read_support_filter_xz(a->archive);
	archive_read_support_filter_bzip2(a->archive);
	archive_read_support_format_zip(a->archive);
	archive_read_support_format_raw(a->archive);
	archive_read_support_format_empty(a->archive);
	if (archive_read_open_fd(a->archive, a->fd >= 0 ? a->fd : STDIN_FILENO, PIECE) !=
	    ARCHIVE_OK)
		return fail(a, error);
	return next_member(a, error);
}

ssize_t import_archive_read(void *arg, const char **piece, char *error)
{
	struct import_archive *const a = arg;
	const la_ssize_t n = archive_read_data(a->archive, a->buf, sizeof a->buf);

	*piece = a->buf;
	if (a->len != 0)
		progress_share((double)archive_filter_bytes(a->archive, -1) / (double)a->len);
	if (n < 0)
		fail(a, error);
	return n < 0 ? -1 : (ssize_t)n;
}

bool import_archive_has_more(struct import_archive *a)
{
	struct archive_entry *entry;
	return a->member[0] != '\0' && archive_read_next_header(a->archive, &entry) == ARCHIVE_OK;
}

void import_archive_close(struct import_archive *a)
{
	if (a->archive != NULL)
		archive_read_free(a->archive);
	if (a->fd >= 0)
		close(a->fd);
}
