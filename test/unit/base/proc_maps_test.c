/* proc_maps_test.c - reading /proc/PID/maps: any buffer, any line, any moment. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc_maps.h"
#include "base/where.h"
#include "test.h"

/* A reader of a text in place of the kernel's file. */
static void open_text(struct proc_maps *m, const char *text, char *buf, size_t cap)
{
	const int fd = memfd_create("maps", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	lseek(fd, 0, SEEK_SET);
	*m = (struct proc_maps){.fd = fd, .buf = buf, .cap = cap};
}

static const char three[] =
    "55d0c0a00000-55d0c0a01000 r--p 00001000 fe:01 1234                       /usr/bin/a b\n"
    "7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

TEST(a_line_of_maps_is_parsed_field_by_field)
{
	struct proc_maps m;
	struct map_line line;
	char buf[PROC_MAPS_LEAST];

	open_text(&m, three, buf, sizeof buf);
	assert_true(proc_maps_next(&m, &line));
	assert_int_equal(line.start, 0x55d0c0a00000);
	assert_int_equal(line.end, 0x55d0c0a01000);
	assert_int_equal(line.offset, 0x1000);
	assert_int_equal(line.inode, 1234);
	assert_true(line.readable && !line.writable && !line.executable);
	assert_string_equal(line.path, "/usr/bin/a b");
	assert_true(proc_maps_next(&m, &line));
	assert_true(line.readable && line.writable && !line.executable);
	assert_string_equal(line.path, "");
	assert_true(proc_maps_next(&m, &line));
	assert_true(line.start == 0xffffffffff600000 && line.executable && !line.readable);
	assert_string_equal(line.path, "[vsyscall]");
	assert_false(proc_maps_next(&m, &line));
	assert_false(proc_maps_next(&m, &line));
	assert_int_equal(m.error, 0);
	proc_maps_close(&m);
}

TEST(a_path_that_does_not_fit_is_cut_and_the_next_line_is_whole)
{
	char text[9000], long_path[4096];

	memset(long_path, 'x', sizeof long_path);
	long_path[0] = '/';
	long_path[sizeof long_path - 1] = '\0';
	snprintf(text, sizeof text,
	    "1000-2000 r-xp 00000000 fe:01 1 %s\n3000-4000 rw-p 00000000 00:00 0 \n", long_path);
	for (size_t cap = PROC_MAPS_LEAST; cap <= PROC_MAPS_WHOLE; cap += 61) {
		char buf[PROC_MAPS_WHOLE];
		struct proc_maps m;
		struct map_line line;
		open_text(&m, text, buf, cap);
		assert_true(proc_maps_next(&m, &line));
		assert_int_equal(line.end, 0x2000);
		assert_int_equal(strlen(line.path),
		    cap - 1 - strlen("1000-2000 r-xp 00000000 fe:01 1 ") < sizeof long_path - 1
		        ? cap - 1 - strlen("1000-2000 r-xp 00000000 fe:01 1 ")
		        : sizeof long_path - 1);
		assert_true(proc_maps_next(&m, &line));
		assert_int_equal(line.start, 0x3000);
		assert_false(proc_maps_next(&m, &line));
		proc_maps_close(&m);
	}
}

TEST(what_is_no_line_of_maps_is_passed_over)
{
	static const char *const bad[] = {"", "\n\n", "hello\n", "1000\n", "1000-2000\n",
	    "1000-2000 r\n", "1000-2000 rw-p\n", "1000-2000 rw-p 0\n", "1000-2000 rw-p 0 fe:01\n"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char text[256], buf[PROC_MAPS_LEAST];
		struct proc_maps m;
		struct map_line line;
		snprintf(text, sizeof text, "%s5000-6000 rw-p 00000000 00:00 0 \n", bad[i]);
		open_text(&m, text, buf, sizeof buf);
		assert_true(proc_maps_next(&m, &line));
		assert_int_equal(line.start, 0x5000);
		assert_false(proc_maps_next(&m, &line));
		proc_maps_close(&m);
	}
}

TEST(a_read_that_fails_is_told_apart_from_the_end)
{
	struct map_line line;
	char buf[PROC_MAPS_LEAST];
	struct proc_maps m = {.fd = open("/", O_RDONLY), .buf = buf, .cap = sizeof buf};

	assert_false(proc_maps_next(&m, &line));
	assert_int_equal(m.error, EISDIR);
	proc_maps_close(&m);
}

/* The same mappings as stdio reads, in a child that changes none meanwhile. */
TEST(our_own_mappings_are_those_that_stdio_reads)
{
	for (size_t cap = PROC_MAPS_LEAST; cap < 6000; cap += 977) {
		char buf[6000], text[5000], path[4096];
		struct proc_maps m;
		struct map_line line;
		size_t lines = 0, differ = 0;
		FILE *const f = fopen("/proc/self/maps", "re");
		setvbuf(f, NULL, _IONBF, 0);
		assert_int_equal(proc_maps_open(&m, 0, buf, cap), 0);
		for (; fgets(text, sizeof text, f) != NULL && proc_maps_next(&m, &line); lines++) {
			uint64_t start, end, offset, inode;
			char mode[8];
			path[0] = '\0';
			assert_true(sscanf(text,
			                "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %" SCNu64
			                " %4095[^\n]",
			                &start, &end, mode, &offset, &inode, path) >= 5);
			differ += start != line.start || end != line.end || offset != line.offset ||
			          inode != line.inode || (mode[0] == 'r') != line.readable ||
			          (mode[1] == 'w') != line.writable ||
			          (mode[2] == 'x') != line.executable ||
			          strncmp(path, line.path, strlen(line.path)) != 0;
		}
		proc_maps_close(&m);
		fclose(f);
		assert_true(lines > 5);
		assert_int_equal(differ, 0);
	}
}

TEST(a_process_that_ended_or_no_free_descriptor_is_an_errno)
{
	char buf[PROC_MAPS_LEAST];
	struct proc_maps m;
	struct rlimit old, none;

	const pid_t child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	const int ended = proc_maps_open(&m, child, buf, sizeof buf);
	assert_true(ended == ENOENT || ended == ESRCH);
	getrlimit(RLIMIT_NOFILE, &old);
	none = (struct rlimit){0, old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	const int refused = proc_maps_open(&m, 0, buf, sizeof buf);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(refused, EMFILE);
}

static char said[256];

static void tell(int signal)
{
	(void)signal;
	where_format(said, sizeof said, (const char *)(uintptr_t)tell + 1);
}

TEST(a_place_in_the_code_is_named_in_a_signal_handler_on_8_KiB)
{
	const struct sigaction handler = {.sa_handler = tell, .sa_flags = SA_ONSTACK};
	struct sigaction old;
	const size_t len = (size_t)(MINSIGSTKSZ > 8192 ? MINSIGSTKSZ : 8192);
	const stack_t stack = {.ss_sp = malloc(len), .ss_size = len};

	assert_int_equal(sigaltstack(&stack, NULL), 0);
	sigaction(SIGUSR1, &handler, &old);
	raise(SIGUSR1);
	sigaction(SIGUSR1, &old, NULL);
	assert_int_equal(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL), 0);
	free(stack.ss_sp);
	assert_non_null(strstr(said, "unit_base+0x"));
}
