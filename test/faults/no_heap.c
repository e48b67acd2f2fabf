/* no_heap.c - a program whose malloc never gets a page calls every function of malloc's family.
 *
 *      refuse --from=1 --by=libdmm -- env LD_PRELOAD=libdmm-NAME.so no_heap
 *
 * Exit 0: each call answered as it must.  1: what did not.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void expect(int it, const char *what)
{
	if (it)
		return;
	static const char head[] = "no_heap: ";
	if (write(2, head, sizeof head - 1) < 0 || write(2, what, strlen(what)) < 0 ||
	    write(2, "\n", 1) < 0)
		_exit(2);
	_exit(1);
}

static void refused(const void *p, const char *what)
{
	expect(p == NULL && errno == ENOMEM, what);
	errno = 0;
}

static void ask(void)
{
	void *out = &out;

	refused(malloc(1), "malloc");
	refused(calloc(10, 10), "calloc");
	refused(realloc(NULL, 100), "realloc");
	refused(aligned_alloc(64, 64), "aligned_alloc");
	refused(memalign(4096, 1), "memalign");
	expect(posix_memalign(&out, 4096, 100000) == ENOMEM && out == &out, "posix_memalign");
	free(NULL);
	expect(malloc_usable_size(NULL) == 0, "malloc_usable_size");
	malloc_trim(0);
	expect(mallinfo2().uordblks == 0, "mallinfo2");
	expect(malloc_info(0, stderr) == 0, "malloc_info");
	malloc_stats();
}

int main(void)
{
	int status;

	ask();
	const pid_t child = fork();
	if (child == 0) {
		alarm(20);
		ask();
		_exit(0);
	}
	expect(child > 0 && waitpid(child, &status, 0) == child && status == 0,
	    "the same in a child");
	return 0;
}
