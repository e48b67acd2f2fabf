/* dlopen.c - which mode, and which dlopen is next: see dlopen.h. */
#include "os/dlopen.h"

#include <dlfcn.h>
#include <errno.h>

void *dlopen_next, *dlmopen_next;

/* dlsym's own message, "undefined symbol: dlopen", is what dlerror tells then. */
static void *no_such_function(void)
{
	return NULL;
}

/* Any number of threads may look it up at once: all find the same. */
static void find(void **next, const char *name)
{
	const int saved = errno;

	if (__atomic_load_n(next, __ATOMIC_ACQUIRE) != NULL)
		return;
	void *const found = dlsym(RTLD_NEXT, name);
	__atomic_store_n(next, found != NULL ? found : (void *)(uintptr_t)no_such_function,
	    __ATOMIC_RELEASE);
	errno = saved;
}

int dlopen_mode(int mode)
{
	find(&dlopen_next, "dlopen");
	return (mode & RTLD_DEEPBIND) == 0 || dlopen_keeps_deepbind() ? mode
	                                                              : mode & ~RTLD_DEEPBIND;
}

/* A library in another namespace calls malloc and free of that namespace's own C library, so the
 * flag stays. */
int dlmopen_mode(long space, int mode)
{
	find(&dlmopen_next, "dlmopen");
	if ((mode & RTLD_DEEPBIND) == 0 || space != LM_ID_BASE || dlopen_keeps_deepbind())
		return mode;
	return mode & ~RTLD_DEEPBIND;
}
