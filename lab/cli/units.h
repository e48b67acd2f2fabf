/* units.h - numbers for people: three significant digits and a unit.  Each returns buf. */
#ifndef LAB_CLI_UNITS_H
#define LAB_CLI_UNITS_H

#include <stdbool.h>
#include <stdint.h>

enum { UNITS_LEN = 48 };

char *units_bytes(char buf[UNITS_LEN], double bytes);     /* 45.1 MiB */
char *units_seconds(char buf[UNITS_LEN], double seconds); /* 85.3 ms */
char *units_count(char buf[UNITS_LEN], double count);     /* 12.3 k */
/* "4096", "64K", "500M", "2GiB": powers of 1,024.  False: none of these, or more than 2^63. */
bool units_parse_bytes(const char *text, uint64_t *bytes);
/* A ratio in words: "4 % less NOUN", "2.3 times the NOUN", "the same NOUN". */
char *units_change(char buf[UNITS_LEN], double ratio, const char *noun);

#endif
