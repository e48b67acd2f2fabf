/* deepbind.h - the functions of the two libraries of the test. */
#ifndef INVISIBLE_DEEPBIND_H
#define INVISIBLE_DEEPBIND_H

#include <stddef.h>
#include <stdint.h>

__attribute__((visibility("default"))) void *plugin_malloc(size_t n);
__attribute__((visibility("default"))) void *plugin_realloc(void *p, size_t n);
__attribute__((visibility("default"))) void plugin_free(void *p);
__attribute__((visibility("default"))) const void *plugin_address_of_free(void);

__attribute__((visibility("default"))) void *opener_dlopen(const char *file, int mode);
__attribute__((visibility("default"))) void *opener_dlmopen(long space, const char *file, int mode);

#endif
