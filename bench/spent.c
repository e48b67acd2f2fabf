/* spent.c - run a command, and write the processor time that it and its children took.
 *
 *   spent FILE COMMAND [ARG...]     FILE: seconds, user and system
 *
 * It is linked statically, so that a recorder in LD_PRELOAD is not loaded into it: the recording is
 * the command's alone.  Exit status: the command's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage used;
	int status;

	if (argc < 3)
		return 2;
	const pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
		return 125;
	FILE *const f = fopen(argv[1], "w");
	if (f == NULL)
		return 125;
	const struct timeval *const user = &used.ru_utime, *const system = &used.ru_stime;
	fprintf(f, "%ld.%06ld\n%ld.%06ld\n", (long)user->tv_sec, (long)user->tv_usec,
	    (long)system->tv_sec, (long)system->tv_usec);
	fclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
