/* break.h - the heap section below the process's break: glibc's brk(), or one of our own.
 *
 * musl refuses brk(), and its own malloc, which the loader always uses, sets the break to where it
 * was at first and a page, wherever it is now.  So under musl the designs that grow by the break
 * get a section of their own: addresses reserved once, of which what lies below the break is
 * accessible.
 *
 *   base                     break                                  end
 *     | readable and writable  | inaccessible, costs no memory .... |
 */
#ifndef OS_BREAK_H
#define OS_BREAK_H

/* Where the break is; NULL: there is no section and none can be had. */
void *break_get(void);
/* Moves it.  Returns 0 or -1 and errno.  The bytes between the old and a higher break read as zero.
 * Not thread-safe: the caller holds the heap's lock. */
int break_set(void *to);

#endif
