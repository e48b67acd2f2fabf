/* ops.c - mapping a file of ops, whole or in parts; build.c makes it. */
#include "replay/ops.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"

enum { PAGE = 4096 };

static void unmap(struct ops_map *m)
{
	if (m->at != NULL)
		munmap(m->at, m->len);
	*m = (struct ops_map){0};
}

/* Bytes [from, to) of the file; NULL: not to be had. */
static const void *map(struct ops_map *m, int fd, size_t from, size_t to, int flags)
{
	const size_t begin = round_down(from, PAGE);
	void *const at = mmap(NULL, to - begin, PROT_READ, MAP_SHARED | flags, fd, (off_t)begin);

	if (at == MAP_FAILED)
		return NULL;
	*m = (struct ops_map){at, to - begin};
	return (const char *)at + (from - begin);
}

static void unmap_all(struct replay_ops *o)
{
	unmap(&o->head_map);
	unmap(&o->mark_map);
	unmap(&o->thread_map);
	unmap(&o->whole_map);
}

static bool map_small(struct replay_ops *o)
{
	struct stat st;

	if (fstat(o->fd, &st) != 0 || (size_t)st.st_size < sizeof *o->head)
		return false;
	o->head = map(&o->head_map, o->fd, 0, sizeof *o->head, 0);
	if (o->head == NULL || o->head->magic != OPS_MAGIC || o->head->version != OPS_VERSION ||
	    o->head->len != (size_t)st.st_size)
		return false;
	o->mark = map(&o->mark_map, o->fd, o->head->marks_at, o->head->index_at, 0);
	o->pause = (const struct replay_pause *)((const char *)o->mark +
	    (o->head->pauses_at - o->head->marks_at));
	o->thread = map(&o->thread_map, o->fd, o->head->threads_at, o->head->len, 0);
	return o->mark != NULL && o->thread != NULL;
}

bool replay_ops_map(struct replay_ops *o, int fd)
{
	*o = (struct replay_ops){.fd = fd};
	if (map_small(o))
		return true;
	unmap_all(o);
	*o = (struct replay_ops){.fd = -1};
	return false;
}

bool replay_ops_whole(struct replay_ops *o)
{
	const char *const at = map(&o->whole_map, o->fd, 0, o->head->len, 0);

	if (at == NULL)
		return false;
	o->op = (const struct replay_op *)(at + sizeof *o->head);
	o->index = o->head->threads > 1 ? (const uint32_t *)(at + o->head->index_at) : NULL;
	return true;
}

void replay_ops_close(struct replay_ops *o)
{
	unmap_all(o);
	if (o->fd >= 0)
		close(o->fd);
	*o = (struct replay_ops){.fd = -1};
}

bool ops_window_move(struct ops_window *w, size_t i)
{
	const struct replay_head *const h = w->ops->head;
	const size_t from = round_down(i, OPS_A_WINDOW);
	const size_t to = min_size(from + OPS_A_WINDOW, h->count);
	const size_t end = min_size(to + OPS_BEYOND, h->count);

	ops_window_close(w);
	w->op = map(&w->map, w->ops->fd, sizeof *h + from * sizeof *w->op,
	    sizeof *h + end * sizeof *w->op, MAP_POPULATE);
	if (w->op == NULL)
		return false;
	w->from = from;
	w->to = to;
	return true;
}

void ops_window_close(struct ops_window *w)
{
	unmap(&w->map);
	*w = (struct ops_window){.ops = w->ops};
}
