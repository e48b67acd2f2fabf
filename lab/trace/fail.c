/* fail.c - one line that says what is wrong with a recording, and where. */
#include <stdarg.h>

#include "trace/trace.h"

bool trace_fail(struct trace_error *e, uint64_t offset, const char *format, ...)
{
	va_list args;
	int n = 0;

	if (offset != TRACE_NOWHERE)
		n = snprintf(e->text, sizeof e->text, "offset %llu: ", (unsigned long long)offset);

	va_start(args, format);
	vsnprintf(e->text + n, sizeof e->text - (size_t)n, format, args);
	va_end(args);
	return false;
}
