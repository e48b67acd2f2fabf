/* process.c - a malloc in a process with sbrk, limits, libraries that are loaded and unloaded, and
 * an end. */
#include "dropin.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int frees(void)
{
	return (traits & DMM_FREES) != 0;
}

TEST(foreign_sbrk_calls_are_survived)
{
	skip_on_musl();
	enum { COUNT = 400 };
	static char *ours[COUNT], *theirs[COUNT];

	for (unsigned i = 0; i < COUNT; i++) {
		const size_t n = 1 + i * 37 % 9000;
		fill(ours[i] = malloc(n), n, i);
		theirs[i] = sbrk(1 + i * 131 % 3000); /* also at odd addresses */
		EXPECT(theirs[i] != (void *)-1);
		fill(theirs[i], 1 + i * 131 % 3000, i + 7);
		if (i % 3 == 2) {
			free(ours[i - 1]);
			fill(ours[i - 1] = malloc(1 + (i - 1) * 37 % 9000), 1 + (i - 1) * 37 % 9000,
			    i - 1);
		}
	}
	for (unsigned i = 0; i < COUNT; i++) {
		EXPECT(is_filled(ours[i], 1 + i * 37 % 9000, i));
		EXPECT(is_filled(theirs[i], 1 + i * 131 % 3000, i + 7));
		free(ours[i]);
	}
	for (unsigned i = 0; i < COUNT; i++)
		EXPECT(is_filled(theirs[i], 1 + i * 131 % 3000, i + 7));
}

TEST(a_break_that_others_move_down_again_is_survived)
{
	skip_on_musl();
	char *const p = malloc(1000);

	fill(p, 1000, 1);
	for (int i = 0; i < 50; i++) {
		EXPECT(sbrk(10000) != (void *)-1);
		EXPECT(sbrk(-10000) != (void *)-1);
		char *const q = malloc(3000);
		fill(q, 3000, 2);
		EXPECT(is_filled(p, 1000, 1) && is_filled(q, 3000, 2));
		free(q);
	}
	free(p);
}

/* Fill the memory that a limit leaves, see ENOMEM, free, go on. */
TEST(a_limit_set_while_running_gives_enomem_and_the_heap_goes_on)
{
	enum { COUNT = 20000, BYTES = 40000 };
	static char *p[COUNT];
	unsigned live = 0;

	limit_memory(200 << 20);
	errno = 0;
	while (live < COUNT && (p[live] = malloc(BYTES)) != NULL)
		fill(p[live], 100, live), live++;
	EXPECT(live > 100 && live < COUNT && errno == ENOMEM);
	for (unsigned i = 0; i < live; i++)
		EXPECT(is_filled(p[i], 100, i));
	for (unsigned i = 0; i < live; i += 2)
		free(p[i]);
	for (unsigned i = 0; frees() && i < live / 2; i += 2)
		EXPECT((p[i] = malloc(BYTES)) != NULL);
	for (unsigned i = 1; i < live; i += 2)
		EXPECT(is_filled(p[i], 100, i));
}

TEST(dlsym_dlopen_and_dlerror_work)
{
	EXPECT(dlsym(RTLD_DEFAULT, "there_is_no_such_name") == NULL);
	EXPECT(strstr(dlerror(), "there_is_no_such_name") != NULL);
	    /* its text is allocated inside dlsym */
	EXPECT(dlopen("/no/such/library.so", RTLD_NOW) == NULL);
	EXPECT(dlerror() != NULL);
	EXPECT(dlsym(RTLD_NEXT, "malloc") != NULL);
}

/* PLUGIN is a C++ library: its static constructors and destructors allocate and free, and it
 * throws. This program is C: libstdc++ comes with the library and is not in our scope. */
TEST(a_cxx_library_comes_and_goes)
{
	if (PLUGIN[0] == '\0')
		_exit(SKIPPED); /* no C++ library can be linked */
	for (int round = 0; round < 20; round++) {
		void *const plugin = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
		EXPECT(plugin != NULL);
		int (*words)(void), (*catches_bad_alloc)(void);
		*(void **)&words = dlsym(plugin, "plugin_words");
		*(void **)&catches_bad_alloc = dlsym(plugin, "plugin_catches_bad_alloc");
		EXPECT(words() == 1000);
		EXPECT(catches_bad_alloc() == 1);
		EXPECT(dlclose(plugin) == 0);
	}
}

/* ---- before main ----------------------------------------------------------------------------- */

static char *from_constructor;

__attribute__((constructor(101))) static void allocate_first(void)
{
	fill(from_constructor = malloc(5000), 5000, 77);
}

TEST(what_a_constructor_allocated_is_whole_and_freeable)
{
	EXPECT(is_filled(from_constructor, 5000, 77));
	free(from_constructor);
}

/* ---- after main ------------------------------------------------------------------------------ */

static char *left_to_exit, *left_to_destructor;

static void at_exit(void)
{
	char *const p = malloc(3000);
	if (p == NULL || !is_filled(left_to_exit, 500, 3))
		_exit(1);
	free(left_to_exit);
	free(p);
}

__attribute__((destructor(101))) static void free_last(void)
{
	if (left_to_destructor == NULL)
		return;
	if (!is_filled(left_to_destructor, 500, 4))
		_exit(1);
	free(left_to_destructor);
	free(malloc(100));
}

TEST(atexit_handlers_and_destructors_still_allocate_and_free)
{
	fill(left_to_exit = malloc(500), 500, 3);
	fill(left_to_destructor = malloc(500), 500, 4);
	EXPECT(atexit(at_exit) == 0);
}

TEST(a_child_program_is_served_too)
{
	int status;

	skip_on_musl();
	const pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "x=$(printf %05000d 7); [ ${#x} = 5000 ]",
		    (char *)NULL);
		_exit(127);
	}
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
}
