/* units.c - numbers for people. */
#include "cli/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Three significant digits, but all digits before the point. */
static void put(char buf[UNITS_LEN], double value, const char *unit)
{
	const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	snprintf(buf, UNITS_LEN, "%.*f%s%s", decimals, value, unit[0] != '\0' ? " " : "", unit);
}

char *units_bytes(char buf[UNITS_LEN], double bytes)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	int i = 0;

	for (; bytes >= 999.5 && i < 4; i++)
		bytes /= 1024;
	if (i == 0)
		snprintf(buf, UNITS_LEN, "%.0f B", bytes);
	else
		put(buf, bytes, unit[i]);
	return buf;
}

char *units_seconds(char buf[UNITS_LEN], double seconds)
{
	if (seconds < 0.9995e-3)
		put(buf, seconds * 1e6, "us");
	else if (seconds < 0.9995)
		put(buf, seconds * 1e3, "ms");
	else
		put(buf, seconds, "s");
	return buf;
}

char *units_count(char buf[UNITS_LEN], double count)
{
	if (count < 9999.5)
		snprintf(buf, UNITS_LEN, "%.0f", count);
	else if (count < 999.5e3)
		put(buf, count / 1e3, "k");
	else if (count < 999.5e6)
		put(buf, count / 1e6, "M");
	else
		put(buf, count / 1e9, "G");
	return buf;
}

char *units_change(char buf[UNITS_LEN], double ratio, const char *noun)
{
	const double percent = fabs(ratio - 1) * 100;

	if (percent < 0.5)
		snprintf(buf, UNITS_LEN, "the same %s", noun);
	else if (ratio >= 2)
		snprintf(buf, UNITS_LEN, "%.3g times the %s", ratio, noun);
	else
		snprintf(buf, UNITS_LEN, "%.0f %% %s %s", percent, ratio < 1 ? "less" : "more",
		    noun);
	return buf;
}

bool units_parse_bytes(const char *text, uint64_t *bytes)
{
	static const char letters[] = "KMGT";
	char *end;

	errno = 0;
	const unsigned long long x = strtoull(text, &end, 10);
	const char *const letter = *end != '\0' ? strchr(letters, toupper((unsigned char)*end))
	    : NULL;
	const unsigned shift = letter != NULL ? 10 * (unsigned)(letter - letters + 1) : 0;

	end += letter != NULL;
	if (letter != NULL && *end == 'i')
		end++;
	if (*end == 'B')
		end++;
	*bytes = x << shift;
	return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' &&
	    x <= UINT64_MAX >> 1 >> shift;
}
