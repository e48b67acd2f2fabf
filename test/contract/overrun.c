/* overrun.c - the lecture's example of the redundant footer: what footer:check says, word for
 * word. */
#include <stdio.h>
#include <string.h>

#include "base/where.h"
#include "contract.h"
#include "system/policy/reuse.h"
#include "test.h"

/* 41 letters and their end, into 32 bytes: 10 beyond. */
static const char rain[] = "The rain in Spain is mainly in the plain.";
enum { SPACE = 32, BEYOND = sizeof rain - SPACE };

static bool has_footer_check(const struct ground *g)
{
	const bool has = g->params != NULL && g->params->footer;
	if (!has)
		print_message("skipped: %s, as it is set, has no footer:check\n", g->sys->name);
	return has;
}

/* The bytes that the footer covers; beyond it the message can only say "at least". */
static size_t seen(const struct ground *g)
{
	const size_t footer = reuse_footer(g->params->reuse);
	return footer < BEYOND ? footer : BEYOND;
}

/* The bytes are written as strcpy would; the compiler knows what strcpy does and says so. */
static void spoil(char *s, const char *text)
{
	for (volatile char *to = s; (*to = *text) != '\0'; to++, text++)
		;
}

static void free_it(void *arg)
{
	const struct ground *const g = ((void **)arg)[0];
	heap_free(g->heap, ((void **)arg)[1]);
}

static void grow_it(void *arg)
{
	const struct ground *const g = ((void **)arg)[0];
	heap_realloc(g->heap, ((void **)arg)[1], 5000);
}

static void free_it_named(void *arg)
{
	where_called = (const char *)(uintptr_t)spoil + 1;
	free_it(arg);
}

CONTRACT(the_rain_in_spain_is_found_by_free_realloc_and_check, DMM_FREES)
{
	char said[200], kept[64];
	struct dmm_fault why = {0};

	if (!has_footer_check(g))
		return;
	char *const s = heap_malloc(g->heap, SPACE), *const after = heap_malloc(g->heap, SPACE);
	assert_int_equal(heap_usable(g->heap, s), SPACE);
	memcpy(kept, s, sizeof kept);
	spoil(s, rain);
	snprintf(said, sizeof said,
	    "dmm: overflow: %p (%d bytes): at least %zu bytes beyond its end were written\n",
	    (void *)s, SPACE, seen(g));
	test_aborts_saying(free_it, (void *[]){g, s}, said);
	test_aborts_saying(grow_it, (void *[]){g, s}, said);
	if (!heap_check(g->heap, &why))
		assert_true(strcmp(why.rule, "C2 footer") == 0 ||
		    strcmp(why.rule, "C1 aligned") == 0);
	else
		fail_msg("the checker saw nothing");
	memcpy(s, kept, sizeof kept); /* the next chunk's header as well */
	heap_free(g->heap, s);
	heap_free(g->heap, after);
}

CONTRACT(an_overrun_by_one_byte_is_found_and_no_more_is_claimed, DMM_FREES)
{
	char said[200];
	struct dmm_fault why = {0};

	if (!has_footer_check(g))
		return;
	char *const s = heap_malloc(g->heap, SPACE);
	const char was = s[SPACE];
	((volatile char *)s)[SPACE] = (char)(was + 1);
	snprintf(said, sizeof said,
	    "dmm: overflow: %p (%d bytes): at least 1 byte beyond its end was written\n",
	    (void *)s, SPACE);
	test_aborts_saying(free_it, (void *[]){g, s}, said);
	assert_false(heap_check(g->heap, &why));
	assert_string_equal(why.rule, "C2 footer");
	((volatile char *)s)[SPACE] = was;
	heap_free(g->heap, s);
}

CONTRACT(an_overrun_is_found_and_its_caller_named_where_known, DMM_FREES)
{
	char said[1000], wanted[1000], place[600];

	if (!has_footer_check(g))
		return;
	char *const s = heap_malloc(g->heap, SPACE);
	const char was = s[SPACE];
	((volatile char *)s)[SPACE] = (char)(was + 1);
	where_format(place, sizeof place, (const char *)(uintptr_t)spoil + 1);
	assert_non_null(strstr(place, "contract+0x"));
	snprintf(wanted, sizeof wanted,
	    "dmm: overflow: %p (%d bytes): at least 1 byte beyond its end was "
	    "written; found in the call at %s\n", (void *)s, SPACE, place);
	test_in_child(free_it_named, (void *[]){g, s}, said, sizeof said);
	assert_string_equal(said, wanted);
	((volatile char *)s)[SPACE] = was;
	heap_free(g->heap, s);
}
