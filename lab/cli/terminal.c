/* terminal.c - see terminal.h. */
#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/lab.h"
#include "cli/progress.h"
#include "cli/screen.h"

static struct termios as_found, raw;
static volatile sig_atomic_t resized;
static bool entered;

static const char normal[] = "\033[?25h\033[?1049l"; /* cursor on, the other screen */
static const char full[] = "\033[?1049h\033[?25l";

static void say(const char *sequence, size_t len)
{
	if (write(STDOUT_FILENO, sequence, len) < 0)
		return;
}

static void as_before(void)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &as_found);
	say(normal, sizeof normal - 1);
}

static void on_end(int signal)
{
	as_before();
	_exit(128 + signal);
}

static void on_resize(int signal)
{
	(void)signal;
	resized = 1;
}

/* Ctrl-Z: stop as everybody else does, and draw anew after it. */
static void on_stop(int number)
{
	const int saved = errno;
	sigset_t set;

	as_before();
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	const struct sigaction again = {.sa_handler = on_stop};
	sigaction(number, &again, NULL);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	say(full, sizeof full - 1);
	resized = 1;
	errno = saved;
}

static void handle(int signal, void (*handler)(int))
{
	/* no SA_RESTART: poll shall return */
	const struct sigaction action = {.sa_handler = handler};
	sigaction(signal, &action, NULL);
}

void terminal_enter(const char *otherwise)
{
	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &as_found) != 0)
		lab_die(EXIT_USAGE, "%s", otherwise);
	raw = as_found;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	handle(SIGINT, on_end);
	handle(SIGTERM, on_end);
	handle(SIGHUP, on_end);
	handle(SIGWINCH, on_resize);
	handle(SIGTSTP, on_stop);
	progress_quiet(true);
	say(full, sizeof full - 1);
	entered = true;
}

void terminal_leave(void)
{
	fflush(stdout);
	as_before();
	progress_quiet(false);
	entered = false;
	handle(SIGINT, SIG_DFL);
	handle(SIGTERM, SIG_DFL);
	handle(SIGHUP, SIG_DFL);
	handle(SIGTSTP, SIG_DFL);
}

bool terminal_entered(void)
{
	return entered;
}

size_t terminal_rows(void)
{
	struct winsize size;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 4 ? size.ws_row : 24;
}

size_t terminal_columns(void)
{
	struct winsize size;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void put_rows(const char *text, size_t rows)
{
	for (; rows > 0 && *text != '\0'; rows--) {
		const size_t n = strcspn(text, "\n");
		if (rows == 1 && text[n] != '\0' && text[n + 1] != '\0') {
			fputs("...\033[K\r\n", stdout);
			return;
		}
		fwrite(text, 1, n, stdout);
		fputs("\033[K\r\n", stdout);
		text += n + (text[n] == '\n');
	}
}

void terminal_status(const char *status, bool colour)
{
	printf("\033[%zu;1H%s%.*s%s\033[K", terminal_rows(), colour ? "\033[7m" : "",
	    (int)screen_cut(status, terminal_columns() - 1), status, colour ? "\033[0m" : "");
	fflush(stdout);
}

void terminal_put(const char *text, const char *status, bool colour)
{
	fputs("\033[H", stdout);
	put_rows(text, terminal_rows() - 1);
	fputs("\033[J", stdout);
	terminal_status(status, colour);
}

/* A byte, or KEY_NONE, KEY_RESIZED, KEY_CLOSED. */
static int read_byte(int wait_ms)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	unsigned char byte;

	const int r = resized ? -1 : poll(&in, 1, wait_ms);
	if (resized) {
		resized = 0;
		return KEY_RESIZED;
	}
	if (r <= 0)
		return r == 0 || errno == EINTR ? KEY_NONE : KEY_CLOSED;
	return read(STDIN_FILENO, &byte, 1) == 1 ? byte : KEY_CLOSED;
}

/* A byte that follows an escape at once belongs to an arrow key. */
int terminal_key(int wait_ms)
{
	enum { SOON_MS = 50 };
	const int key = read_byte(wait_ms);

	if (key != '\033')
		return key;
	if (read_byte(SOON_MS) < 0)
		return KEY_ESCAPE;
	switch (read_byte(SOON_MS)) {
	case 'B':
	case 'C':
		return KEY_RIGHT;
	case 'A':
	case 'D':
		return KEY_LEFT;
	default:
		return KEY_NONE;
	}
}
