/* show.c - dmm show: what is drawn, of which designs, once or by keys. */
#include "show/show.h"

#include <stdio.h>

#include "allocators/registry.h"
#include "cli/lab.h"
#include "draw/demo.h"
#include "system/policy/params.h"

/* Calls of one source: `usual` is the one to show where none is named. */
static void show_calls(struct show_source *source, const struct show_order *show,
    const struct draw_style *s, size_t usual)
{
	const bool range = show->from != 0 || show->to != 0;
	const size_t from = show->from != 0 ? show->from : range || show->quiz ? 1 : usual;
	const size_t to = show->to != 0 ? show->to : range || show->quiz ? source->steps : usual;

	if (from > to || to > source->steps)
		lab_die(EXIT_USAGE, "show: calls %zu to %zu: there are calls 1 to %zu", from, to,
		    source->steps);
	if (show->quiz && source->before == NULL)
		lab_die(EXIT_USAGE, "show: --quiz asks about chunks, and slab has none");
	if (show->quiz)
		show_quiz(source, s, from, to);
	else if (show->paper != SHOW_TERMINAL)
		show_range_figure(source, show, from, to);
	else
		show_range_text(source, s, from, to);
}

/* All three examples are one row of calls. */
static bool demo_in_parts(const struct show_order *show)
{
	return show->quiz || show->paper != SHOW_TERMINAL || show->from != 0 || show->to != 0;
}

/* The settings that --conf asks for; NULL: none. */
static const struct dmm_params *settings(const struct show_order *show, size_t i)
{
	static struct dmm_params params[SHOW_SYSTEMS_MAX];
	const struct dmm_system *const sys = show->systems[i];
	struct conf_error e;

	if (show->conf == NULL)
		return NULL;
	params[i] = show->demo ? demo_params(sys) : sys->defaults;
	if (!params_parse(&params[i], sys, show->conf, &e))
		lab_die(EXIT_USAGE, "--conf: %s", e.text);
	return &params[i];
}

static void show_demos(const struct show_order *show, const struct draw_style *s)
{
	struct show_order all = *show;

	all.from = show->from != 0 ? show->from : 1;
	for (size_t i = 0; i < show->system_count && demo_in_parts(show); i++) {
		struct show_source source = show_demo_open(show->systems[i], settings(show, i));
		show_calls(&source, &all, s, 1);
		show_demo_close(&source);
	}
	if (demo_in_parts(show))
		return;
	if (show->step) {
		struct show_source source = show_demo_open(show->systems[0], settings(show, 0));
		show_walk(&source, s, 1);
		show_demo_close(&source);
		return;
	}
	for (size_t i = 0; i < show->system_count; i++) {
		if (i != 0)
			puts("\n");
		show_demo_all(stdout, s, show->systems[i], settings(show, i));
	}
}

static bool show_recording(const struct show_order *show, const struct draw_style *s)
{
	bool whole = true;

	for (size_t i = 0; i < show->system_count; i++) {
		size_t peak;
		struct show_source source = show_recording_open(show->recording, show->systems[i],
		    settings(show, i), &peak);
		const size_t at = show->at == 0 ? peak : show->at;
		if (at > source.steps)
			lab_die(EXIT_USAGE, "show: --at=%zu: the recording has %zu calls", at,
			    source.steps);
		if (show->step) {
			show_walk(&source, s, at);
		} else {
			show_calls(&source, show, s, at);
		}
		whole = show_recording_close(&source) && whole;
		if (i + 1 < show->system_count)
			putchar('\n');
	}
	return whole;
}

/* All designs perform the demo; what takes time or keys is done on one. */
static void choose_default(struct show_order *show)
{
	if (show->step || !show->demo || show->quiz || show->paper != SHOW_TERMINAL) {
		registry_choose_list("system", "bins", show->systems, &show->system_count,
		    SHOW_SYSTEMS_MAX);
		return;
	}
	for (const struct dmm_system *const *sys = registry_systems(); *sys != NULL; sys++)
		show->systems[show->system_count++] = *sys;
}

/* Exactly one thing to look at. */
static bool shows_outside(const struct show_order *show)
{
	const bool outside = show->target.pid != 0 || show->target.core != NULL;

	if (show->demo + (show->recording != NULL) + (show->target.pid != 0) +
	    (show->target.core != NULL) != 1)
		lab_die(EXIT_USAGE, "show: give one of: a recording, --demo for the lecture's "
		                    "example, --pid=P, --core=F");
	if (outside && (show->step || show->quiz || show->at != 0 || show->from != 0 ||
	    show->to != 0 ||
	        show->paper != SHOW_TERMINAL || show->system_count != 0 || show->conf != NULL))
		lab_die(EXIT_USAGE, "show: --step, --quiz, --at, --from, --to, --system, --conf, "
		    "svg and "
		    "tikz are "
		    "for recordings and --demo");
	if (show->step + show->quiz + (show->paper != SHOW_TERMINAL) > 1 ||
	    (show->at != 0 && (show->from != 0 || show->to != 0)))
		lab_die(EXIT_USAGE, "show: one of --step, --quiz, --format=svg|tikz; and --at, or "
		    "--from "
		    "and --to");
	if (show->paper != SHOW_TERMINAL && show->system_count > 1)
		lab_die(EXIT_USAGE, "show: a figure is of one system");
	if (!outside && (show->target.size != 0 || show->target.format != FORMAT_TEXT))
		lab_die(EXIT_USAGE, "show: --size, json and csv are for --pid and --core");
	return outside;
}

int show_print(struct show_order *show)
{
	const struct draw_style s = draw_style(stdout, show->ascii, show->width);

	if (shows_outside(show)) {
		show_outside(&show->target, &s);
		return EXIT_FINE;
	}
	if (show->step && show->system_count > 1)
		lab_die(EXIT_USAGE, "show: --step walks one system");
	if (show->system_count == 0)
		choose_default(show);
	if (show->demo)
		show_demos(show, &s);
	else if (!show_recording(show, &s))
		return EXIT_OURS;
	return EXIT_FINE;
}
