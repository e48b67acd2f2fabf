/* footer.c - reads the rest of a footer that an overflow damaged. */
#include "system/policy/footer.h"

#include <string.h>

#include "base/assert.h"
#include "base/crash.h"
#include "base/where.h"

enum { WHERE = 256 };

size_t footer_overrun(const struct chunk_heap *h, const struct chunk *c)
{
	const size_t want[2] = {chunk_size(c), ~chunk_size(c)};
	const unsigned char *const found = (const void *)chunk_footer(h, c);
	size_t beyond = 0;

	if (!h->footer)
		return 0;
	CHECK(h->reuse != DMM_REUSE_FOOTER); /* a live chunk has no footer there */
	for (size_t i = 0; i < reuse_footer(h->reuse); i++)
		if (found[i] != ((const unsigned char *)want)[i])
			beyond = i + 1;
	return beyond;
}

/* The footer before c was overwritten, so that nothing leads to the chunk before c. */
void footer_look_before(const struct chunk_heap *h, const struct chunk *c)
{
	const struct chunk *const before = chunk_before(h, c);
	char found[WHERE];

	CHECK(h->first != NULL && c > h->first && c <= h->last);
	if (before >= h->first && before < c && chunk_after(before) == c)
		return;
	where_found(found, sizeof found);
	crash("overflow: the block before %p was written beyond its end%s", chunk_payload(h, c),
	    found);
}

void footer_verify(const struct chunk_heap *h, const struct chunk *c)
{
	char found[WHERE];

	if (!h->footer)
		return;
	const size_t beyond = footer_overrun(h, c);
	if (beyond == 0) {
		footer_look_before(h, c);
		return;
	}
	where_found(found, sizeof found);
	crash("overflow: %p (%u bytes): at least %u %s beyond its end %s written%s",
	    chunk_payload(h, c), chunk_usable(h, c), beyond, beyond == 1 ? "byte" : "bytes",
	    beyond == 1 ? "was" : "were", found);
}
