/* trace_test.c - the format: a reader gets what the writer wrote, and finds, names and survives
 * damage. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "trace_make.h"
#include "trace/stream.h"

static char path[] = "/tmp/dmm-trace-test-XXXXXX";

static const char *scratch(void)
{
	if (strstr(path, "XXXXXX") != NULL)
		close(mkstemp(path));
	return path;
}

static void write_events(uint64_t seed, uint32_t threads, size_t n, enum trace_stacks stacks)
{
	struct trace_error e;
	struct make m = {.rng = {seed}, .threads = threads};
	const struct trace_file_head head = {.stacks = stacks, .tick_is_ns = 1};
	struct trace_writer *const w = trace_writer_open(scratch(), &head, &e);

	assert_non_null(w);
	trace_writer_text(w, TRACE_META, "command=made up\npid=1\n", 22);
	for (size_t i = 0; i < n; i++) {
		const struct trace_event ev = make_event(&m);
		const uint64_t frames[3] = {0x400000 + 64 * (ev.size % 50), 0x410000 + 64 * (i % 7),
		    0x420000};
		trace_writer_event(w, &ev, frames, stacks == TRACE_CALLER ? 1 : 3);
	}
	assert_true(trace_writer_close(w, &e));
}

static void expect_events(uint64_t seed, uint32_t threads, size_t n)
{
	struct trace_error e;
	struct trace_file f;
	struct trace_event ev;
	struct make m = {.rng = {seed}, .threads = threads};

	assert_true(trace_file_open(&f, scratch(), &e));
	assert_int_equal(f.events, n);
	assert_true(f.ended);
	assert_int_equal(f.sound_len, f.len);
	struct trace_reader *const r = trace_reader_open(&f);
	for (size_t i = 0; i < n; i++) {
		const struct trace_event want = make_event(&m);
		do
			assert_int_equal(trace_reader_next(r, &ev, &e), 1);
		while (ev.begin);
		assert_int_equal(ev.tick, want.tick);
		assert_int_equal(ev.thread, want.thread);
		assert_int_equal(ev.op, want.op);
		assert_int_equal(ev.addr, want.addr);
		assert_int_equal(ev.size, want.size);
		assert_int_equal(ev.old, want.old);
		assert_int_equal(ev.align_log2, want.align_log2);
		if (f.head.stacks != TRACE_NONE)
			assert_int_equal(trace_reader_node(r, ev.stack)->addr,
			    0x400000 + 64 * (ev.size % 50));
	}
	assert_int_equal(trace_reader_next(r, &ev, &e), 0);
	trace_reader_close(r);
	trace_file_close(&f);
}

TEST(what_is_written_is_read_back_event_by_event)
{
	static const enum trace_stacks kinds[] = {TRACE_NONE, TRACE_CALLER, TRACE_FP};
	static const uint32_t threads[] = {1, 2, 64};

	for (size_t k = 0; k < 3; k++)
		for (size_t t = 0; t < 3; t++) {
			write_events(k * 10 + t, threads[t], 50000, kinds[k]);
			expect_events(k * 10 + t, threads[t], 50000);
		}
}

TEST(an_empty_recording_is_sound)
{
	write_events(1, 1, 0, TRACE_NONE);
	expect_events(1, 1, 0);
}

TEST(an_event_takes_few_bytes)
{
	struct stat st;

	write_events(3, 1, 200000, TRACE_NONE);
	assert_int_equal(stat(scratch(), &st), 0);
	assert_true(st.st_size < 200000 * 8); /* random sizes and frees: the worst there is */
}

static void ignore(void *arg, const char *text, size_t len)
{
	(void)arg, (void)text, (void)len;
}

/* Read it all; true if nothing was found to be wrong. */
static bool reads_clean(struct trace_error *e)
{
	struct trace_file f;
	struct step step;
	struct trace_stream s;
	int r;

	memset(e, 0, sizeof *e);
	if (!trace_file_open(&f, scratch(), e))
		return false;
	assert_true(trace_stream_open(&s, &f));
	while ((r = trace_stream_next(&s, &step, e)) > 0)
		;
	if (r == 0 && f.damage.text[0] != '\0')
		*e = f.damage;
	bool clean = r == 0 && f.damage.text[0] == '\0';
	for (int kind = TRACE_META; clean && kind <= TRACE_SYMBOLS; kind++)
		clean = trace_file_texts(&f, kind, ignore, NULL, e);
	trace_stream_close(&s);
	trace_file_close(&f);
	return clean;
}

static size_t slurp(unsigned char **bytes)
{
	struct stat st;
	const int fd = open(scratch(), O_RDONLY);

	fstat(fd, &st);
	*bytes = malloc((size_t)st.st_size);
	assert_int_equal(read(fd, *bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	return (size_t)st.st_size;
}

static void spill(const unsigned char *bytes, size_t n)
{
	const int fd = open(scratch(), O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

TEST(a_recording_cut_anywhere_says_where_and_gives_what_is_before)
{
	struct trace_error e;
	unsigned char *bytes;

	write_events(4, 3, 5000, TRACE_CALLER);
	const size_t n = slurp(&bytes);
	for (size_t cut = 0; cut < n; cut += 1 + cut % 97) {
		spill(bytes, cut);
		const bool clean = reads_clean(&e);
		if (!clean)
			assert_non_null(strstr(e.text, "offset "));
		struct trace_file f;
		if (cut >= 64) { /* between two blocks it is merely a recording without END */
			assert_true(trace_file_open(&f, scratch(), &e));
			assert_false(f.ended);
			trace_file_close(&f);
		} else
			assert_false(clean);
	}
	free(bytes);
}

TEST(no_flipped_bit_goes_unseen)
{
	struct trace_error e;
	unsigned char *bytes;
	struct rng rng = {5};

	write_events(5, 2, 3000, TRACE_CALLER);
	const size_t n = slurp(&bytes);
	for (int i = 0; i < 1000; i++) {
		const size_t at = rng_below(&rng, n);
		const unsigned char flip = (unsigned char)(1u << rng_below(&rng, 8));
		bytes[at] ^= flip;
		spill(bytes, n);
		if (reads_clean(&e))
			fail_msg("byte %zu ^ %u was not noticed", at, flip);
		assert_non_null(strstr(e.text, "offset "));
		bytes[at] ^= flip;
	}
	free(bytes);
}

TEST(another_version_is_refused_by_name)
{
	struct trace_error e;
	unsigned char *bytes;

	write_events(6, 1, 10, TRACE_NONE);
	const size_t n = slurp(&bytes);
	bytes[8] = 3;
	spill(bytes, n);
	assert_false(reads_clean(&e));
	assert_string_equal(e.text,
	    "offset 8: version 3 of the format; this dmm reads versions 1 to 2");
	memcpy(bytes, "#!/bin/sh", 9);
	spill(bytes, n);
	assert_false(reads_clean(&e));
	assert_string_equal(e.text,
	    "offset 0: not a recording: it does not begin with \"dmmtrace\"; "
	    "'dmm import' reads other tools' formats");
	free(bytes);
}

/* Threads 1 and 2, ticks of a clock that is read a little early: 2 frees what 1 gave it. */
static void write_race(uint64_t tick_of_free)
{
	struct trace_error e;
	const struct trace_file_head head = {.stacks = TRACE_NONE};
	struct trace_writer *const w = trace_writer_open(scratch(), &head, &e);
	const struct trace_event events[] = {
	    {.tick = 1000000, .thread = 1, .op = TRACE_OP_MALLOC, .addr = 0x1000, .size = 10},
	    {.tick = tick_of_free, .thread = 2, .op = TRACE_OP_FREE, .addr = 0x1000},
	    {.tick = 1000300, .thread = 1, .op = TRACE_OP_MALLOC, .addr = 0x1000, .size = 20},
	    {.tick = 1000400, .thread = 1, .op = TRACE_OP_REALLOC, .addr = 0x2000, .old = 0x1000,
	        .size = 30},
	};
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		trace_writer_event(w, &events[i], NULL, 0);
	assert_true(trace_writer_close(w, &e));
}

TEST(a_free_stamped_before_its_malloc_waits_for_it)
{
	static const uint64_t ticks[] = {999900, 1000000, 1000001, 1000300, 1000390};
	static const enum step_kind want[] = {STEP_ALLOC, STEP_FREE, STEP_ALLOC, STEP_NONE,
	    STEP_RESIZE};
	struct trace_error e;
	struct trace_file f;
	struct trace_stream s;
	struct step step;

	for (size_t k = 0; k < 5; k++) {
		write_race(ticks[k]);
		assert_true(trace_file_open(&f, scratch(), &e));
		f.head.tick_is_ns = 0;
		assert_true(trace_stream_open(&s, &f));
		for (size_t i = 0; i < 5; i++) {
			assert_int_equal(trace_stream_next(&s, &step, &e), 1);
			/* in a realloc of another thread nothing may be out of order */
			if (ticks[k] != 1000390)
				assert_int_equal(step.kind, want[i]);
		}
		assert_int_equal(trace_stream_next(&s, &step, &e), 0);
		assert_int_equal(s.foreign, 0);
		assert_int_equal(s.overlaid, 0);
		assert_int_equal(s.payload, 30);
		trace_stream_close(&s);
		trace_file_close(&f);
	}
}
