/* json.c - a JSON writer: two spaces a level, so that people can read it too. */
#include "cli/json.h"

#include <inttypes.h>
#include <math.h>

#include "base/assert.h"
#include "cli/plain.h"

/* Text from outside need not be UTF-8: bytes that are not become U+FFFD. */
static void put_text(FILE *out, const char *text)
{
	unsigned c;

	fputc('"', out);
	for (size_t n; *text != '\0'; text += n != 0 ? n : 1) {
		n = plain_decode(text, &c);
		if (n == 0)
			fputs("\\ufffd", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if (plain_is_command(c))
			fprintf(out, "\\u%04x", c);
		else
			fwrite(text, 1, n, out);
	}
	fputc('"', out);
}

static void lead(struct json *j, const char *key)
{
	if (j->depth > 0) {
		fprintf(j->out, "%s\n%*s", j->begun[j->depth] ? "," : "", 2 * j->depth, "");
		j->begun[j->depth] = true;
	}
	if (key != NULL) {
		put_text(j->out, key);
		fputs(": ", j->out);
	}
}

static void open_level(struct json *j, const char *key, char opening, char closing)
{
	lead(j, key);
	CHECK(j->depth + 1 < JSON_DEPTH);
	fputc(opening, j->out);
	j->depth++;
	j->begun[j->depth] = false;
	j->close[j->depth] = closing;
}

void json_begin(struct json *j, FILE *out)
{
	*j = (struct json){.out = out};
	open_level(j, NULL, '{', '}');
}

void json_schema(struct json *j, const char *name, int version)
{
	json_string(j, "schema", name);
	json_integer(j, "version", version);
}

void json_object(struct json *j, const char *key)
{
	open_level(j, key, '{', '}');
}

void json_array(struct json *j, const char *key)
{
	open_level(j, key, '[', ']');
}

void json_end(struct json *j)
{
	CHECK(j->depth > 0);
	if (j->begun[j->depth])
		fprintf(j->out, "\n%*s", 2 * (j->depth - 1), "");
	fputc(j->close[j->depth], j->out);
	j->depth--;
	if (j->depth == 0)
		fputc('\n', j->out);
}

void json_string(struct json *j, const char *key, const char *value)
{
	lead(j, key);
	if (value != NULL)
		put_text(j->out, value);
	else
		fputs("null", j->out);
}

void json_number(struct json *j, const char *key, double value)
{
	lead(j, key);
	if (isfinite(value))
		fprintf(j->out, "%.9g", value);
	else
		fputs("null", j->out);
}

void json_integer(struct json *j, const char *key, int64_t value)
{
	lead(j, key);
	fprintf(j->out, "%" PRId64, value);
}

void json_count(struct json *j, const char *key, uint64_t value)
{
	lead(j, key);
	fprintf(j->out, "%" PRIu64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	lead(j, key);
	fputs(value ? "true" : "false", j->out);
}

void json_null(struct json *j, const char *key)
{
	json_string(j, key, NULL);
}
