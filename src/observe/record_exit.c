/* record_exit.c - the ways out of a program: exit, _exit, exec.
 *
 * The last flush is registered before anything else was, so that it runs after the destructors of
 * every library: what they free belongs to the recording.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crash.h"
#include "observe/record.h"

#define API __attribute__((visibility("default"), used))

extern char **environ;
extern int __cxa_atexit(void (*f)(void *), void *arg, void *dso);

static pid_t owner; /* a child of vfork shares our memory, but not our pid */

static void at_exit(void *arg)
{
	(void)arg;
	if (getpid() != owner)
		return;
	tapes_flush(true);
	output_end();
}

static void claim(void)
{
	owner = getpid();
}

__attribute__((constructor)) static void watch_exit(void)
{
	claim();
	pthread_atfork(NULL, NULL, claim);
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
static void before_exec(void)
{
	const int saved = errno;
	if (getpid() == owner)
		tapes_flush(false);
	errno = saved;
}

API int execve(const char *path, char *const argv[], char *const env[])
{
	before_exec();
	return ((int (*)(const char *, char *const[], char *const[]))(uintptr_t)next("execve"))(path, argv,
	    env);
}

API int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

API int execvpe(const char *file, char *const argv[], char *const env[])
{
	before_exec();
	return ((int (*)(const char *, char *const[], char *const[]))(uintptr_t)next("execvpe"))(file, argv,
	    env);
}

API int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

API int fexecve(int fd, char *const argv[], char *const env[])
{
	before_exec();
	return ((int (*)(int, char *const[], char *const[]))(uintptr_t)next("fexecve"))(fd, argv, env);
}

enum { ARGS_MAX = 4096 };

/* The arguments up to NULL; returns how many, NULL included, or 0: too many. */
static size_t gather(char **argv, const char *first, va_list *args)
{
	size_t n = 0;

	argv[n++] = (char *)(uintptr_t)first;
	while (argv[n - 1] != NULL && n < ARGS_MAX)
		argv[n++] = va_arg(*args, char *);
	return argv[n - 1] == NULL ? n : 0;
}

API int execl(const char *path, const char *arg, ...)
{
	char *argv[ARGS_MAX];
	va_list args;

	va_start(args, arg);
	const size_t n = gather(argv, arg, &args);
	va_end(args);
	if (n == 0) {
		errno = E2BIG;
		return -1;
	}
	return execve(path, argv, environ);
}

API int execlp(const char *file, const char *arg, ...)
{
	char *argv[ARGS_MAX];
	va_list args;

	va_start(args, arg);
	const size_t n = gather(argv, arg, &args);
	va_end(args);
	if (n == 0) {
		errno = E2BIG;
		return -1;
	}
	return execvpe(file, argv, environ);
}

API int execle(const char *path, const char *arg, ...)
{
	char *argv[ARGS_MAX];
	va_list args;

	va_start(args, arg);
	const size_t n = gather(argv, arg, &args);
	char *const *const env = n != 0 ? va_arg(args, char *const *) : NULL;
	va_end(args);
	if (n == 0) {
		errno = E2BIG;
		return -1;
	}
	return execve(path, argv, env);
}
