/* os_test.c - the real system, the failing one, and a heap section shared with strangers. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "os/os.h"
#include "os/section.h"
#include "emulated.h"
#include "test.h"

static const size_t MIB = (size_t)1 << 20;

/* ---- os_linux */

TEST(linux_maps_zeroed_pages_aligned_as_asked)
{
	for (size_t align = 4096; align <= (size_t)1 << 30; align *= 4) {
		char *const p = os_linux.map(NULL, 8192, align);
		assert_non_null(p);
		assert_true(is_aligned(p, align));
		assert_int_equal(p[0] | p[8191], 0);
		p[0] = p[8191] = 1;
		assert_int_equal(os_linux.unmap(NULL, p, 8192), 0);
	}
}

TEST(linux_refuses_without_touching_errno)
{
	errno = EBADF;
	assert_null(os_linux.map(NULL, (size_t)1 << 62, 4096));
	assert_null(os_linux.map(NULL, 4096, (size_t)1 << 62));
	assert_null(os_linux.reserve(NULL, (size_t)1 << 62, 4096));
	assert_int_equal(os_linux.brk_set(NULL, (void *)(UINTPTR_MAX - 4095)), -ENOMEM);
	assert_int_equal(os_linux.unmap(NULL, (void *)1, 4096), -EINVAL);
	assert_true(os_linux.protect(NULL, (void *)4096, 4096, DMM_PROTECT_RW) < 0);
	assert_int_equal(errno, EBADF);
}

TEST(linux_remap_and_purge_do_what_they_say)
{
	char *p = os_linux.map(NULL, 8192, 4096);
	memset(p, 3, 8192);
	p = os_linux.remap(NULL, p, 8192, MIB);
	assert_non_null(p);
	assert_true(p[8191] == 3 && p[8192] == 0 && p[MIB - 1] == 0);
	assert_int_equal(os_linux.purge(NULL, p, 4096), 0);
	assert_true(p[0] == 0 && p[4096] == 3);
	assert_int_equal(os_linux.unmap(NULL, p, MIB), 0);
	const uint64_t then = os_linux.now_ns(NULL);
	assert_true(os_linux.now_ns(NULL) >= then);
}

/* ---- os_linux, when the kernel refuses: each in a child, whose exit says what was wrong ---- */

enum { CANNOT_REFUSE = 77 };

static void expect(bool it, int exit)
{
	if (!it)
		_exit(exit);
}

static void end_well(void (*act)(void *arg))
{
	char said[1024];
	const int status = test_in_child(act, NULL, said, sizeof said);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_REFUSE)
		skip();
	assert_string_equal(said, "");
	assert_int_equal(status, 0);
}

static void refuse(long call, int error)
{
	struct sock_filter calls[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof calls / sizeof *calls, calls};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(CANNOT_REFUSE);
}

/* The kernel looks at the limit before it looks which way the break shall go, and answers with
 * where it is: which is above what was asked for, and brk(3) takes it for success. */
static void lower_beyond_a_limit(void *arg)
{
	(void)arg;
	if (emulated())
		_exit(CANNOT_REFUSE);
	struct section s = {.os = &os_linux};
	char *const p = section_grow(&s, 8 * MIB, 0);
	expect(p != NULL, 2);
	memset(p, 1, 8 * MIB);
	struct rlimit most;
	getrlimit(RLIMIT_DATA, &most);
	most.rlim_cur = MIB;
	setrlimit(RLIMIT_DATA, &most);
	expect(!section_shrink(&s, MIB), 3); /* 7 MiB are still too much */
	expect(s.end == p + 8 * MIB && s.owned_bytes == 8 * MIB, 4);
	expect(os_linux.brk_get(NULL) == s.end, 5);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_DATA, &most);
	expect(section_grow(&s, 16, 4096) == p + 8 * MIB, 6); /* and no hole begins here */
}

TEST(a_lower_break_that_is_refused_changes_nothing)
{
	end_well(lower_beyond_a_limit);
}

static void grow_without_brk(void *arg)
{
	(void)arg;
	struct section s = {.os = &os_linux};
	expect(section_grow(&s, 8192, 0) != NULL, 2);
	const struct section before = s;
	refuse(SYS_brk, EPERM);
	expect(section_grow(&s, 8192, 16) == NULL, 3);
	expect(section_grow(&s, 8192, 16) == NULL, 4);
	expect(!section_shrink(&s, 4096), 5);
	expect(memcmp(&before, &s, sizeof s) == 0, 6);
}

TEST(a_break_that_a_filter_refuses_changes_nothing)
{
	end_well(grow_without_brk);
}

static void map_without_unmap(void *arg)
{
	(void)arg;
	refuse(SYS_munmap, ENOMEM);
	errno = EBADF;
	for (size_t align = 4096; align <= 64 * MIB; align *= 4) {
		char *const p = os_linux.map(NULL, 8192, align);
		expect(p != NULL && is_aligned(p, align) && p[0] == 0 && p[8191] == 0, 2);
		expect(errno == EBADF, 3);
	}
}

TEST(aligned_pages_need_no_munmap_and_keep_errno)
{
	end_well(map_without_unmap);
}

/* ---- os_fault over an arena */

struct rig {
	struct os_arena arena;
	struct os_fault fault;
};

static void rig_open(struct rig *r)
{
	assert_int_equal(os_arena_open(&r->arena, 1, MIB, 16 * MIB), 0);
	os_fault_open(&r->fault, &r->arena.os);
}

TEST(only_the_nth_call_fails)
{
	struct rig r;
	rig_open(&r);
	r.fault.fail_at = 3;
	for (int i = 1; i <= 6; i++) {
		void *const p = r.fault.os.map(&r.fault, 4096, 4096);
		assert_int_equal(p == NULL, i == 3);
	}
	assert_int_equal(r.fault.calls, 6);
	assert_int_equal(r.fault.refused, 1);
	assert_int_equal(r.fault.owned_bytes, 5 * 4096);
	os_arena_close(&r.arena);
}

TEST(from_the_nth_call_on_all_fail)
{
	struct rig r;
	rig_open(&r);
	void *const p = r.fault.os.map(&r.fault, 4096, 4096);
	r.fault.fail_from = 2;
	assert_null(r.fault.os.map(&r.fault, 4096, 4096));
	assert_null(r.fault.os.reserve(&r.fault, 4096, 4096));
	assert_null(r.fault.os.remap(&r.fault, p, 4096, 8192));
	assert_int_equal(r.fault.os.unmap(&r.fault, p, 4096), -ENOMEM);
	assert_int_equal(r.fault.os.brk_set(&r.fault, r.arena.base + 16), -ENOMEM);
	assert_int_equal(r.fault.os.protect(&r.fault, p, 4096, DMM_PROTECT_READ), -ENOMEM);
	assert_int_equal(r.fault.os.purge(&r.fault, p, 4096), -EAGAIN);
	assert_int_equal(r.fault.os.advise(&r.fault, p, 4096, DMM_ADVICE_HUGE), -EINVAL);
	assert_int_equal(r.fault.refused, 8);
	assert_ptr_equal(r.fault.os.brk_get(&r.fault), r.arena.base); /* asking never fails */
	assert_int_equal(r.arena.map_bytes, 4096);
	assert_int_equal(r.arena.calls, 1);
	os_arena_close(&r.arena);
}

TEST(a_budget_bounds_what_is_owned_not_what_is_asked)
{
	struct rig r;
	rig_open(&r);
	r.fault.budget_bytes = 3 * 4096;
	char *const p = r.fault.os.map(&r.fault, 8192, 4096);
	assert_non_null(p);
	assert_null(r.fault.os.map(&r.fault, 8192, 4096));
	assert_int_equal(r.fault.os.brk_set(&r.fault, r.arena.base + 4096), 0);
	assert_int_equal(r.fault.os.brk_set(&r.fault, r.arena.base + 4112), -ENOMEM);
	assert_int_equal(r.fault.os.brk_set(&r.fault, r.arena.base), 0);
	assert_int_equal(r.fault.owned_bytes, 8192);
	assert_non_null(r.fault.os.remap(&r.fault, p, 8192, 12288));
	assert_int_equal(r.fault.owned_bytes, 12288);
	assert_int_equal(r.fault.peak_bytes, 12288);
	os_arena_close(&r.arena);
}

TEST(reserved_space_is_owned_once_it_may_be_used)
{
	struct rig r;
	rig_open(&r);
	r.fault.budget_bytes = 16384;
	char *const p = r.fault.os.reserve(&r.fault, MIB, 4096);
	assert_non_null(p);
	assert_int_equal(r.fault.owned_bytes, 0);
	assert_int_equal(r.fault.reserved_bytes, MIB);
	assert_int_equal(r.fault.os.protect(&r.fault, p, 12288, DMM_PROTECT_RW), 0);
	assert_int_equal(r.fault.os.protect(&r.fault, p + 12288, 8192, DMM_PROTECT_RW), -ENOMEM);
	assert_int_equal(r.fault.os.protect(&r.fault, p, 4096, DMM_PROTECT_NONE), 0);
	assert_int_equal(r.fault.owned_bytes, 8192);
	os_arena_close(&r.arena);
}

/* ---- section */

TEST(growths_without_strangers_are_one_stretch)
{
	struct rig r;
	rig_open(&r);
	struct section s = {.os = &r.arena.os};
	char *const p = section_grow(&s, 160, 0);
	assert_ptr_equal(p, r.arena.base);
	assert_ptr_equal(section_grow(&s, 16, 0), p + 160);
	assert_int_equal(s.owned_bytes, 176);
	assert_ptr_equal(s.start, p);
	assert_ptr_equal(s.end, p + 176);
	assert_true(section_shrink(&s, 176));
	assert_int_equal(r.arena.heap_bytes, 0);
	os_arena_close(&r.arena);
}

TEST(a_foreign_sbrk_leaves_a_hole_that_is_never_touched)
{
	struct rig r;
	rig_open(&r);
	struct section s = {.os = &r.arena.os};
	char *const p = section_grow(&s, 64, 0);
	assert_int_equal(r.arena.os.brk_set(&r.arena, r.arena.brk + 1001), 0); /* an odd address */
	memset(p + 64, 0x77, 1001);
	char *const q = section_grow(&s, 64, 0);
	assert_true(q >= p + 64 + 1001);
	assert_true(is_aligned(q, MAX_ALIGN));
	memset(q, 1, 64);
	assert_int_equal(s.owned_bytes, 128);
	for (int i = 0; i < 1001; i++)
		assert_int_equal(p[64 + i], 0x77);
	os_arena_close(&r.arena);
}

TEST(below_a_foreign_break_nothing_can_be_given_back)
{
	struct rig r;
	rig_open(&r);
	struct section s = {.os = &r.arena.os};
	section_grow(&s, 4096, 0);
	assert_int_equal(r.arena.os.brk_set(&r.arena, r.arena.brk + 16), 0);
	assert_false(section_shrink(&s, 4096));
	assert_int_equal(s.owned_bytes, 4096);
	assert_int_equal(r.arena.os.brk_set(&r.arena, r.arena.brk - 16), 0);
	assert_true(section_shrink(&s, 4096));
	os_arena_close(&r.arena);
}

TEST(a_break_that_cannot_move_changes_nothing)
{
	struct rig r;
	rig_open(&r);
	struct section s = {.os = &r.fault.os};
	section_grow(&s, 64, 0);
	const struct section before = s;
	assert_null(section_grow(&s, 2 * MIB, 0));
	assert_null(section_grow(&s, SIZE_MAX - 15, 0));
	r.fault.fail_from = r.fault.calls + 1;
	assert_null(section_grow(&s, 64, 0));
	assert_false(section_shrink(&s, 64));
	assert_memory_equal(&before, &s, sizeof s);
	r.fault.fail_from = 0;
	assert_non_null(section_grow(&s, 64, 0));
	os_arena_close(&r.arena);
}

TEST(the_real_break_grows_around_a_real_sbrk)
{
	struct section s = {.os = &os_linux};
	char *const p = section_grow(&s, 8192, 0);
	assert_non_null(p);
	memset(p, 1, 8192);
	char *const foreign = sbrk(4096 + 8);
	assert_true(foreign != (void *)-1);
	memset(foreign, 2, 4096 + 8);
	char *const q = section_grow(&s, 4096, 0);
	assert_true(q >= foreign + 4096 + 8);
	memset(q, 3, 4096);
	assert_true(foreign[0] == 2 && foreign[4096 + 7] == 2 && p[8191] == 1);
	assert_true(section_shrink(&s, 4096));
}
