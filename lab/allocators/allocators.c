/* allocators.c - parses lists of allocators for comparisons. */
#include "allocators/allocators.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/array.h"
#include "cli/lab.h"
#include "allocators/names.h"
#include "allocators/peers.h"
#include "allocators/registry.h"
#include "allocators/subject.h"
#include "slab/system.h"

static struct allocator *add(struct allocators *list, enum allocator_kind kind, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->item[i].name, name) == 0)
			lab_die(EXIT_USAGE, "'%s' is named twice; write OTHER=path.so", name);
	ARRAY_GROW(list->item, list->room, list->count + 1);
	struct allocator *const a = &list->item[list->count++];
	*a = (struct allocator){.name = strdup(name), .kind = kind};
	CHECK(a->name != NULL);
	return a;
}

static void set_problem(struct allocator *a, const char *why)
{
	snprintf(a->problem, sizeof a->problem, "%s", why);
}

/* Look at the file now: what cannot be loaded is said before anything runs. */
static void set_library(struct allocator *a, const char *path)
{
	struct elf_facts facts;

	a->path = realpath(path, NULL);
	if (a->path == NULL)
		a->path = strdup(path);
	if (strpbrk(a->path, " :") != NULL)
		set_problem(a, "the loader splits paths at ' ' and ':'; move the file");
	else if (!elf_read(a->path, &facts))
		set_problem(a, facts.problem);
	else if (!facts.shared)
		set_problem(a, "not a shared object");
	else if (!facts.has_malloc)
		set_problem(a, "defines no malloc");
	else
		memcpy(a->build_id, facts.build_id, sizeof a->build_id);
}

/* A design that is built in can be asked whether it knows these keys. */
static void check_conf(const struct allocator *a, const char *conf)
{
	char name[64], why[256];
	struct subject s;

	snprintf(name, sizeof name, "%.*s", (int)strcspn(a->name, "?"), a->name);
	const struct dmm_system *const sys = registry_find(name);
	if (sys == NULL || (sys->options == 0 && sys != &system_slab))
		return;
	if (!subject_make(&s, sys, conf, why, sizeof why))
		lab_die(EXIT_USAGE, "%s: %s", a->name, why);
}

/* "VAR=value&VAR=value"; of a design also "key:value,key:value", which is what DMM_CONF holds. */
static void set_settings(struct allocator *a, char *text)
{
	size_t count = 0;

	if (a->kind == KIND_SYSTEM && strchr(text, '=') == NULL) {
		check_conf(a, text);
		if (asprintf(&a->settings[0], "DMM_CONF=%s", text) < 0)
			lab_die(EXIT_OURS, "no memory");
		return;
	}
	for (char *save, *s = strtok_r(text, "&", &save); s != NULL;
	    s = strtok_r(NULL, "&", &save)) {
		if (strchr(s, '=') == NULL || s[0] == '=' || count == SETTINGS_MAX)
			lab_die(EXIT_USAGE, "%s: settings are VAR=value, at most %d: '%s'", a->name,
			    SETTINGS_MAX, s);
		a->settings[count++] = strdup(s);
	}
}

static bool is_system(const char *name)
{
	for (const char *const *s = systems_names(); *s != NULL; s++)
		if (strcmp(*s, name) == 0)
			return true;
	return false;
}

static void add_system(struct allocators *list, const char *shown, const char *name,
    const char *path)
{
	char *const library = path != NULL ? NULL : allocator_library(name);

	if (path == NULL && !is_system(name))
		lab_unknown("system", name, systems_names());
	struct allocator *const a = add(list, KIND_SYSTEM, shown);
	a->own_path = path != NULL;
	if (path != NULL || library != NULL)
		set_library(a, path != NULL ? path : library);
	else
		set_problem(a, "its library was not found; DMM_LIBDIR names the directory");
	free(library);
}

static void add_peer(struct allocators *list, const char *shown, const char *name, const char *path)
{
	const struct known_malloc *const known = peer_find(name);

	if (path == NULL && known == NULL)
		lab_unknown("peer", name, peer_names());
	struct allocator *const a = add(list, KIND_PEER, shown);
	a->own_path = path != NULL;
	char *const found = path != NULL ? strdup(path) : peer_path(known);
	if (found != NULL)
		set_library(a, found);
	else
		snprintf(a->problem, sizeof a->problem, "not installed (Debian: %s)",
		    known->package);
	free(found);
}

static void add_all_systems(struct allocators *list)
{
	for (const char *const *s = systems_names(); *s != NULL; s++) {
		char *const library = allocator_library(*s);
		if (library != NULL)
			add_system(list, *s, *s, NULL);
		free(library);
	}
}

static void add_installed_peers(struct allocators *list)
{
	for (const char *const *p = peer_names(); *p != NULL; p++) {
		char *const path = peer_path(peer_find(*p));
		if (path != NULL)
			add_peer(list, *p, *p, NULL);
		free(path);
	}
}

/* The differences between a list of systems and a list of peers. */
struct list_words {
	const char *everything;
	void (*add_everything)(struct allocators *);
	void (*add_one)(struct allocators *, const char *shown, const char *name, const char *path);
};

static void add_items(struct allocators *list, const char *names, const struct list_words *words)
{
	char item[PATH_MAX], whole[PATH_MAX], *path, *settings;

	while (names_next(&names, item)) {
		memcpy(whole, item, sizeof whole);
		names_split(item, &path, &settings);
		if (path == NULL && strcmp(item, words->everything) == 0) {
			words->add_everything(list);
		} else if (path != NULL || strcmp(item, "none") != 0) {
			/* With settings, a name may come more than once. */
			words->add_one(list, settings != NULL && path == NULL ? whole : item, item,
			    path);
			if (settings != NULL)
				set_settings(&list->item[list->count - 1], settings);
		}
	}
}

static void add_glibc(struct allocators *list, const char *name)
{
	struct allocator *const a = add(list, KIND_BASELINE, name);
	struct elf_facts facts;
	Dl_info libc;

	/* The programs that run get the same libc as this one. */
	if (dladdr((const void *)&getenv, &libc) != 0 && elf_read(libc.dli_fname, &facts))
		memcpy(a->build_id, facts.build_id, sizeof a->build_id);
}

void allocators_add_baseline(struct allocators *list)
{
	add_glibc(list, "glibc");
}

void allocators_add_baselines(struct allocators *list)
{
	allocators_add_baseline(list);
	add_glibc(list, GLIBC_AGAIN);
}

const char *allocators_add_linked(struct allocators *list, const char *library, const char *libc)
{
	char *const path = realpath(library, NULL);

	for (size_t i = 0; i < list->count; i++)
		if (list->item[i].kind == KIND_BASELINE && list->item[i].path == NULL)
			list->item[i].path = strdup(libc);
	for (size_t i = 0; path != NULL && i < list->count; i++)
		if (list->item[i].path != NULL && list->item[i].settings[0] == NULL &&
		    strcmp(list->item[i].path, path) == 0) {
			free(path);
			return list->item[i].name;
		}
	free(path);
	struct allocator *const a = add(list, KIND_PEER, "linked");
	set_library(a, library);
	return a->name;
}

void allocators_add_systems(struct allocators *list, const char *names)
{
	static const struct list_words words = {"all", add_all_systems, add_system};
	add_items(list, names, &words);
}

void allocators_add_peers(struct allocators *list, const char *names)
{
	static const struct list_words words = {"auto", add_installed_peers, add_peer};
	add_items(list, names, &words);
}

void allocators_add_library(struct allocators *list, const char *path)
{
	char item[PATH_MAX + 8];

	snprintf(item, sizeof item, "%s%s", strchr(path, '=') != NULL ? "" : "library=", path);
	allocators_add_peers(list, item);
}

void allocators_free(struct allocators *list)
{
	for (size_t i = 0; i < list->count; i++) {
		for (char **s = list->item[i].settings; *s != NULL; s++)
			free(*s);
		free(list->item[i].name);
		free(list->item[i].path);
	}
	free(list->item);
	*list = (struct allocators){0};
}

const char *allocator_kind(const struct allocator *a)
{
	static const char *const kinds[] = {"baseline", "system", "peer"};
	return kinds[a->kind];
}

void allocator_enter(const struct allocator *a)
{
	if (a->path != NULL)
		setenv("LD_PRELOAD", a->path, 1);
	else
		unsetenv("LD_PRELOAD");
	for (char *const *s = a->settings; *s != NULL; s++)
		putenv(*s);
}
