/* program.c - the program's side: how long objects live, who allocates, who keeps memory; and
 * where the page comes from. */
#include <string.h>

#include "base/bits.h"
#include "report/page.h"
#include "cli/units.h"

/* ---- lives ----------------------------------------------------------------------------------- */

static void put_lives(const struct report *r, FILE *out)
{
	const struct report_survey *const s = r->survey;
	uint64_t all = 0, never = 0, young = 0, limit = 0;
	char a[UNITS_LEN], b[UNITS_LEN], c[32], d[UNITS_LEN];

	for (int t = 0; t < LIFE_TIMES; t++)
		for (int k = 0; k < LIFE_SIZES; k++) {
			all += s->call_count[t][k];
			never += t == LIFE_TIMES - 1 ? s->call_count[t][k] : 0;
		}
	const uint64_t freed = all - never;
	unsigned half = 0;
	for (; half < LIFE_TIMES - 1 && 2 * young < freed; half++)
		for (int k = 0; k < LIFE_SIZES; k++)
			young += s->call_count[half][k];
	limit = half == 0 ? 1 : (uint64_t)1 << (half - 1);
	fputs("<section id=\"lives\">\n<h2>Lifetime by size</h2>\n<p class=\"says\">", out);
	if (freed != 0)
		fprintf(out, "<b>%.0f %%</b> of %s objects are freed within %s call%s; ",
		    100.0 * (double)young / (double)all, units_count(a, (double)all),
		    page_count(c, limit), limit == 1 ? "" : "s");
	fprintf(out, "%s (%.1f %%), %s together, are never freed.</p>\n",
	    units_count(b, (double)never), 100.0 * (double)never / (double)(all + !all),
	    units_bytes(d, (double)s->end_payload));
	fputs("<figure class=\"pic\" data-figure=\"lives\">\n", out);
	svg_lives(s, out);
	fputs("<figcaption>Size to the right, lifetime upward, both in powers of two; the top row "
	      "was never freed.</figcaption>\n</figure>\n</section>\n", out);
}

/* ---- call sites ------------------------------------------------------------------------------ */

static void put_stack(FILE *out, const struct named_site *site)
{
	fputs("<span class=\"who\">", out);
	page_text(out, site->who);
	fputs("</span>", out);
	if (site->frames > 1) {
		fputs("<br><span class=\"range\">", out);
		for (size_t i = 0; i < site->frames; i++) {
			fputs(i == 0 ? "" : " &#8592; ", out);
			page_text(out, site->frame[i]);
		}
		fputs("</span>", out);
	}
}

/* The head of a call site's row. */
static void put_site_head(const struct report *r, FILE *out, uint32_t stack)
{
	const struct named_site name = page_site(r, stack);

	fputs("<tr><th scope=\"row\">", out);
	put_stack(out, &name);
	fputs("</th>", out);
}

static size_t moment_named(const struct report_survey *s, const char *name)
{
	for (size_t i = 0; i < s->moment_count; i++)
		if (s->moment[i].name != NULL && strcmp(s->moment[i].name, name) == 0)
			return i;
	return s->moment_count - 1;
}

static void put_sites_table(const struct report *r, FILE *out, size_t peak, size_t end)
{
	enum { TOP = 12 };
	const struct report_survey *const s = r->survey;
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN];

	fputs("<div class=\"wide\"><table><thead><tr><th scope=\"col\">Call site</th><th "
	      "scope=\"col\">live at the peak</th><th scope=\"col\">at the end</th><th "
	      "scope=\"col\">allocated in all</th></tr></thead>\n<tbody>\n", out);
	for (size_t i = 0; i < min_size(s->site_count, TOP); i++) {
		put_site_head(r, out, s->sites[i].stack);
		fprintf(out, "<td class=\"n\">%s</td><td class=\"n\">%s</td><td "
		    "class=\"n\">%s</td></tr>\n",
		    units_bytes(a, s->sites[i].bytes[peak]), units_bytes(b, s->sites[i].bytes[end]),
		    units_bytes(c, (double)s->sites[i].total_bytes));
	}
	fputs("</tbody></table></div>\n", out);
}

static void put_sites(const struct report *r, FILE *out)
{
	const struct report_survey *const s = r->survey;
	const size_t peak = moment_named(s, "peak"), end = moment_named(s, "end");
	size_t most = 0;
	char a[UNITS_LEN], b[UNITS_LEN];

	fputs("<section id=\"sites\">\n<h2>Who allocates</h2>\n<p class=\"says\">", out);
	if (!s->has_stacks) {
		fputs("This recording has no call sites. <code>dmm record --stacks=fp</code> (or "
		      "<code>dwarf</code>) records them.</p>\n</section>\n", out);
		return;
	}
	for (size_t i = 0; i < s->site_count; i++)
		if (s->sites[i].bytes[peak] > s->sites[most].bytes[peak])
			most = i;
	const struct named_site name = page_site(r, s->sites[most].stack);
	fputs("<b>", out);
	page_text(out, name.who);
	fprintf(out, "</b> holds the most at the peak: <b>%s</b> in %s object%s, %.0f %% of all "
	    "that is live.</p>\n",
	    units_bytes(a, s->sites[most].bytes[peak]), units_count(b, s->sites[most].count[peak]),
	    s->sites[most].count[peak] == 1 ? "" : "s",
	    100.0 * s->sites[most].bytes[peak] / (double)(s->peak_payload + !s->peak_payload));
	fputs("<figure class=\"pic\" data-figure=\"sites\">\n<div class=\"still\">", out);
	put_sites_table(r, out, peak, end);
	fputs("</div>\n</figure>\n</section>\n", out);
}

/* ---- pinning --------------------------------------------------------------------------------- */

/* The design and moment with the most memory in sparse pages, as the first thing to look at. */
static const struct report_pins *worst_pins(const struct report *r,
    const struct report_design **whose)
{
	const struct report_pins *worst = NULL;

	for (size_t i = 0; i < r->design_count; i++) {
		const struct report_pins *const p = &r->designs[i].pins[PIN_WORST][PIN_PAGE];
		if (page_has_picture(&r->designs[i]) && p->count != 0 &&
		    (worst == NULL || p->sparse_bytes > worst->sparse_bytes)) {
			worst = p;
			*whose = &r->designs[i];
		}
	}
	return worst;
}

static void put_pins_table(const struct report *r, FILE *out, const struct report_pins *p)
{
	enum { TOP = 10 };
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN], n[32];

	fputs("<div class=\"wide\"><table><thead><tr><th scope=\"col\">Survivors of</th><th "
	      "scope=\"col\">objects</th><th scope=\"col\">their bytes</th><th "
	      "scope=\"col\">freeing them gives back</th><th scope=\"col\">held with "
	      "others</th></tr></thead>\n<tbody>\n", out);
	for (size_t i = 0; i < min_size(p->count, TOP); i++) {
		put_site_head(r, out, p->pin[i].stack);
		fprintf(out, "<td class=\"n\">%s</td><td class=\"n\">%s</td><td "
			     "class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
			     page_count(n, p->pin[i].survivors),
		    units_bytes(a, (double)p->pin[i].survivor_bytes),
		    units_bytes(b, (double)p->pin[i].alone),
		    units_bytes(c, (double)p->pin[i].shared));
	}
	fputs("</tbody></table></div>\n", out);
}

static void put_pins(const struct report *r, FILE *out)
{
	const struct report_design *d = NULL;
	const struct report_pins *const p = worst_pins(r, &d);
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN], n[32];

	fputs("<section id=\"pins\">\n<h2>Who keeps sparse pages</h2>\n<p class=\"says until-js\">",
	    out);
	if (p == NULL) {
		fputs("No page of any design was less than a quarter live at its worst "
		    "moment.</p>\n</section>\n", out);
		return;
	}
	const struct named_site name = page_site(r, p->pin[0].stack);
	const uint64_t held = p->pin[0].alone != 0 ? p->pin[0].alone : p->pin[0].shared;
	fprintf(out, "<b>%s survivor%s from ", page_count(n, p->pin[0].survivors),
	    p->pin[0].survivors == 1 ? "" : "s");
	page_text(out, name.who);
	fprintf(out, "</b> hold%s <b>%s</b>%s in ", p->pin[0].survivors == 1 ? "s" : "",
	    units_bytes(a, (double)held), p->pin[0].alone != 0 ? "" : " together with others");
	page_text(out, d->name);
	fprintf(out, " when its gap is widest. In all, pages that are less than a quarter live "
		     "take %s for %s of data.</p>\n", units_bytes(b, (double)p->sparse_bytes),
		     units_bytes(c, (double)p->sparse_live));
	fputs("<figure class=\"pic\" data-figure=\"pins\">\n<div class=\"still\">", out);
	put_pins_table(r, out, p);
	fputs("</div>\n</figure>\n</section>\n", out);
}

/* ---- provenance ------------------------------------------------------------------------------ */

static void put_fact(FILE *out, const char *what, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	fprintf(out, "<dt>%s</dt><dd>", what);
	page_text(out, value);
	fputs("</dd>\n", out);
}

static void put_build_ids(const struct report *r, FILE *out)
{
	if (r->scores == NULL)
		return;
	for (size_t i = 0; i < r->scores->count; i++)
		if (r->scores->score[i].build_id[0] != '\0') {
			fputs("<dt>", out);
			page_text(out, r->scores->score[i].name);
			fputs("</dt><dd>build-id <code>", out);
			page_text(out, r->scores->score[i].build_id);
			fputs("</code></dd>\n", out);
		}
}

static void put_provenance(const struct report *r, FILE *out)
{
	const struct provenance *const p = &r->provenance;
	char text[512], bytes[UNITS_LEN];

	fputs("<section id=\"about\">\n<h2>Where this page comes from</h2>\n<dl class=\"about\">\n",
	    out);
	put_fact(out, "Command", r->scrubbed ? "not kept: the recording is scrubbed" : r->program);
	if (r->survey != NULL) {
		put_fact(out, "Recorded", r->recorded);
		put_fact(out, "Allocator while recording", r->recorded_on);
		snprintf(text, sizeof text, "%s, of %s",
		    units_bytes(bytes, (double)r->survey->file.len),
		    r->survey->file.head.tick_is_ns ? "an import" : "dmm record");
		put_fact(out, "Recording", text);
	}
	put_fact(out, "Page made", p->date);
	put_fact(out, "By", "dmm " DMM_VERSION);
	snprintf(text, sizeof text, "%s, %ld CPUs, %s of memory", p->cpu, p->cpus,
	    units_bytes(bytes, (double)p->memory));
	put_fact(out, "Machine", text);
	snprintf(text, sizeof text, "%s, %s, huge pages: %s", p->kernel, p->libc, p->huge_pages);
	put_fact(out, "System", text);
	put_build_ids(r, out);
	fputs("</dl>\n", out);
	if (r->survey != NULL)
		fprintf(out, "<p class=\"note\">The heaps are models: each design ran every call "
			     "of the recording in order on simulated memory, and was looked at %d "
			     "times at even steps. Free memory counts as held until the design "
			     "gives it back. docs/manual/report.md tells how to read each "
			     "picture.</p>\n", (int)r->survey->samples);
	fputs("</section>\n", out);
}

void page_program(const struct report *r, FILE *out)
{
	if (r->survey != NULL) {
		put_lives(r, out);
		put_sites(r, out);
		put_pins(r, out);
	}
	put_provenance(r, out);
}
