/* json.c - dmm compare as JSON.  A version may add a field; only a new version changes a meaning,
 * or the words that a field may have.
 *
 * Version 2: verdict_by is "trade" where version 1 had "wall_s_x_mean_rss_bytes", as all figures
 * decide together.
 * Version 3: "differs" is false where glibc differs from itself by more than 25 %; in version 2 the
 * interval and the noise alone decided. */
#include <math.h>
#include <stdlib.h>

#include "compare/compare.h"
#include "cli/json.h"

static void put_summary(struct json *j, const char *key, const struct summary *s, bool any)
{
	if (!any || isnan(s->median)) {
		json_null(j, key);
		return;
	}
	json_object(j, key);
	json_number(j, "min", s->min);
	json_number(j, "median", s->median);
	json_number(j, "max", s->max);
	json_end(j);
}

/* null: not measured. */
static void put_interval(struct json *j, const char *key, const struct interval *i)
{
	if (isnan(i->median)) {
		json_null(j, key);
		return;
	}
	json_object(j, key);
	json_number(j, "median", i->median);
	json_number(j, "low", i->low);
	json_number(j, "high", i->high);
	json_number(j, "coverage", i->coverage);
	json_end(j);
}

static void put_ratio(struct json *j, const struct compare *c, const struct row *row)
{
	if (isnan(row->ratio[FIGURE_WALL].median)) {
		json_null(j, "ratio");
		return;
	}
	json_object(j, "ratio");
	put_interval(j, "wall_s", &row->ratio[FIGURE_WALL]);
	put_interval(j, "cpu_s", &row->ratio[FIGURE_CPU]);
	put_interval(j, "peak_rss_bytes", &row->ratio[FIGURE_PEAK]);
	put_interval(j, "mean_rss_bytes", &row->ratio[FIGURE_MEAN]);
	put_interval(j, "end_rss_bytes", &row->ratio[FIGURE_END]);
	json_bool(j, "differs", verdict_differs(&row->ratio[verdict_time(c)],
	    verdict_noise(c, row, verdict_time(c))));
	json_end(j);
}

static void put_ending(struct json *j, const struct row *row)
{
	static const char *const ending[] = {"exit", "signal", "timeout", "not-started",
	    "no-server",
	    "interrupted"};
	const struct run *const last = row->rounds > 0 ? &row->run[row->rounds - 1] : NULL;

	json_string(j, "ending", last != NULL ? ending[last->ending] : NULL);
	if (last != NULL && (last->ending == ENDING_EXIT || last->ending == ENDING_SIGNAL))
		json_integer(j, "exit", last->code + (last->ending == ENDING_SIGNAL ? 128 : 0));
	else
		json_null(j, "exit");
	if (last != NULL && last->ending == ENDING_SIGNAL)
		json_integer(j, "signal", last->code);
	else
		json_null(j, "signal");
}

static void put_loaded(struct json *j, const struct row *row)
{
	const bool seen = row->rounds > 0 && row->run[0].with > 0;

	if (row->outcome == OUTCOME_NOT_LOADED)
		json_bool(j, "loaded", false);
	else if (row->proof.verdict == PROOF_LOADED || seen || row->allocator->path == NULL)
		json_bool(j, "loaded", true);
	else
		json_null(j, "loaded"); /* nobody could look */
}

static void put_allocator(struct json *j, const struct allocator *a)
{
	json_string(j, "path", a->path);
	json_string(j, "build_id", a->build_id[0] != '\0' ? a->build_id : NULL);
	json_array(j, "settings");
	for (char *const *s = a->settings; *s != NULL; s++)
		json_string(j, NULL, *s);
	json_end(j);
}

static void put_runs(struct json *j, const struct row *row)
{
	json_array(j, "runs");
	for (size_t i = 0; i < row->rounds; i++) {
		const struct run *const run = &row->run[i];
		json_object(j, NULL);
		json_number(j, "wall_s", run->wall_s);
		json_number(j, "cpu_s", run->cpu_s);
		json_count(j, "peak_rss_bytes", run->peak_rss);
		json_count(j, "mean_rss_bytes", run->mean_rss);
		json_count(j, "end_rss_bytes", run->end_rss);
		json_count(j, "faults", run->faults);
		json_integer(j, "processes_with", run->with);
		json_integer(j, "processes_without", run->without);
		json_end(j);
	}
	json_end(j);
}

static void put_row(struct json *j, const struct compare *c, const struct row *row)
{
	static const char *const outcome[] = {"not-loaded", "crashed", "not-served", "differs",
	    "timeout", "fine", "not-run"};
	const bool any = row->good > 0;

	json_object(j, NULL);
	json_string(j, "name", row->allocator->name);
	json_string(j, "kind", allocator_kind(row->allocator));
	json_string(j, "thp", row->no_huge_pages ? "off" : "as-is");
	put_loaded(j, row);
	json_string(j, "outcome", outcome[row->outcome]);
	json_string(j, "why", row->why[0] != '\0' ? row->why : NULL);
	put_ending(j, row);
	put_summary(j, "wall_s", &row->is[FIGURE_WALL], any);
	put_summary(j, "cpu_s", &row->is[FIGURE_CPU], any);
	put_summary(j, "peak_rss_bytes", &row->is[FIGURE_PEAK], any);
	put_summary(j, "mean_rss_bytes", &row->is[FIGURE_MEAN], any);
	put_summary(j, "end_rss_bytes", &row->is[FIGURE_END], any);
	put_summary(j, "tree_rss_bytes", &row->is[FIGURE_TREE], any);
	put_summary(j, "faults", &row->is[FIGURE_FAULTS], any);
	put_ratio(j, c, row);
	put_allocator(j, row->allocator);
	put_runs(j, row);
	if (c->more_json != NULL)
		c->more_json(c, row, j);
	json_end(j);
}

static void put_verdict(struct json *j, const struct compare *c, bool no_huge_pages)
{
	const struct row *const best = verdict_best(c, no_huge_pages);
	char *const sentence = verdict_text(c, no_huge_pages);
	const size_t base = no_huge_pages && c->huge_pages == HUGE_BOTH ? c->rows / 2 : 0;

	json_object(j, NULL);
	json_string(j, "thp", no_huge_pages ? "off" : "as-is");
	json_string(j, "best", best != NULL ? best->allocator->name : NULL);
	json_number(j, "noise", verdict_noise(c, &c->row[base], verdict_time(c)));
	json_object(j, "noise_of");
	json_number(j, "peak_rss_bytes", verdict_noise(c, &c->row[base], FIGURE_PEAK));
	json_number(j, "mean_rss_bytes", verdict_noise(c, &c->row[base], FIGURE_MEAN));
	json_number(j, "end_rss_bytes", verdict_noise(c, &c->row[base], FIGURE_END));
	json_end(j);
	json_array(j, "ties");
	for (size_t i = 0; i < c->rows && best != NULL; i++)
		if (c->row[i].no_huge_pages == no_huge_pages && &c->row[i] != best &&
		    c->row[i].outcome == OUTCOME_FINE && verdict_ties(c, &c->row[i], best))
			json_string(j, NULL, c->row[i].allocator->name);
	json_end(j);
	json_string(j, "sentence", sentence);
	json_end(j);
	free(sentence);
}

void compare_json_rows(const struct compare *c, struct json *j)
{
	json_array(j, "rows");
	for (size_t i = 0; i < c->rows; i++)
		put_row(j, c, &c->row[i]);
	json_end(j);
}

void compare_json_verdicts(const struct compare *c, struct json *j)
{
	json_array(j, "verdicts");
	if (c->huge_pages != HUGE_OFF)
		put_verdict(j, c, false);
	if (c->huge_pages != HUGE_AS_IS)
		put_verdict(j, c, true);
	json_end(j);
}

void compare_json(const struct compare *c, FILE *out)
{
	static const char *const modes[] = {"as-is", "off", "both"};
	static const char *const key[FIGURES + 1] = {
	    [FIGURE_WALL] = "wall_s", [FIGURE_CPU] = "cpu_s",
	    [FIGURE_PEAK] = "peak_rss_bytes", [FIGURE_MEAN] = "mean_rss_bytes",
	    [FIGURE_END] = "end_rss_bytes", [FIGURES] = "trade"};
	struct json j;

	json_begin(&j, out);
	json_schema(&j, "dmm-compare", 3);
	json_array(&j, "command");
	for (char *const *word = c->command; *word != NULL; word++)
		json_string(&j, NULL, *word);
	json_end(&j);
	json_string(&j, "drive", c->drive);
	json_string(&j, "linked_malloc", c->linked); /* null: libc's */
	json_count(&j, "runs", c->runs);
	json_number(&j, "timeout_s", c->timeout_s);
	json_count(&j, "warm_bytes", c->warm);
	json_number(&j, "idle_s", c->idle_s);
	json_string(&j, "thp", modes[c->huge_pages]);
	json_string(&j, "verdict_by", key[verdict_asked(c)]);
	provenance_json(&c->provenance, &j, "provenance");
	compare_json_rows(c, &j);
	compare_json_verdicts(c, &j);
	json_end(&j);
}
