/* futex.h - the operations of the futex system call that locks and the helper use.
 *
 * The kernel's <linux/futex.h> has them too; on systems with musl it is a package of its own. */
#ifndef BASE_FUTEX_H
#define BASE_FUTEX_H

enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_PRIVATE_FLAG = 128 };

#endif
