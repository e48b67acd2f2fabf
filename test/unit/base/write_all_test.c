/* write_all_test.c - write_all() writes everything: in parts, despite signals, and until a write
 * fails. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/write_all.h"
#include "test.h"

enum { LEN = 3 << 20 };
static char sent[LEN], got[LEN];

static void *drain(void *arg)
{
	const int fd = *(const int *)arg;
	size_t n = 0;

	for (ssize_t r; n < LEN && (r = read(fd, got + n, LEN - n < 3001 ? LEN - n : 3001)) != 0;)
		n += r > 0 ? (size_t)r : 0;
	return NULL;
}

static void nothing(int signal)
{
	(void)signal;
}

TEST(everything_arrives_through_a_pipe_while_signals_interrupt)
{
	const struct sigaction interrupts = {.sa_handler = nothing}; /* without SA_RESTART */
	const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0}, {0}};
	struct sigaction old;
	pthread_t reader;
	int ends[2];

	for (size_t i = 0; i < LEN; i++)
		sent[i] = (char)(i * 7 + i / 4096);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pthread_create(&reader, NULL, drain, &ends[0]), 0);
	sigaction(SIGALRM, &interrupts, &old);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(write_all(ends[1], sent, LEN), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	close(ends[1]);
	pthread_join(reader, NULL);
	sigaction(SIGALRM, &old, NULL);
	assert_memory_equal(sent, got, LEN);
	close(ends[0]);
}

TEST(what_refuses_a_write_is_an_errno)
{
	const int full = open("/dev/full", O_WRONLY);
	int ends[2];
	struct sigaction old;

	assert_int_equal(write_all(full, sent, 10), ENOSPC);
	close(full);
	assert_int_equal(write_all(full, sent, 10), EBADF);
	assert_int_equal(write_all(full, sent, 0), 0);
	assert_int_equal(pipe(ends), 0);
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &old);
	close(ends[0]);
	assert_int_equal(write_all(ends[1], sent, 10), EPIPE);
	sigaction(SIGPIPE, &old, NULL);
	close(ends[1]);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(write_all(ends[1], sent, LEN), EAGAIN); /* a part is in the pipe */
	close(ends[0]);
	close(ends[1]);
}
