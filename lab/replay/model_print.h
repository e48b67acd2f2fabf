/* model_print.h - prints n > 0 results of model replays of one recording on a stream. */
#ifndef LAB_REPLAY_MODEL_PRINT_H
#define LAB_REPLAY_MODEL_PRINT_H

#include <stdio.h>

#include "replay/job.h"
#include "cli/json.h"
#include "replay/model.h"
#include "cli/table.h"

void model_text(const struct model_result *results, size_t n, FILE *out);
void model_over_time_text(const struct model_result *results, size_t n, FILE *out);
void model_csv_begin(struct table *t);
void model_csv_rows(const char *path, const struct model_result *results, size_t n, bool over_time,
    struct table *t);
/* The members of an open object; cell: of a sweep, or NULL. */
void model_json(const char *path, const struct model_result *results, size_t n,
    const struct sweep_cell *cell,
    struct json *j);

#endif
