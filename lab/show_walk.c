/* show_walk.c - forward and backward through a heap's calls, by keys. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/bits.h"
#include "lab.h"
#include "show.h"

static struct termios as_found;

static void leave_screen(void)
{
	static const char normal[] = "\033[?25h\033[?1049l"; /* cursor on, the other screen */
	tcsetattr(STDIN_FILENO, TCSADRAIN, &as_found);
	if (write(STDOUT_FILENO, normal, sizeof normal - 1) < 0)
		return;
}

static void on_signal(int signal)
{
	leave_screen();
	_exit(128 + signal);
}

static void enter_screen(void)
{
	struct termios raw;

	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &as_found) != 0)
		lab_die(EXIT_USAGE, "show --step needs a terminal; without --step all is printed");
	raw = as_found;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	fputs("\033[?1049h\033[?25l", stdout);
}

static size_t screen_rows(void)
{
	struct winsize size;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 4 ? size.ws_row : 24;
}

/* At most `rows` lines of text. */
static void put_rows(const char *text, size_t rows)
{
	for (; rows > 0 && *text != '\0'; rows--) {
		const size_t n = strcspn(text, "\n");
		fwrite(text, 1, n, stdout);
		fputs("\033[K\r\n", stdout);
		text += n + (text[n] == '\n');
	}
	if (*text != '\0')
		fputs("... a taller terminal shows more\033[K\r\n", stdout);
}

static void put_screen(struct show_source *source, const struct draw_style *s, size_t step)
{
	char *text = NULL;
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);

	if (out == NULL)
		lab_die(EXIT_OURS, "out of memory");
	source->seek(source->arg, step);
	source->put(source->arg, out, s);
	fclose(out);
	fputs("\033[H", stdout);
	put_rows(text, screen_rows() - 2);
	printf("\033[J\033[%zu;1H%s step %zu of %zu   right, space: forward   left: backward   g, G: ends   "
	       "q: leave %s",
	    screen_rows(), s->colour ? "\033[7m" : "", step, source->steps, s->colour ? "\033[0m" : "");
	fflush(stdout);
	free(text);
}

enum key { KEY_NONE, KEY_FORWARD, KEY_BACKWARD, KEY_FIRST, KEY_LAST, KEY_LEAVE };

static int read_byte(int wait_ms)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	unsigned char byte;

	if (poll(&in, 1, wait_ms) <= 0)
		return -1;
	return read(STDIN_FILENO, &byte, 1) == 1 ? byte : -1;
}

/* What follows an escape at once is an arrow key; the key alone leaves. */
static enum key read_arrow(void)
{
	enum { SOON_MS = 50 };

	if (read_byte(SOON_MS) < 0)
		return KEY_LEAVE;
	switch (read_byte(SOON_MS)) {
	case 'B':
	case 'C':
		return KEY_FORWARD;
	case 'A':
	case 'D':
		return KEY_BACKWARD;
	default:
		return KEY_NONE;
	}
}

static enum key read_key(void)
{
	switch (read_byte(-1)) {
	case '\033':
		return read_arrow();
	case ' ':
	case '\n':
	case 'j':
	case 'l':
	case 'n':
		return KEY_FORWARD;
	case 'b':
	case 'h':
	case 'k':
	case 'p':
	case 127:
		return KEY_BACKWARD;
	case 'g':
		return KEY_FIRST;
	case 'G':
		return KEY_LAST;
	case 'q':
	case -1:
		return KEY_LEAVE;
	default:
		return KEY_NONE;
	}
}

void show_walk(struct show_source *source, const struct draw_style *s, size_t step)
{
	enum key key = KEY_NONE;

	enter_screen();
	while (key != KEY_LEAVE) {
		put_screen(source, s, step);
		key = read_key();
		if (key == KEY_FORWARD)
			step = min_size(step + 1, source->steps);
		else if (key == KEY_BACKWARD)
			step = max_size(step - 1, 1);
		else if (key == KEY_FIRST || key == KEY_LAST)
			step = key == KEY_FIRST ? 1 : source->steps;
	}
	leave_screen();
}
