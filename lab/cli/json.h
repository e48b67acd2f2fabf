/* json.h - a JSON writer.  Inside an object every call gives a key; inside an array it is NULL. */
#ifndef LAB_CLI_JSON_H
#define LAB_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_DEPTH = 16 };

struct json {
	FILE *out;
	int depth;
	bool begun[JSON_DEPTH]; /* something was written at this depth */
	char close[JSON_DEPTH]; /* what ends it */
};

void json_begin(struct json *j, FILE *out); /* the outermost object */
/* Every machine output begins with "schema" and "version". A field may be added within a version;
 * when a field changes its meaning or disappears, the version rises. */
void json_schema(struct json *j, const char *name, int version);
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_end(struct json *j); /* the object or array opened last; after the outermost a newline */

void json_string(struct json *j, const char *key, const char *value); /* NULL: null */
void json_number(struct json *j, const char *key, double value);      /* not finite: null */
void json_integer(struct json *j, const char *key, int64_t value);
void json_count(struct json *j, const char *key, uint64_t value); /* of things, bytes, ns */
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
