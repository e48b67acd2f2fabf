/* record_python.h - the functions of CPython that run, read from the interpreter's structures.
 *
 * Of the interpreter the recorder calls three functions that load a pointer each.  It reads the
 * interpreter's memory only in a thread that holds the interpreter's lock, and reads a page
 * only after the kernel has said that it is mapped.
 */
#ifndef OBSERVE_RECORD_PYTHON_H
#define OBSERVE_RECORD_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "observe/python_layout.h"

struct tape;

enum { PYTHON_PAGE = 4096, PYTHON_PAGES = 1024, PYTHON_MEMOS = 256, PYTHON_DEPTH = 48,
    PYTHON_WALK = 60, PYTHON_WALKS = 16 };

/* A code object and the instruction in it that runs. */
struct python_place {
	uintptr_t code, instruction;
};

/* A frame that the recorder has read, and the site that it found for it. */
struct python_site;
struct python_seen {
	uintptr_t frame;
	struct python_place at;
	/* NULL: the frame belongs to no function, or to one that is kept, or new */
	const struct python_site *site;
	uint32_t changes; /* of the site */
	uint32_t number;  /* and flags: python_name() */
};

/* The frames of a stack up to the program's own, and what the recorder made of them. */
struct python_walk {
	uint32_t count;   /* of frames; 0: none */
	uint32_t rewinds; /* as tape.rewinds was */
	uint64_t stack;   /* as trace_raw.stack has it */
	struct python_seen frame[PYTHON_WALK];
};

/* Of one thread. */
struct python_thread {
	uintptr_t self;  /* pthread_self(); 0: not yet asked */
	uintptr_t state; /* the interpreter's thread state that was found to be this thread's */
	uintptr_t page[PYTHON_PAGES]; /* by hash: numbers of pages that are mapped; 0: none */
	struct python_seen memo[PYTHON_MEMOS]; /* frames of the library, by hash of the frame */
	struct python_walk walk[PYTHON_WALKS]; /* by hash of the innermost instruction */
};

/* The interpreter, constant once python_find() returned true. */
struct python_known {
	const struct python_layout *layout;
	void *(*current)(void); /* the thread state that is the interpreter's now */
};
extern struct python_known python_known;

/* Ask the kernel about a page; remember that it is mapped. */
bool python_page_is_mapped(struct python_thread *p, uintptr_t page);
/* Copy n bytes by the kernel.  False: they are not mapped. */
bool python_peek(uintptr_t at, void *to, size_t n);
void python_memory_after_fork(void);

static inline bool is_page_mapped(struct python_thread *p, uintptr_t page)
{
	return likely(p->page[page % PYTHON_PAGES] == page) || python_page_is_mapped(p, page);
}

/* n bytes, at most a page. */
static inline bool is_mapped(struct python_thread *p, uintptr_t at, size_t n)
{
	return is_page_mapped(p, at / PYTHON_PAGE) &&
	       (likely(at % PYTHON_PAGE <= PYTHON_PAGE - n) ||
	           is_page_mapped(p, at / PYTHON_PAGE + 1));
}

/* Is this process a Python whose frames the recorder can read?  Asked once. */
bool python_find(void);
/* For META: which Python, and why its frames are not read.  Returns bytes; 0: no Python. */
size_t python_meta(char *text, size_t cap);
/* The functions that run in the calling thread, as trace_raw.stack has a stack: their addresses are
 * made up (script_names.h).  From the innermost up to the first that is not of the standard
 * library; as in Python's tracebacks, frames of importlib are left out, but for the innermost.  0:
 * none is known. */
uint64_t python_stack(struct tape *t);
/* Write the names that wait to the recording.  To be called with signals blocked. */
void python_flush(void);
void python_after_fork(void);

/* ---- names: python_names.c ------------------------------------------------------------------- */

/* The names of a code object: addresses of two strings and a bytes object. */
struct python_code {
	uintptr_t file, name, lines;
};

/* The result of python_name(): the number of a function and line, and these flags. */
enum {
	PYTHON_NAMELESS = 1 << 30, /* no function's frame */
	PYTHON_LIBRARY = 1 << 29,  /* of the standard library */
	PYTHON_IMPORT = 1 << 28,   /* of what makes `import` work */
	PYTHON_MADE = 1 << 27,     /* of no file */
	PYTHON_KEPT = 1 << 26,     /* of a function that lasts as long as its library's module */
	PYTHON_NUMBER = PYTHON_KEPT - 1,
};

/* Read the name of a place, and have it written to the recording if it is a new one.
 * l->instructions bytes of the code object are at `head`.  The caller holds the lock of names. */
uint32_t python_name(struct python_thread *p, const struct python_layout *l,
    const struct python_place *at, const unsigned char *head);
/* Copy n bytes, at most a page.  False: a page of them is not mapped. */
bool python_copy(struct python_thread *p, uintptr_t from, void *to, size_t n);
/* python_flush(), for who holds the lock. */
void python_names_flush(void);
/* The child's recording has no names yet. */
void python_names_after_fork(void);

#endif
