/* python_find.c - is there a Python in this process, and one whose frames the recorder can read?
 *
 * The program or its libpython exports what is asked for here.  The references are weak: where no
 * Python was loaded with the program they are NULL, and nothing was looked up in vain.
 */
#include <stdlib.h>

#include "base/crash.h"
#include "observe/record_python.h"

#define WEAK __attribute__((weak))

/* Exported by the interpreter, if there is one. */
extern const unsigned long Py_Version WEAK;
extern char _PyRuntime WEAK;
extern char PyCode_Type WEAK;
extern void *_PyThreadState_UncheckedGet(void) WEAK;
extern void *PyThreadState_GetUnchecked(void) WEAK; /* the same, from 3.13 on */
extern void *PyGILState_GetThisThreadState(void) WEAK;
extern void *PyInterpreterState_Head(void) WEAK;
extern void *PyInterpreterState_Main(void) WEAK;

struct python_known python_known;
static const char *unread; /* why the frames of this Python are not read */

/* Does a code object look as in that version?  Builds with other options have other structures. */
static bool fits(const struct python_layout *l)
{
	const uintptr_t type = (uintptr_t)&PyCode_Type;

	return type != 0 && *(const uintptr_t *)(type + PYTHON_BASIC_SIZE) == l->instructions &&
	       *(const uintptr_t *)(type + PYTHON_ITEM_SIZE) == 2;
}

bool python_find(void)
{
	char byte;

	if (&_PyRuntime == NULL || getenv("DMM_RECORD_NO_PYTHON") != NULL)
		return false;
	if (&Py_Version == NULL) {
		unread = "it is older than 3.11";
		return false;
	}
	python_known.current = _PyThreadState_UncheckedGet != NULL ? _PyThreadState_UncheckedGet
	                                                     : PyThreadState_GetUnchecked;
	unread = "its version is not known";
	for (size_t i = 0; i < sizeof python_layouts / sizeof *python_layouts; i++)
		if (python_layouts[i].version == Py_Version >> 16) {
			unread = "it was built with other structures";
			python_known.layout = fits(&python_layouts[i]) ? &python_layouts[i] : NULL;
		}
	if (python_known.layout == NULL || python_known.current == NULL ||
	    PyGILState_GetThisThreadState == NULL || PyInterpreterState_Head == NULL ||
	    PyInterpreterState_Main == NULL)
		return false;
	unread = "the system refuses process_vm_readv";
	if (!python_peek((uintptr_t)&Py_Version, &byte, 1))
		return false;
	unread = NULL;
	return true;
}

size_t python_meta(char *text, size_t cap)
{
	if (&_PyRuntime == NULL)
		return 0;
	const unsigned long v = &Py_Version != NULL ? Py_Version : 0;
	size_t n = v != 0 ? crash_format(text, cap, "python=%u.%u.%u\n", v >> 24, v >> 16 & 255,
	                        v >> 8 & 255)
	                  : crash_format(text, cap, "python=3\n");
	if (unread != NULL)
		n += crash_format(text + n, cap - n, "python_unread=%s\n", unread);
	return n;
}
