/* print.c - a diagnosis for people and for programs. */
#include "diagnose/diagnose.h"
#include "cli/plain.h"
#include "cli/screen.h"

enum { FINDING = 3 }; /* columns before the words of a finding */

void diagnosis_text(const struct diagnosis *d, FILE *out)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct diagnose_finding *const f = &d->finding[i];
		fprintf(out, "%zu. ", i + 1);
		screen_words(out, FINDING, "%s: %s", finding_names[f->kind], plain(f->what));
		if (f->site[0] != '\0')
			fprintf(out, "%*sat %s\n", FINDING, "", plain(f->site));
	}
	if (d->count == 0 && d->limited) {
		screen_words(out, 0, "no fault is found, but %s", plain(d->unsaid));
		return;
	}
	if (d->count == 0)
		screen_text(out, 0,
		    "nothing is wrong with this program's memory: nothing grows, is pinned, "
		    "retained or oversized, or churns");
	if (d->unsaid[0] != '\0')
		screen_words(out, 0, "note: %s", plain(d->unsaid));
}

void diagnosis_json(const struct diagnosis *d, struct json *j)
{
	json_array(j, "diagnosis");
	for (size_t i = 0; i < d->count; i++) {
		const struct diagnose_finding *const f = &d->finding[i];
		json_object(j, NULL);
		json_string(j, "kind", finding_names[f->kind]);
		json_string(j, "what", f->what);
		json_string(j, "site", f->site[0] != '\0' ? f->site : NULL);
		json_count(j, "bytes", f->bytes);
		json_count(j, "objects", f->objects);
		json_number(j, "a_second", f->rate);
		json_end(j);
	}
	json_end(j);
	json_string(j, "not_told", d->unsaid[0] != '\0' ? d->unsaid : NULL);
}
