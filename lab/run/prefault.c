/* prefault.c - touch and free memory in a process of its own. */
#include "run/prefault.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"

static size_t available(void)
{
	char line[128];
	size_t kib = 0;
	FILE *const f = fopen("/proc/meminfo", "re");

	if (f == NULL)
		return 0;
	while (kib == 0 && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "MemAvailable: %zu", &kib) != 1)
			kib = 0;
	fclose(f);
	return kib << 10;
}

size_t warm_bound(size_t bytes)
{
	return min_size(bytes, available() / 2);
}

static void touch(size_t bytes)
{
	char *const p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	    0);

	if (p == MAP_FAILED)
		return;
	/* Huge pages make it 50 times cheaper where a fault must leave the machine, and the host
	 * backs the same memory. */
	madvise(p, bytes, MADV_HUGEPAGE);
	for (size_t i = 0; i < bytes; i += 4096)
		((volatile char *)p)[i] = 1;
}

void warm_memory(size_t bytes)
{
	if (bytes == 0)
		return;
	const pid_t pid = fork();
	if (pid == 0) {
		touch(bytes);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}
