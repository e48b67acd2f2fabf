/* lesson.h - what a failed torture teaches: the fewest calls that fail, the heap before and after
 * the last of them, the rule in words, and a C program that shows it.
 *
 *   steps of the failing epoch --> as a program sees it? --> shrink --> drawings, C program
 */
#ifndef LAB_LESSON_LESSON_H
#define LAB_LESSON_LESSON_H

#include "torture/torture.h"

/* For struct torture_order.failed.  Everything goes to stdout, the C program to order->file if it
 * is set; what cannot be shown is said instead.  Ends the program if the file cannot be written. */
void lesson_tell(const struct torture_order *order, const struct torture_failure *failure);

#endif
