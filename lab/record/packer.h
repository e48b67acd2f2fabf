/* packer.h - a thread of dmm record: encodes and compresses the events that recorded processes
 * note.
 *
 *   program's threads --> T.tape, a shared mapping --> packer --> T
 *
 * So the program's own time holds no more than noting its calls.  A process that finds no packer,
 * or one that is late, encodes its calls itself (src/observe/record_flush.c).
 */
#ifndef LAB_RECORD_PACKER_H
#define LAB_RECORD_PACKER_H

/* Before the program starts: watch for processes that record to `path`, T, and to files T.PID next
 * to it. If that is not possible, the packer serves no process. Not thread-safe; one packer at a
 * time. */
void packer_open(const char *path);
/* After it: serve them. */
void packer_start(void);
/* Leave the processes that still run to themselves; then nothing of theirs is mapped. */
void packer_stop(void);

#endif
