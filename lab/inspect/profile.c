/* profile.c - see profile.h.  Beside root.c, slab.c and guarded.c, it alone knows
 * slab's records. */
#include "inspect/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/elf_id.h"
#include "cli/array.h"
#include "cli/lab.h"
#include "process/maps.h"
#include "slab/root.h"

enum { LOOKS = 200, SEGMENTS_MAX = 1 << 16, LINE_ROOM = 5000 };

/* ---- sites ----------------------------------------------------------------------------------- */

static bool read_segment(struct outside *o, struct outside_profile *p, uint64_t at, uint64_t *next)
{
	struct profile_segment s;

	if (!memory_read(&o->memory, at, &s, sizeof s) || s.used < sizeof s ||
	    s.used > PROFILE_SEGMENT)
		return false;
	const size_t n = s.used - sizeof s;
	ARRAY_GROW(p->sites, p->cap, p->len + n + 1);
	*next = (uintptr_t)s.next;
	if (n != 0 && !memory_read(&o->memory, at + sizeof s, p->sites + p->len, n))
		return false;
	p->len += n;
	return true;
}

/* One look.  False: it cannot be read.  *whole: nothing changed meanwhile. */
static bool look(struct outside *o, struct outside_profile *p, uint64_t at, bool *whole)
{
	struct profile_head after;
	int segments = 0;

	p->len = 0;
	if (!memory_read(&o->memory, at, &p->head, sizeof p->head))
		return false;
	for (uint64_t s = (uintptr_t)p->head.segments, next; s != 0; s = next)
		if (segments++ == SEGMENTS_MAX || !read_segment(o, p, s, &next))
			return false;
	if (!memory_read(&o->memory, at, &after, sizeof after))
		return false;
	*whole = after.changes == p->head.changes && after.changes % 2 == 0;
	return true;
}

const struct profile_site *outside_next_site(const struct outside_profile *p, size_t *at)
{
	const struct profile_site *const s = (const struct profile_site *)(p->sites + *at);

	if (p->len - *at < sizeof *s || s->depth > PROFILE_FRAMES ||
	    p->len - *at < profile_site_len(s))
		return NULL;
	*at += profile_site_len(s);
	return s;
}

/* ---- mapped code ----------------------------------------------------------------------------- */

struct code_maps {
	struct outside *outside;
	struct outside_profile *profile;
	uint64_t base; /* where the beginning of the file `path` is mapped; 0: nowhere */
	char path[PROC_MAPS_WHOLE];
};

static bool peek(void *arg, uint64_t addr, void *to, size_t n)
{
	return memory_read(arg, addr, to, n);
}

static bool add_map(void *arg, const struct map_line *line)
{
	struct code_maps *const m = arg;
	struct outside_profile *const p = m->profile;
	char id[ELF_ID_ROOM];

	if (line->path[0] != '/' && strcmp(line->path, "[vdso]") != 0)
		return true;
	if (line->offset == 0 || strcmp(line->path, m->path) != 0) {
		m->base = line->offset == 0 ? line->start : 0;
		snprintf(m->path, sizeof m->path, "%s", line->path);
	}
	if (!line->executable)
		return true;
	ARRAY_GROW(p->maps, p->maps_cap, p->maps_len + LINE_ROOM);
	elf_id_at(peek, &m->outside->memory, m->base, id);
	p->maps_len += (size_t)snprintf(p->maps + p->maps_len, LINE_ROOM, "%llx %llx %llx %s %s\n",
	    (unsigned long long)line->start, (unsigned long long)line->end,
	    (unsigned long long)line->offset, id, line->path);
	return true;
}

/* ---- both ------------------------------------------------------------------------------------ */

bool outside_read_profile(struct outside *o, struct outside_profile *p, struct memory_error *e)
{
	struct code_maps maps = {.outside = o, .profile = p};
	struct slab_root r;
	bool whole = false;

	*p = (struct outside_profile){0};
	if (!memory_read(&o->memory, o->root, &r, sizeof r))
		return memory_refuse(e, "%s: slab's root cannot be read", o->memory.title);
	if (r.profile == NULL)
		return memory_refuse(e,
		    "%s takes no heap profile: start it with DMM_CONF=profile:512k",
		    o->memory.title);
	for (int looks = 0; looks < LOOKS && !whole; looks++)
		if (!look(o, p, (uintptr_t)r.profile, &whole))
			return memory_refuse(e, "%s: its heap profile cannot be read: it has ended",
			    o->memory.title);
	if (p->head.version != PROFILE_VERSION || p->head.site_bytes != sizeof(struct profile_site))
		return memory_refuse(e, "%s has a heap profile of version %u, this dmm reads %u",
		    o->memory.title, p->head.version, PROFILE_VERSION);
	p->torn = !whole;
	if (maps_visit(o->memory.pid, add_map, &maps) != 0 || p->maps == NULL)
		return memory_refuse(e, "%s: its mappings cannot be read", o->memory.title);
	return true;
}

void outside_drop_profile(struct outside_profile *p)
{
	free(p->sites);
	free(p->maps);
}
