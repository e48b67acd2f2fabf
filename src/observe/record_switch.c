/* record_switch.c - start and stop: by two functions of the program's, and by a signal. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "dmm_record.h"
#include "observe/record.h"

#define API __attribute__((visibility("default"), used))

static void set(bool wanted)
{
	if (!output_stopped())
		tapes_want(wanted);
}

API void dmm_record_start(void)
{
	set(true);
}

API void dmm_record_stop(void)
{
	set(false);
}

static void toggle(int signal)
{
	(void)signal;
	set(!tapes_wanted());
}

static int number(const char *s)
{
	int x = 0;

	for (; s != NULL && *s >= '0' && *s <= '9'; s++)
		x = x * 10 + *s - '0';
	return x;
}

void switch_configure(void)
{
	const int signal = number(getenv("DMM_RECORD_TOGGLE"));
	const struct sigaction action = {.sa_handler = toggle, .sa_flags = SA_RESTART};

	if (getenv("DMM_RECORD_PAUSED") != NULL)
		tapes_want(false);
	if (signal != 0)
		sigaction(signal, &action, NULL);
}
