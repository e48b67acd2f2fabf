/* json.h - a view for machines: schema "dmm-heap", version 2; and its classes as CSV. */
#ifndef LAB_INSPECT_JSON_H
#define LAB_INSPECT_JSON_H

#include "cli/json.h"
#include "inspect/inspect.h"

/* An object of its own. */
void outside_json(FILE *out, const struct outside *o, const struct outside_view *v);
/* The figures alone, into the object that is open: for a series of views. */
void outside_json_figures(struct json *j, const struct outside_view *v);
void outside_csv(FILE *out, const struct outside_view *v);

#endif
