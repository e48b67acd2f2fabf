/* job.h - one cell of a sweep: a recording on one allocator with one set of options, once.
 *
 *   dmm sweep --plan  -- a line a cell -->  dmm replay --cell=HASH -o HASH.json ...  -->  dmm merge
 *
 * HASH is of what the result depends on: the bytes of the recording, the allocator's build-id (and
 * glibc's, and this dmm's), settings, options, and which repeat it is.  A cell that finds its
 * result done does nothing; one whose inputs are not those that it was planned for fails.
 */
#ifndef LAB_REPLAY_JOB_H
#define LAB_REPLAY_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "allocators/allocators.h"
#include "cli/json.h"

enum { CELL_HASH_LEN = 17 };

struct sweep_cell {
	const char *recording;
	/* space, on simulated memory; else time, for which the host must be quiet */
	bool model;
	const struct allocator *allocator; /* its name is the word that chose it */
	const char *touch, *thp;           /* as on the command line */
	size_t warm;                       /* bytes; SIZE_MAX: by the recording */
	size_t steps;                      /* samples over time; 0: as the format has it */
	size_t repeat;                     /* from 1; of models 0 */
	char hash[CELL_HASH_LEN];          /* made by cell_hash() */
	char content[CELL_HASH_LEN];       /* of the recording alone */
};

/* Exits with EXIT_FAULT where the recording cannot be read. */
void cell_hash(struct sweep_cell *c);
/* Its fields, in an open object. */
void cell_json(const struct sweep_cell *c, struct json *j);

/* The word for an allocator on a command line: NAME, NAME?SETTINGS or NAME=PATH?SETTINGS. */
void cell_word(const struct allocator *a, char *word, size_t cap);

/* A file that appears whole or not at all: it is written under another name, then renamed. */
struct cell_out {
	FILE *file;
	char path[4096], partial[4200];
};
/* Makes the directory if need be; exits with EXIT_OURS when it cannot. */
void cell_out_open(struct cell_out *o, const char *path);
void cell_out_close(struct cell_out *o);

#endif
