/* deepbind.c - dlopen drops RTLD_DEEPBIND, and still finds a library by the RUNPATH of its caller.
 *
 *   LD_PRELOAD=build/libdmm-list.so build/test/deepbind dropped     the flag is dropped
 *   DMM_CONF=deepbind:1 ...         build/test/deepbind kept        the flag is kept
 *
 * Beside this program lie invisible/libdeepbind_opener.so and
 * invisible/deep/libdeepbind_plugin.so. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deepbind.h"

#define EXPECT(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "deepbind.c:%d: expected: %s\n", __LINE__, #cond); \
			exit(1); \
		} \
	} while (0)

static const char plugin_name[] = "libdeepbind_plugin.so";
static char opener_path[PATH_MAX], plugin_path[PATH_MAX];

static void find_libraries(void)
{
	char here[PATH_MAX / 2] = "";

	EXPECT(readlink("/proc/self/exe", here, sizeof here - 1) > 0);
	*strrchr(here, '/') = '\0';
	snprintf(opener_path, sizeof opener_path, "%s/invisible/libdeepbind_opener.so", here);
	snprintf(plugin_path, sizeof plugin_path, "%s/invisible/deep/%s", here, plugin_name);
}

static const void *address(void *handle, const char *name)
{
	const void *const found = dlsym(handle, name);
	EXPECT(found != NULL);
	return found;
}

/* The function called so, as type. */
#define CALL(type, handle, name) ((type)(uintptr_t)address(handle, name))

static const char *file_of(const void *code)
{
	Dl_info info;
	EXPECT(dladdr(code, &info) != 0);
	return info.dli_fname;
}

static bool is_libc(void *plugin)
{
	const void *const free_there = CALL(const void *(*)(void), plugin,
	    "plugin_address_of_free")();
	return strstr(file_of(free_there), "/libc.so") != NULL;
}

/* One side allocates the objects that the other frees. */
static void exchange(void *plugin)
{
	void *(*const their_malloc)(size_t) = CALL(void *(*)(size_t), plugin, "plugin_malloc");
	void *(*const their_realloc)(void *, size_t) = CALL(void *(*)(void *, size_t), plugin,
	    "plugin_realloc");
	void (*const their_free)(void *) = CALL(void (*)(void *), plugin, "plugin_free");

	for (size_t n = 1; n < 1 << 20; n = n * 3 + 1) {
		char *const ours = malloc(n), *const theirs = their_malloc(n);
		EXPECT(ours != NULL && theirs != NULL);
		memset(ours, 1, n);
		memset(theirs, 2, n);
		their_free(ours);
		free(theirs);
		free(their_realloc(malloc(n), 2 * n));
	}
}

static void *opened(void *handle)
{
	if (handle == NULL)
		fprintf(stderr, "deepbind.c: %s\n", dlerror());
	EXPECT(handle != NULL);
	return handle;
}

static void check_callers(void)
{
	void *const opener = opened(dlopen(opener_path, RTLD_NOW));
	void *(*const their_dlopen)(const char *, int) = CALL(void *(*)(const char *, int), opener,
	    "opener_dlopen");
	void *(*const their_dlmopen)(long, const char *, int) =
	    CALL(void *(*)(long, const char *, int), opener, "opener_dlmopen");

	/* this program has no RUNPATH that leads there */
	EXPECT(dlopen(plugin_name, RTLD_NOW) == NULL);
	const char *const why = dlerror();
	EXPECT(why != NULL && strstr(why, plugin_name) != NULL);
	EXPECT(dlerror() == NULL);
	dlclose(opened(their_dlopen(plugin_name, RTLD_NOW | RTLD_DEEPBIND)));
	dlclose(opened(their_dlopen("$ORIGIN/deep/libdeepbind_plugin.so", RTLD_NOW)));
	dlclose(opened(their_dlmopen(LM_ID_BASE, plugin_name, RTLD_NOW | RTLD_DEEPBIND)));
	EXPECT(dlerror() == NULL);
	dlclose(opener);
}

static void check_flag(void *plugin, bool kept)
{
	EXPECT(is_libc(plugin) == kept);
	if (!kept)
		exchange(plugin);
	dlclose(plugin);
}

/* A namespace of its own has a C library of its own, with or without us. */
static void check_namespace(void)
{
	void *const plugin = opened(dlmopen(LM_ID_NEWLM, plugin_path, RTLD_NOW | RTLD_DEEPBIND));
	EXPECT(is_libc(plugin));
	CALL(void (*)(void *), plugin, "plugin_free")(CALL(void *(*)(size_t), plugin,
	    "plugin_malloc")(100));
	dlclose(plugin);
}

int main(int argc, char **argv)
{
	const bool kept = argc > 1 && strcmp(argv[1], "kept") == 0;

	find_libraries();
	check_flag(opened(dlopen(plugin_path, RTLD_NOW | RTLD_DEEPBIND)), kept);
	check_flag(opened(dlmopen(LM_ID_BASE, plugin_path, RTLD_LAZY | RTLD_LOCAL | RTLD_DEEPBIND)),
	    kept);
	EXPECT(dlopen(NULL, RTLD_NOW) != NULL);
	check_callers();
	check_namespace();
	return 0;
}
