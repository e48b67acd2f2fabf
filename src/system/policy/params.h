/* params.h - the techniques of the appendix as settings: "key:value,.." <-> struct dmm_params.
 *
 *   fit:first|next|best|address          which chunk is taken              policy/fit.h
 *   split_min:BYTES                      the least remainder of a split    policy/split.h
 *   coalesce:now|deferred|CHUNKS         merge at once, or later                policy/coalesce.h
 *   footer:off|check                     the live footer finds overflows   policy/footer.h
 *   reuse:none|links|footer              32, 16, 8 bytes an object         policy/reuse.h
 *   bin_spacing:exact|geometric          sizes of bins                     policy/spacing.h
 *   mmap_threshold:adaptive|never|BYTES  larger chunks get a mapping; a number is fixed
 *   trim_threshold:never|BYTES           free at the heap's top that goes back
 *   grow_min:BYTES                       the least growth of the heap section
 *   min_chunk:usual|16                   the smallest chunk                chunk.h
 *   runs:off|BYTES                       tiny objects without headers      run.h
 *
 * BYTES may end in k, m or g.  Nothing here allocates or uses stdio: it runs inside malloc.
 */
#ifndef SYSTEM_POLICY_PARAMS_H
#define SYSTEM_POLICY_PARAMS_H

#include "base/conf_table.h"
#include "dmm_system.h"

/* The keys in the order above, then NULL. */
enum { params_key_count = 11 };
extern const char *const params_keys[params_key_count + 1];

/* Of the i-th key: does `sys` have it, what it says in one line, what it may be ("never, 4k to
 * 1024g"), and what it is in *params; the last two into buf of `cap` > 0 bytes, returned. */
bool params_has(const struct dmm_system *sys, size_t i);
const char *params_doc(size_t i);
const char *params_range(size_t i, char *buf, size_t cap);
const char *params_value(const struct dmm_params *params, size_t i, char *buf, size_t cap);

/* One setting.  False: unknown key (the nearest is named), a key that `sys` does not have, or a bad
 * value (the range is named); *params is unchanged. */
bool params_set(struct dmm_params *params, const struct dmm_system *sys, const char *key,
    const char *value, struct conf_error *e);

/* All settings of `conf`, and whether they can be together.  False: *params is unchanged. */
bool params_parse(struct dmm_params *params, const struct dmm_system *sys, const char *conf,
    struct conf_error *e);

/* Can these be together, and does `sys` have all that differ from its defaults? */
bool params_valid(const struct dmm_params *params, const struct dmm_system *sys,
    struct conf_error *e);

/* All settings that `sys` has, as params_parse reads them, into buf of `cap` > 0 bytes, cut off
 * there.  Returns the length written, without the NUL. */
size_t params_print(const struct dmm_params *params, const struct dmm_system *sys, char *buf,
    size_t cap);

#endif
