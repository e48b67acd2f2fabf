/* ops.c - mapping a file of ops; build.c makes it. */
#include "replay/ops.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool replay_ops_map(struct replay_ops *o, int fd)
{
	struct stat st;
	const struct replay_head *head;

	if (fstat(fd, &st) != 0 || (size_t)st.st_size < sizeof *head)
		return false;
	head = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED)
		return false;
	if (head->magic != OPS_MAGIC || head->version != OPS_VERSION ||
	    head->len != (size_t)st.st_size) {
		munmap((void *)head, (size_t)st.st_size);
		return false;
	}
	const char *const at = (const char *)head;
	*o = (struct replay_ops){.fd = fd,
	    .head = head,
	    .op = (const struct replay_op *)(head + 1),
	    .mark = (const struct replay_mark *)(at + head->marks_at),
	    .index = head->threads > 1 ? (const uint32_t *)(at + head->index_at) : NULL,
	    .thread = (const struct replay_thread *)(at + head->threads_at)};
	return true;
}

void replay_ops_pass(const struct replay_ops *o, size_t i)
{
	if (i < OPS_A_WINDOW || i % OPS_A_WINDOW != 0)
		return;
	const uintptr_t from = (uintptr_t)&o->op[i - OPS_A_WINDOW] & ~(uintptr_t)4095;
	madvise((void *)from, OPS_A_WINDOW * sizeof *o->op, MADV_DONTNEED);
}

void replay_ops_close(struct replay_ops *o)
{
	if (o->head != NULL)
		munmap((void *)o->head, o->head->len);
	if (o->fd >= 0)
		close(o->fd);
	*o = (struct replay_ops){.fd = -1};
}
