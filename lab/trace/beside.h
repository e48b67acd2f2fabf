/* beside.h - the files that a recorded program makes beside its recording T. */
#ifndef LAB_TRACE_BESIDE_H
#define LAB_TRACE_BESIDE_H

#include <stdint.h>

/* What a file is, by its type and its first bytes. */
enum file_kind {
	FILE_MISSING,
	FILE_EMPTY,
	FILE_BLANK,     /* zeros, as long as a T.tape: one that was not complete yet */
	FILE_RECORDING,
	FILE_TAPE,      /* T.tape of a recording T */
	FILE_OTHER,     /* also a folder, a FIFO, and a file that may not be read */
};

/* *pid: the process that the head of a recording or of a tape names; else 0. Does not wait for the
 * other end of a FIFO. */
enum file_kind file_kind(const char *path, uint32_t *pid);

/* path: of T.PID, T.execN, T.PID.execN, or .tape of one of these. */
typedef void beside_visit(void *arg, const char *path, enum file_kind kind);

/* Call visit with each of these files whose head names the process that the file's name says. A
 * recording that a user named T.1 is left out, unless process 1 made it.
 * first: the process of T and of T.execN; 0: unknown, and the T.execN are left out. */
void beside_each(const char *path, uint32_t first, beside_visit *visit, void *arg);

#endif
