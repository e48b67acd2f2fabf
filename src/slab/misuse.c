/* misuse.c - see misuse.h. */
#include "slab/misuse.h"

#include "base/crash.h"
#include "slab/settings.h"

void slab_misuse(const char *what, const void *p, size_t size)
{
	crash("%s: %p (%u bytes)", what, p, size);
}

static void wrong_free(const char *line)
{
	static atomic_flag told = ATOMIC_FLAG_INIT;

	if (surface.sized == SIZED_ABORT)
		crash("%s", line);
	if (surface.sized == SIZED_REPORT && !atomic_flag_test_and_set(&told))
		crash_say("%s; it is freed all the same, and no further such call is told "
		          "(DMM_CONF=sized:abort ends the program, sized:ignore tells none)", line);
}

void slab_mismatch(const char *call, const void *p, size_t size, enum origin allocated_by)
{
	static const char *const names[ORIGINS] = {"malloc", "new", "new[]"};
	static atomic_flag told = ATOMIC_FLAG_INIT;
	char line[128];

	crash_format(line, sizeof line, "%s of what %s allocated: %p (%u bytes)", call,
	    names[allocated_by], p, size);
	if (surface.mismatch == SIZED_ABORT)
		crash("%s", line);
	if (surface.mismatch == SIZED_REPORT && !atomic_flag_test_and_set(&told))
		crash_say("%s; it goes on all the same, and no further such call is told "
		          "(DMM_CONF=mismatch:abort ends the program, mismatch:ignore tells none)",
		    line);
}

void slab_wrong_size(size_t n, const void *p, size_t size)
{
	char line[128];

	crash_format(line, sizeof line, "free of %u bytes: %p (%u bytes)", n, p, size);
	wrong_free(line);
}

void slab_wrong_alignment(size_t align, const void *p)
{
	char line[128];

	crash_format(line, sizeof line, "free of an object aligned to %u: %p", align, p);
	wrong_free(line);
}

void slab_freed_twice(const struct slab *s, const void *p, uint64_t bits)
{
	const uintptr_t base = round_down((uintptr_t)p, WORD_BYTES);
	const void *const first =
	    (const void *)(base + ((uintptr_t)__builtin_ctzll(bits) << UNIT_SHIFT));
	slab_misuse("double free", first, slab_usable_size(s));
}
