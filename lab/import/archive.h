/* archive.h - a file as a source of bytes: plain, gzip, zstd, xz, bzip2, or the first member of a
 * zip. */
#ifndef LAB_IMPORT_ARCHIVE_H
#define LAB_IMPORT_ARCHIVE_H

#include "import/import.h"

struct import_archive {
	struct archive *archive;
	int fd;           /* -1: standard input, which stays open */
	long long len;    /* of the file, packed */
	char member[256]; /* of a zip; "" otherwise */
	char buf[64 << 10];
};

/* path: "-" is stdin.  False: `error` (IMPORT_ERROR_LEN bytes) says why; close it all the same. */
bool import_archive_open(struct import_archive *a, const char *path, char *error);
/* a struct import_source */
ssize_t import_archive_read(void *arg, const char **piece, char *error);
/* Are there members after the one that was read? */
bool import_archive_has_more(struct import_archive *a);
void import_archive_close(struct import_archive *a);

#endif
