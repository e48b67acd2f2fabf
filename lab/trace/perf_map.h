/* perf_map.h - names of code that a process made at run time, as /tmp/perf-PID.map tells them:
 * V8 and CPython write such a file. */
#ifndef LAB_TRACE_PERF_MAP_H
#define LAB_TRACE_PERF_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct perf_map;

/* It is read when it is asked first.  pid 0: there is none.  NULL: no memory; the functions below
 * take that for a file without names. */
struct perf_map *perf_map_open(uint32_t pid);
void perf_map_close(struct perf_map *m);
bool perf_map_is_empty(struct perf_map *m);
/* The code that holds the address; NULL: none.  Valid until perf_map_close(). */
const char *perf_map_name(struct perf_map *m, uint64_t addr);

#endif
