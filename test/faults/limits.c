/* limits.c - a program that runs into a limit of the kernel, on whatever malloc it has.
 *
 *      limits as|data|maps|threads [--keeps]
 *
 *   as      RLIMIT_AS, from before the program began
 *   data    RLIMIT_DATA: no more private writable memory, which strict overcommit refuses, too
 *   maps    no further mapping and no change of one: first by a filter of system calls, then by
 *           vm.max_map_count, where it is small enough to take every mapping that there can be
 *   threads no further thread: a malloc whose helper gives memory back has to do so otherwise
 *
 * At the limit, malloc answers with NULL and ENOMEM, and what was given keeps its bytes; free,
 * realloc and calloc go on; when half of it has been freed, there is room again; when the limit is
 * lifted, all works.  --keeps: this malloc never reuses memory, so do not ask for room after free.
 * Exit 0: so it was.  1: what was not.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OBJECTS = 200000, PAGE = 4096, MAPS_MOST = 200000 };
static const size_t ROOM = (size_t)96 << 20; /* beyond what the process has when the limit is set */

static struct {
	char *p;
	size_t n;
} objects[OBJECTS];
static size_t count;
static uint64_t state = 88172645463325252u;

static uint64_t draw(uint64_t below)
{
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return state % below;
}

/* printf may allocate, and there is no memory. */
static void wrong(const char *what)
{
	static const char head[] = "limits: ";
	if (write(2, head, sizeof head - 1) < 0 || write(2, what, strlen(what)) < 0 ||
	    write(2, "\n", 1) < 0)
		_exit(2);
	_exit(1);
}

static size_t draw_size(void)
{
	return draw(64) == 0 ? draw((size_t)2 << 20) + 1 : draw(8) == 0 ? draw(40000) + 1
	    : draw(2000) + 1;
}

static void paint(size_t i)
{
	memset(objects[i].p, (int)(i * 31 + 7), objects[i].n);
}

static void compare(size_t i)
{
	const char want = (char)(i * 31 + 7);
	for (size_t at = 0; at < objects[i].n; at += at + 64 < objects[i].n ? 61 : 1)
		if (objects[i].p[at] != want)
			wrong("an object lost its bytes");
}

/* One more object; false: there is no memory. */
static bool more(size_t n)
{
	errno = 0;
	char *const p = draw(4) == 0 ? calloc(1, n) : malloc(n);

	if (p == NULL) {
		if (errno != ENOMEM)
			wrong("NULL without ENOMEM");
		return false;
	}
	objects[count].p = p;
	objects[count].n = n;
	paint(count++);
	return true;
}

/* Until three requests in a row are refused: bytes given. */
static size_t fill(void)
{
	size_t bytes = 0;

	for (int refused = 0; refused < 3 && count < OBJECTS;) {
		const size_t n = draw_size();
		if (more(n))
			bytes += n, refused = 0;
		else
			refused++;
	}
	return bytes;
}

static void drop(size_t i)
{
	compare(i);
	errno = 4711;
	free(objects[i].p);
	if (errno != 4711)
		wrong("free changed errno");
	count--;
	if (i != count) {
		objects[i] = objects[count];
		paint(i);
	}
}

/* realloc at the limit keeps what it cannot grow. */
static void grow_some(void)
{
	for (int k = 0; k < 300 && count > 0; k++) {
		const size_t i = draw(count), n = objects[i].n + draw(5000);
		errno = 0;
		char *const p = realloc(objects[i].p, n);
		if (p == NULL && errno != ENOMEM)
			wrong("realloc gave NULL without ENOMEM");
		if (p != NULL) {
			objects[i].p = p;
			compare(i);
			objects[i].n = n;
			paint(i);
		}
	}
}

static size_t all_bytes(void)
{
	size_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += objects[i].n;
	return bytes;
}

static void at_the_limit(bool keeps)
{
	if (fill() < ROOM / 4)
		wrong("the limit was reached before a quarter of the room was given out");
	if (count == OBJECTS)
		wrong("no limit was reached");
	grow_some();
	for (size_t i = 0; i < count; i++)
		compare(i);
	const size_t held = all_bytes();
	while (all_bytes() > held / 2)
		for (int k = 0; k < 64 && count > 1; k++)
			drop(draw(count));
	if (!keeps && fill() < held / 8)
		wrong("freeing made no room");
	while (count > 0)
		drop(count - 1);
}

/* The limit is lifted: everything works. */
static void beyond(void)
{
	for (int i = 0; i < 700; i++)
		if (!more(draw_size()))
			wrong("no memory although the limit is lifted");
	while (count > 0)
		drop(count - 1);
}

static size_t statm(int field)
{
	unsigned long v[7] = {0};
	FILE *const f = fopen("/proc/self/statm", "re");

	if (f == NULL || fscanf(f, "%lu %lu %lu %lu %lu %lu %lu", v, v + 1, v + 2, v + 3, v + 4,
	    v + 5, v + 6) != 7)
		wrong("/proc/self/statm cannot be read");
	fclose(f);
	return v[field] * PAGE;
}

static void set_limit(int which, rlim_t to)
{
	struct rlimit l;

	getrlimit(which, &l);
	l.rlim_cur = to < l.rlim_max ? to : l.rlim_max;
	if (setrlimit(which, &l) != 0)
		wrong("the limit cannot be set");
}

static void limit(int which, size_t now, bool keeps)
{
	if (now != 0)
		set_limit(which, now + ROOM);
	at_the_limit(keeps);
	set_limit(which, RLIM_INFINITY);
	beyond();
}

/* Begin again below the limit: some mallocs reserve all their address space in the first call. */
static void begin_again(char **argv)
{
	set_limit(RLIMIT_AS, statm(0) < 4 * ROOM ? statm(0) + ROOM : 2 * ROOM);
	argv[1] = "as-from-the-start";
	execv("/proc/self/exe", argv);
	wrong("cannot be executed again");
}

/* Objects come and go; malloc has what it can get without a new mapping. */
static void without_maps(void)
{
	for (int round = 0; round < 20; round++) {
		for (int k = 0; k < 500; k++)
			more(draw_size());
		grow_some();
		while (count > 1000)
			drop(draw(count));
	}
	while (count > 0)
		drop(count - 1);
}

static bool filter(struct sock_filter *calls, size_t n)
{
	struct sock_fprog program = {(unsigned short)n, calls};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* The filter holds for the calling thread alone, and ends with it. */
static void *refused_maps(void *ran)
{
	struct sock_filter calls[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 3, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 2, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 1, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	*(bool *)ran = filter(calls, sizeof calls / sizeof *calls);
	if (*(bool *)ran)
		without_maps();
	return NULL;
}

static bool maps_refused(void)
{
	bool ran = false;
	pthread_t thread;

	for (int k = 0; k < 2000; k++)
		more(draw_size());
	if (pthread_create(&thread, NULL, refused_maps, &ran) != 0)
		wrong("there is no thread");
	pthread_join(thread, NULL);
	beyond();
	return ran;
}

/* 0: unknown, or so many are allowed that taking them takes long, and much memory of the kernel. */
static size_t max_map_count(void)
{
	unsigned long most = 0;
	FILE *const f = fopen("/proc/sys/vm/max_map_count", "re");

	if (f == NULL)
		return 0;
	const bool is_few = fscanf(f, "%lu", &most) == 1 && most <= MAPS_MOST;
	fclose(f);
	return is_few ? most : 0;
}

/* Take every mapping that there can be: pages of one region, readable and not, in turns. */
static void all_maps_taken(size_t most)
{
	const size_t splits = 2 * most + 2000, len = splits * PAGE;
	char *const p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
	    0);
	size_t i = 0;

	for (int k = 0; k < 2000; k++)
		more(draw_size());
	while (i < splits && mprotect(p + i * PAGE, PAGE, PROT_READ) == 0)
		i += 2;
	if (i >= splits)
		wrong("vm.max_map_count was not reached");
	without_maps();
	munmap(p, len);
	beyond();
}

static void maps(void)
{
	const bool refused = maps_refused();
	const size_t most = max_map_count();

	if (most != 0)
		all_maps_taken(most);
	else if (!refused)
		exit(77);
}

/* clone() fails as it does at RLIMIT_NPROC, which does not hold for root. */
static void refuse_threads(void)
{
	struct sock_filter calls[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	if (!filter(calls, sizeof calls / sizeof *calls))
		exit(77);
}

/* It frees 64 MiB, and goes on with little. */
static void threads(void)
{
	refuse_threads();
	const size_t before = statm(1);
	for (int k = 0; k < 64; k++)
		more((size_t)1 << 20);
	if (statm(1) < before + ((size_t)60 << 20))
		wrong("64 MiB were written to, and are not there");
	while (count > 0)
		drop(count - 1);
	for (int k = 0; k < 200; k++) {
		usleep(10000);
		more((size_t)100 << 10);
		drop(0);
	}
	if (statm(1) > before + ((size_t)8 << 20))
		wrong("without a thread to do it nothing is given back");
}

int main(int argc, char **argv)
{
	const char *const word = argc > 1 ? argv[1] : "";
	const bool keeps = argc > 2 && strcmp(argv[2], "--keeps") == 0;

	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	if (strcmp(word, "as") == 0)
		begin_again(argv);
	else if (strcmp(word, "as-from-the-start") == 0)
		limit(RLIMIT_AS, 0, keeps);
	else if (strcmp(word, "data") == 0)
		limit(RLIMIT_DATA, statm(5), keeps);
	else if (strcmp(word, "maps") == 0)
		maps();
	else if (strcmp(word, "threads") == 0)
		threads();
	else {
		fprintf(stderr, "usage: limits as|data|maps|threads [--keeps]\n");
		return 2;
	}
	printf("limits: %s: %s\n", word, strcmp(word, "threads") == 0
	    ? "memory goes back all the same" :
	    "NULL with ENOMEM at the limit, and memory again behind it");
	return 0;
}
