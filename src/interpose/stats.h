/* stats.h - what dmm_stats.h exports, for the library itself: the exported names are weak, and a
 * static program whose own files do not use them would have none. */
#ifndef INTERPOSE_STATS_H
#define INTERPOSE_STATS_H

#include "dmm_stats.h"

void stats_fill(struct dmm_stats *out);
/* As dmm_stats_threads(). */
size_t stats_fill_threads(struct dmm_stats *out, struct dmm_thread_stats *rows, size_t count);
/* 0 or an errno. */
int stats_write(int fd, enum dmm_stats_format format);

#endif
