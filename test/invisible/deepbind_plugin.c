/* deepbind_plugin.c - a library that allocates and frees, opened with RTLD_DEEPBIND. */
#include <stdlib.h>

#include "deepbind.h"

void *plugin_malloc(size_t n)
{
	return malloc(n);
}

void *plugin_realloc(void *p, size_t n)
{
	return realloc(p, n);
}

void plugin_free(void *p)
{
	free(p);
}

const void *plugin_address_of_free(void)
{
	return (const void *)(uintptr_t)free;
}
