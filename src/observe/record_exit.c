/* record_exit.c - the ways out of a program: exit, _exit, exec, and the way into
 * another: posix_spawn.
 *
 * The last flush is registered before anything else was, so that it runs after the destructors of
 * every library: what they free belongs to the recording.
 */
#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crash.h"
#include "observe/record.h"

#define API __attribute__((visibility("default"), used))

extern char **environ;
extern int __cxa_atexit(void (*f)(void *), void *arg, void *dso);

static void at_exit(void *arg)
{
	struct signals mask;

	(void)arg;
	signals_block(&mask);
	if (output_is_ours() && !store_is_forked() && tapes_flush())
		output_end();
	signals_restore(&mask);
}

__attribute__((constructor)) static void watch_exit(void)
{
	__cxa_atexit(at_exit, NULL, NULL); /* of no library: it is not run when ours is finished */
}

static void *next(const char *name)
{
	void *const f = dlsym(RTLD_NEXT, name);
	if (f == NULL)
		crash("record: no %s behind the recorder", name);
	return f;
}

API _Noreturn void _exit(int status)
{
	at_exit(NULL);
	((void (*)(int))(uintptr_t)next("_exit"))(status);
	__builtin_unreachable();
}

API _Noreturn void _Exit(int status)
{
	_exit(status);
}

/* Should it fail, the recording goes on. */
static void before_exec(const char *path, char *const env[])
{
	const int saved = errno;
	struct signals mask;

	signals_block(&mask);
	exec_note(getpid(), path, env);
	if (output_is_ours() && !store_is_forked())
		output_before_exec();
	signals_restore(&mask);
	errno = saved;
}

static int failed_exec(void)
{
	const int saved = errno;

	exec_failed(getpid());
	errno = saved;
	return -1;
}

API int execve(const char *path, char *const argv[], char *const env[])
{
	before_exec(path, env);
	((int (*)(const char *, char *const[], char *const[]))(uintptr_t)next("execve"))(path, argv,
	    env);
	return failed_exec();
}

API int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

API int execvpe(const char *file, char *const argv[], char *const env[])
{
	before_exec(file, env);
	((int (*)(const char *, char *const[], char *const[]))(uintptr_t)next("execvpe"))(file,
	    argv, env);
	return failed_exec();
}

API int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

API int fexecve(int fd, char *const argv[], char *const env[])
{
	char path[32];

	crash_format(path, sizeof path, "/proc/self/fd/%u", (size_t)fd);
	before_exec(path, env);
	((int (*)(int, char *const[], char *const[]))(uintptr_t)next("fexecve"))(fd, argv, env);
	return failed_exec();
}

typedef int spawn(pid_t *, const char *, const posix_spawn_file_actions_t *,
    const posix_spawnattr_t *, char *const[], char *const[]);

static int record_spawn(const char *name, pid_t *pid, const char *path,
    const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
    char *const argv[], char *const env[])
{
	pid_t child = 0;
	const int r =
	    ((spawn *)(uintptr_t)next(name))(&child, path, actions, attributes, argv, env);

	if (r == 0)
		exec_note(child, path, env);
	if (r == 0 && pid != NULL)
		*pid = child;
	return r;
}

API int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
	return record_spawn("posix_spawn", pid, path, actions, attributes, argv, env);
}

API int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
	return record_spawn("posix_spawnp", pid, file, actions, attributes, argv, env);
}

enum { ARGS_MAX = 4096 };

/* The arguments up to NULL.  False with errno E2BIG: too many. */
static bool gather(char **argv, const char *first, va_list *args)
{
	size_t n = 0;

	argv[n++] = (char *)(uintptr_t)first;
	while (argv[n - 1] != NULL && n < ARGS_MAX)
		argv[n++] = va_arg(*args, char *);
	if (argv[n - 1] == NULL)
		return true;
	errno = E2BIG;
	return false;
}

API int execl(const char *path, const char *arg, ...)
{
	char *argv[ARGS_MAX];
	va_list args;

	va_start(args, arg);
	const bool fits = gather(argv, arg, &args);
	va_end(args);
	return fits ? execve(path, argv, environ) : -1;
}

API int execlp(const char *file, const char *arg, ...)
{
	char *argv[ARGS_MAX];
	va_list args;

	va_start(args, arg);
	const bool fits = gather(argv, arg, &args);
	va_end(args);
	return fits ? execvpe(file, argv, environ) : -1;
}

API int execle(const char *path, const char *arg, ...)
{
	char *argv[ARGS_MAX];
	va_list args;

	va_start(args, arg);
	const bool fits = gather(argv, arg, &args);
	char *const *const env = fits ? va_arg(args, char *const *) : NULL;
	va_end(args);
	return fits ? execve(path, argv, env) : -1;
}
