/* load.c - loads a design by dlopen, after a trial in a child: the library may crash or hang
 * there. */
#include "allocators/load.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/lab.h"

enum { TRIAL_SECONDS = 10 };

static const struct dmm_system *entry_of(void *lib)
{
	const struct dmm_system *(*entry)(void) =
	    (const struct dmm_system *(*)(void))dlsym(lib, DMM_SYSTEM_SYMBOL);
	return entry != NULL ? entry() : NULL;
}

/* The child reports nothing; the parent learns whether it survived. */
__attribute__((noreturn)) static void trial(const char *full)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	void *const lib = dlopen(full, RTLD_NOW | RTLD_LOCAL);
	const struct dmm_system *const sys = lib != NULL ? entry_of(lib) : NULL;
	if (sys != NULL && sys->abi == DMM_SYSTEM_ABI && sys->name != NULL)
		(void)strlen(sys->name);
	_exit(0);
}

/* Load it in a child, and wait for its end.  A library that ends the child itself has ended it. */
static void try_in_child(const char *path, const char *full)
{
	int status = 0;

	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0)
		trial(full);
	if (pid < 0)
		return; /* no process to be had: load it as it is */
	struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	int ready;
	do
		ready = end.fd < 0 ? 1 : poll(&end, 1, TRIAL_SECONDS * 1000);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (end.fd >= 0)
		close(end.fd);
	if (ready == 0)
		lab_die(EXIT_USAGE, "'%s' hangs while it is loaded: stopped after %d s", path,
		    TRIAL_SECONDS);
	if (WIFSIGNALED(status))
		lab_die(EXIT_USAGE, "'%s' crashes while it is loaded, or in %s(): %s", path,
		    DMM_SYSTEM_SYMBOL, strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0)
		lab_die(EXIT_USAGE, "'%s' ends the program while it is loaded, with status %d",
		    path,
		    WEXITSTATUS(status));
}

/* The functions that every design has. */
static void check_complete(const char *path, const struct dmm_system *sys)
{
	const char *const missing = sys->name == NULL ? "name" : sys->doc == NULL ? "doc"
	    : sys->open == NULL                       ? "open"
	    : sys->close == NULL                      ? "close"
	    : sys->alloc == NULL                      ? "alloc"
	    : sys->free == NULL                       ? "free"
	    : sys->usable == NULL                     ? "usable" : NULL;

	if (missing != NULL)
		lab_die(EXIT_USAGE, "'%s': struct dmm_system has no .%s: see examples/my_system.c",
		    path,
		    missing);
	if (sys->align < DMM_ALIGN_MIN || (sys->align & (sys->align - 1)) != 0)
		lab_die(EXIT_USAGE, "'%s': .align is %zu, but a power of two from %zu on is "
		    "wanted", path,
		    sys->align, DMM_ALIGN_MIN);
}

const struct dmm_system *design_load(const char *path)
{
	/* A name without a slash would be looked up in the library path. */
	char *const full = realpath(path, NULL);

	struct stat st;

	if (full == NULL)
		lab_die(EXIT_USAGE, "cannot find the system's library '%s'", path);
	if (stat(full, &st) == 0 && !S_ISREG(st.st_mode)) /* dlopen would wait at a pipe */
		lab_die(EXIT_USAGE, "'%s': not a regular file", path);
	try_in_child(path, full);
	void *const lib = dlopen(full, RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL)
		lab_die(EXIT_USAGE, "cannot load a system: %s", dlerror());
	free(full);
	if (dlsym(lib, DMM_SYSTEM_SYMBOL) == NULL)
		lab_die(EXIT_USAGE, "'%s' has no %s(): see examples/my_system.c", path,
		    DMM_SYSTEM_SYMBOL);
	const struct dmm_system *const sys = entry_of(lib);
	if (sys == NULL)
		lab_die(EXIT_USAGE, "'%s': %s() returns NULL", path, DMM_SYSTEM_SYMBOL);
	if (sys->abi != DMM_SYSTEM_ABI)
		lab_die(EXIT_USAGE, "'%s' was built for interface %u, this is %u: build it again",
		    path, sys->abi, DMM_SYSTEM_ABI);
	check_complete(path, sys);
	return sys;
}
