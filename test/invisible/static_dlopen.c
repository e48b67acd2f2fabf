/* static_dlopen.c - a static program, linked with libdmm.a, opens the library that it is given. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	void *const plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND) : NULL;

	if (plugin == NULL) {
		fprintf(stderr, "static_dlopen: %s\n", dlerror());
		return 1;
	}
	void *(*const their_malloc)(size_t) = (void *(*)(size_t))(uintptr_t)dlsym(plugin,
	    "plugin_malloc");
	void (*const their_free)(void *) = (void (*)(void *))(uintptr_t)dlsym(plugin,
	    "plugin_free");
	void *volatile p = malloc(100);
	their_free(their_malloc(100)); /* its own C library's */
	free(p);
	return dlclose(plugin);
}
