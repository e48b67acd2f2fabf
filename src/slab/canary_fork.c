/* canary_fork.c - canaries and fork(): a child takes another key once damage was heard of.
 *
 * The count of damaged canaries lies on a page that a process shares with all that it
 * forks.  It only rises.
 */
#include "base/rng.h"
#include "os/os.h"
#include "os/ticks.h"
#include "slab/canary.h"
#include "slab/guard_large.h"
#include "slab/slab.h"

#include <unistd.h>

/* An object of another thread of the parent may lack its mark at the moment of the fork. */
static bool may_be_live(const struct slab *s, const void *p)
{
	const uint64_t taken = heap_of(s)->orphan ? ~free_word(p) : live_word(p);
	return (taken & bit_of(p)) != 0;
}

/* What is live has memory behind it. */
static void renew_slab(const struct slab *s, const struct canary_key *old)
{
	char *p = slab_start(s);

	for (unsigned i = 0; i < s->count; i++, p += s->size) {
		if (!may_be_live(s, p))
			continue;
		const struct canary c = canary_read_by(old, p, s->size);
		/* else it is damaged, or another thread of the parent was about to write it */
		if (c.slack != 0)
			canary_write(p, s->size - c.slack, s->size, c.origin);
	}
}

/* Rewrite all canaries with the newest key, in a child of fork(), which has one thread. */
static void renew_all(const struct canary_key *old)
{
	const uint32_t end = root.chunk_count * CHUNK_GRANULES;

	for (uint32_t g = 1, n; g < end; g += n) {
		const struct slab_chunk *const c = chunk_at(g / CHUNK_GRANULES);
		const struct slab *const s = slab_at(g);
		const bool here = c->state == CHUNK_HERE && g % CHUNK_GRANULES < c->mapped;
		const bool is_free = here && (c->free[g % CHUNK_GRANULES / 64] >> g % 64 & 1) != 0;
		n = 1;
		if (!here || is_free)
			continue;
		if (kind_of(s) == GRANULE_RUN) {
			guard_large_renew(s, old);
			n = s->run;
		} else if (kind_of(s) == GRANULE_SLAB) {
			if (s->cls != CLASS_ZERO)
				renew_slab(s, old);
			n = s->granules;
		}
	}
}

/* A process without the parent's key cannot predict the new one. The kernel is not asked for random
 * bytes, since a seccomp filter may forbid the call. */
static struct canary_key new_key(const struct canary_key *parents)
{
	struct rng rng = {parents->mask ^ os_ticks() ^ (uint64_t)getpid() << 44};
	const uint64_t mask = rng_next(&rng);

	rng.state ^= parents->factor;
	return (struct canary_key){mask, rng_next(&rng) | 1};
}

/* A signal handler may have interrupted the reading or writing of a canary and forked. So no key
 * ever changes, and one pointer names the newest. The last key stays the newest for all further
 * generations. */
void canary_after_fork(void)
{
	const struct dmm_os *const os = root.os;
	struct canary_key *const next = hardening.keys + (hardening.key - hardening.keys) + 1;

	if (hardening.damaged == NULL || *hardening.damaged < DAMAGE_SEEN ||
	    next == hardening.keys + CANARY_KEYS)
		return;
	if (hardening.readonly_conf &&
	    os->protect(os->ctx, &settings_page, sizeof settings_page, DMM_PROTECT_RW) != 0)
		return;
	*next = new_key(hardening.key);
	hardening.key = next;
	if (hardening.readonly_conf)
		os->protect(os->ctx, &settings_page, sizeof settings_page, DMM_PROTECT_READ);
	renew_all(next - 1);
}
