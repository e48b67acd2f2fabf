/* python_layout.h - where CPython keeps what a stack of Python frames is read from.
 *
 *   thread state --> (3.11, 3.12: cframe -->) frame --> previous frame --> ...
 *                                               |
 *                                               +--> code object: file, name, table of lines
 *                                               '--> the instruction that runs, in the code object
 *
 * Offsets in bytes, of builds for 64 bits with the interpreter's lock.  They do not change within
 * 3.x once 3.x.0 is out.  Taken from the headers that each version installs: cpython/pystate.h,
 * cpython/code.h, cpython/unicodeobject.h, internal/pycore_frame.h.
 */
#ifndef OBSERVE_PYTHON_LAYOUT_H
#define OBSERVE_PYTHON_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

struct python_layout {
	unsigned version;       /* 0x30b: 3.11 */
	uint16_t cframe;        /* in the thread state; 0: the thread state has current_frame */
	uint16_t current_frame; /* in the cframe, or in the thread state */
	uint16_t thread_id;     /* in the thread state: what pthread_self() returns */
	bool is_shared;         /* one variable holds the state of whoever has the lock */
	/* in a frame */
	uint16_t code, previous, instruction;
	uint16_t entry;         /* a byte: is it the first one of a call of the evaluator? */
	uint8_t entry_is;       /* its value then */
	bool entry_is_empty;    /* such a frame belongs to no function */
	/* in a code object */
	uint16_t first_line, instructions;
	uint16_t ascii_len, text_len; /* of the head of a string: all ASCII, or not */
};

static const struct python_layout python_layouts[] = {
    {.version = 0x30b, .cframe = 56, .current_frame = 8, .thread_id = 152, .is_shared = true,
        .code = 32, .previous = 48, .instruction = 56, .entry = 68, .entry_is = 1,
        .first_line = 72, .instructions = 184, .ascii_len = 48, .text_len = 72},
    {.version = 0x30c, .cframe = 56, .current_frame = 0, .thread_id = 136,
        .code = 0, .previous = 8, .instruction = 56, .entry = 70, .entry_is = 3,
        .entry_is_empty = true, .first_line = 68, .instructions = 192, .ascii_len = 40,
        .text_len = 56},
    {.version = 0x30d, .current_frame = 72, .thread_id = 152,
        .code = 0, .previous = 8, .instruction = 56, .entry = 70, .entry_is = 3,
        .entry_is_empty = true, .first_line = 68, .instructions = 200, .ascii_len = 40,
        .text_len = 56},
};

/* The same in all of them. */
enum {
	PYTHON_TYPE = 8,          /* in an object */
	PYTHON_LEN = 16,          /* in a tuple, a bytes object, a string: items */
	PYTHON_STRING_STATE = 32, /* in a string: 32 bits */
	PYTHON_BYTES_AT = 32,
	PYTHON_BASIC_SIZE = 32, PYTHON_ITEM_SIZE = 40, /* in a type */
	PYTHON_FLAGS = 48, PYTHON_OPTIMIZED = 1, /* in a code object; a function's, not a body's */
	PYTHON_FILE = 112, PYTHON_NAME = 128, PYTHON_LINES = 136, /* in a code object */
	PYTHON_CODE_AT = 68, /* the first of the fields of a code object that are compared */
	PYTHON_CODE_LEN = PYTHON_LINES + 8 - PYTHON_CODE_AT,
	PYTHON_FRAME_LEN = 72,
};

#endif
