/* committed.c - memory that a program gives back leaves the kernel's account of promised memory, so
 * that other programs get it under strict overcommit (vm.overcommit_memory 2).
 *
 *   LD_PRELOAD=libdmm.so committed
 *
 * Counted are VmData and the private writable mappings of /proc/self/maps, both of which such a
 * kernel charges.  Exit 0: after a peak of 400 MiB of small objects and 200 MiB of large ones both
 * are within 32 MiB of the start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks.h"

enum { SMALL = 200000, SMALL_BYTES = 2000, LARGE = 40, LARGE_BYTES = 5 << 20, LEFT_KIB = 32 << 10 };
static char *objects[SMALL + LARGE];

static size_t data_kib(void)
{
	char line[128];

	if (!task_line(getpid(), "VmData:", line, sizeof line))
		skip("VmData");
	return strtoul(line, NULL, 10);
}

static size_t private_kib(void)
{
	char line[512];
	size_t sum = 0, from, to;
	char rights[5];
	FILE *const f = fopen("/proc/self/maps", "r");

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "%zx-%zx %4s", &from, &to, rights) == 3 && rights[1] == 'w' &&
		    rights[3] == 'p')
			sum += (to - from) >> 10;
	if (f == NULL)
		skip("/proc/self/maps");
	fclose(f);
	return sum;
}

static void rise(void)
{
	for (size_t i = 0; i < SMALL + LARGE; i++) {
		const size_t n = i < SMALL ? SMALL_BYTES : LARGE_BYTES;
		if ((objects[i] = malloc(n)) == NULL)
			skip("600 MiB");
		memset(objects[i], 1, n);
	}
}

static void fall(void)
{
	for (size_t i = 0; i < SMALL + LARGE; i++)
		free(objects[i]);
}

int main(void)
{
	const size_t data = data_kib(), private = private_kib();

	rise();
	if (data_kib() < data + (500 << 10) || private_kib() < private + (500 << 10))
		wrong("the peak is not seen, so nothing is tested");
	fall();
	printf("VmData %zd KiB above the start, private mappings %zd\n", data_kib() - data,
	    private_kib() - private);
	fflush(stdout);
	if (data_kib() > data + LEFT_KIB || private_kib() > private + LEFT_KIB)
		wrong("the kernel's promises stay");
	return 0;
}
