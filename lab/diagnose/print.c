/* print.c - a diagnosis for people and for programs. */
#include "diagnose/diagnose.h"
#include "cli/plain.h"

void diagnosis_text(const struct diagnosis *d, FILE *out)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct diagnose_finding *const f = &d->finding[i];
		fprintf(out, "%zu. %s: %s\n", i + 1, finding_names[f->kind], plain(f->what));
		if (f->site[0] != '\0')
			fprintf(out, "   at %s\n", plain(f->site));
	}
	if (d->count == 0 && d->limited) {
		fprintf(out, "no fault is found, but %s\n", plain(d->unsaid));
		return;
	}
	if (d->count == 0)
		fputs("nothing is wrong with this program's memory: nothing grows, is pinned, "
		      "retained or "
		      "oversized, or churns\n",
		    out);
	if (d->unsaid[0] != '\0')
		fprintf(out, "note: %s\n", plain(d->unsaid));
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
