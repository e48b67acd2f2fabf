/* deepbind_opener.c - a library whose RUNPATH leads to the plugin: dlopen finds the plugin only if
 * it knows that this library is its caller. */
#include <dlfcn.h>

#include "deepbind.h"

void *opener_dlopen(const char *file, int mode)
{
	void *const handle = dlopen(file, mode);
	__asm__ volatile("" ::: "memory");
	    /* no sibling call: the return address is in this library */
	return handle;
}

void *opener_dlmopen(long space, const char *file, int mode)
{
	void *const handle = dlmopen(space, file, mode);
	__asm__ volatile("" ::: "memory");
	return handle;
}
