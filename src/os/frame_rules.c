/* frame_rules.c - see frame_rules.h.
 *
 *   .eh_frame_hdr   | 1 | encodings | .eh_frame | count | function, entry | ... sorted
 *   .eh_frame       | CIE: what a unit's frames begin with | FDE: one function | FDE | ...
 *   an entry        advance by n, the frame is now sp + n, fp is saved at frame - n, ...: until pc
 *                   is reached
 *
 * As the Linux Standard Base describes it.  Of the rules, those that compilers write for sp,
 * fp and the return address; a frame that needs a program of DWARF's stack machine (a
 * signal's) is not known.
 */
#include "os/frame_rules.h"

#include <elf.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/bits.h"

enum { SAVES = 4 }; /* nested remember and restore */

/* ---- the module around a pc ------------------------------------------------------------------ */

/* glibc's, since 2.35: asks no lock, and may be called in a signal handler. */
struct found_object {
	unsigned long long flags;
	void *start, *end, *link_map, *eh_frame;
	unsigned long long reserved[7];
};
struct loaded_object { /* how struct link_map begins */
	uintptr_t bias;
	const char *name; /* "": the program */
};
extern __attribute__((weak)) int _dl_find_object(void *pc, struct found_object *found);

/* Before constructors run, the loader may be in the middle of making what that function reads: it
 * allocates for it. */
static _Atomic bool loaded;

static __attribute__((constructor)) void note_loaded(void)
{
	loaded = true;
}

bool module_of_program(struct module *m)
{
	const Elf64_Phdr *const head = (const Elf64_Phdr *)getauxval(AT_PHDR);
	const size_t count = getauxval(AT_PHNUM);
	uintptr_t base = 0;

	*m = (struct module){.start = UINTPTR_MAX};
	for (size_t i = 0; i < count; i++)
		if (head[i].p_type == PT_PHDR)
			base = (uintptr_t)head - head[i].p_vaddr;
	for (size_t i = 0; i < count; i++) {
		const uintptr_t at = base + head[i].p_vaddr;
		if (head[i].p_type == PT_LOAD) {
			m->start = min_size(m->start, at);
			m->end = max_size(m->end, at + head[i].p_memsz);
		}
		if (head[i].p_type == PT_GNU_EH_FRAME)
			m->table = (const uint8_t *)at;
	}
	return m->end != 0;
}

bool module_file(uintptr_t pc, const char **path, uintptr_t *bias)
{
	struct found_object found;

	if (_dl_find_object == NULL || !loaded || _dl_find_object((void *)pc, &found) != 0 ||
	    found.link_map == NULL)
		return false;
	const struct loaded_object *const l = found.link_map;
	*path = l->name != NULL && l->name[0] != '\0' ? l->name : "/proc/self/exe";
	*bias = l->bias;
	return true;
}

bool module_of(uintptr_t pc, struct module *m)
{
	struct found_object found;

	if (_dl_find_object == NULL || !loaded)
		return module_of_program(m) && pc >= m->start && pc < m->end;
	if (_dl_find_object((void *)pc, &found) != 0)
		return false;
	*m = (struct module){(uintptr_t)found.start, (uintptr_t)found.end, found.eh_frame};
	return true;
}

/* ---- numbers as DWARF writes them ------------------------------------------------------------ */

static uint64_t unsigned_leb(const uint8_t **at)
{
	uint64_t x = 0;
	uint8_t byte;
	unsigned shift = 0;

	do {
		byte = *(*at)++;
		if (shift < 64)
			x |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) != 0);
	return x;
}

static int64_t signed_leb(const uint8_t **at)
{
	const uint8_t *const from = *at;
	uint64_t x = unsigned_leb(at);
	const unsigned bits = 7 * (unsigned)(*at - from);

	if (bits < 64 && ((*at)[-1] & 0x40) != 0)
		x |= ~0ull << bits;
	return (int64_t)x;
}

static uint64_t fixed(const uint8_t **at, size_t bytes)
{
	uint64_t x = 0;

	memcpy(&x, *at, bytes);
	*at += bytes;
	return x;
}

enum {
	ENC_ABSOLUTE = 0, ENC_U4 = 3, ENC_U8 = 4, ENC_S4 = 0x0b, ENC_S8 = 0x0c,
	ENC_PCREL = 0x10, ENC_DATAREL = 0x30,
};

/* Of an encoding's two halves the form alone; false: one that no compiler of ours writes. */
static bool encoded(const uint8_t **at, uint8_t form, uint64_t *out)
{
	switch (form & 0x0f) {
	case ENC_ABSOLUTE:
	case ENC_U8:
	case ENC_S8:
		*out = fixed(at, 8);
		return true;
	case ENC_U4:
		*out = fixed(at, 4);
		return true;
	case ENC_S4:
		*out = (uint64_t)(int64_t)(int32_t)fixed(at, 4);
		return true;
	default:
		return false;
	}
}

static bool encoded_address(const uint8_t **at, uint8_t encoding, uintptr_t *out)
{
	const uintptr_t here = (uintptr_t)*at;

	if ((encoding & 0xf0) != 0 && (encoding & 0xf0) != ENC_PCREL)
		return false;
	if (!encoded(at, encoding, out))
		return false;
	if ((encoding & 0xf0) == ENC_PCREL)
		*out += here;
	return true;
}

/* ---- from a pc to the function's entry ------------------------------------------------------- */

/* Into .eh_frame, where a function's entry (FDE) names that of its unit (CIE). */
struct frame_entry {
	const uint8_t *code, *end;           /* its own instructions */
	const uint8_t *unit_code, *unit_end; /* that come before them */
	uintptr_t start;                     /* the function */
	uint64_t code_factor;
	int64_t data_factor;
};

/* The table: version, three encodings, a pointer, a count, then pairs of 4-byte offsets
 * from the table. */
static const uint8_t *find_entry(const uint8_t *table, uintptr_t pc)
{
	const uint8_t *at = table + 4;
	uintptr_t frames;
	uint64_t count;

	if (table[0] != 1 || table[3] != (ENC_DATAREL | ENC_S4) ||
	    !encoded_address(&at, table[1], &frames) || !encoded(&at, table[2], &count) ||
	    count == 0)
		return NULL;
	const int32_t (*const pairs)[2] = (const int32_t (*)[2])(uintptr_t)at;
	size_t low = 0, high = count;
	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;
		if ((uintptr_t)table + (uintptr_t)(intptr_t)pairs[middle][0] <= pc)
			low = middle;
		else
			high = middle;
	}
	return table + pairs[low][1];
}

/* length (4 bytes, 8 more if all ones), then `at` and `end` bound what it counts. */
static bool open_record(const uint8_t *record, const uint8_t **at, const uint8_t **end)
{
	uint64_t length;

	*at = record;
	length = fixed(at, 4);
	if (length == 0xffffffff)
		length = fixed(at, 8);
	*end = *at + length;
	return length != 0;
}

/* Encoding of addresses in its functions' entries, or false. */
static bool read_unit(const uint8_t *record, struct frame_entry *e, uint8_t *encoding,
    bool *augmented)
{
	const uint8_t *at;

	if (!open_record(record, &at, &e->unit_end) || fixed(&at, 4) != 0)
		return false;
	const uint8_t version = *at++;
	const char *const words = (const char *)at;
	at += strlen(words) + 1;
	e->code_factor = unsigned_leb(&at);
	e->data_factor = signed_leb(&at);
	const uint64_t ra = version == 1 ? *at++ : unsigned_leb(&at);
	*encoding = ENC_ABSOLUTE;
	*augmented = words[0] == 'z';
	e->unit_code = at;
	if (ra != REG_RA || (words[0] != '\0' && words[0] != 'z'))
		return false;
	if (words[0] == '\0')
		return true;
	const uint64_t len = unsigned_leb(&at);
	e->unit_code = at + len;
	for (const char *w = words + 1; *w != '\0'; w++) {
		uintptr_t skipped;
		if (*w == 'R') {
			*encoding = *at++;
		} else if (*w == 'L') {
			at++;
		} else if (*w == 'P') {
			const uint8_t form = *at++;
			if (!encoded(&at, form, &skipped))
				return false;
		} else if (*w != 'B') { /* 'S': a signal's frame, whose rules are programs */
			return false;
		}
	}
	return true;
}

static bool read_entry(const uint8_t *record, uintptr_t pc, struct frame_entry *e)
{
	const uint8_t *at;
	uint8_t encoding;
	uint64_t len;
	bool augmented;

	if (!open_record(record, &at, &e->end))
		return false;
	const uint8_t *const unit = at - (int32_t)fixed(&(const uint8_t *){at}, 4);
	at += 4;
	if (!read_unit(unit, e, &encoding, &augmented) ||
	    !encoded_address(&at, encoding, &e->start) || !encoded(&at, encoding, &len))
		return false;
	if (augmented) {
		const uint64_t skip = unsigned_leb(&at);
		at += skip;
	}
	e->code = at;
	return pc >= e->start && pc - e->start < len;
}

/* ---- the rules at a pc ----------------------------------------------------------------------- */

static void set_rule(struct frame_rules *r, uint64_t reg, enum frame_rule rule, int64_t offset)
{
	if (reg == REG_FP)
		r->fp = (struct rule_of){rule, offset};
	else if (reg == REG_RA)
		r->ra = (struct rule_of){rule, offset};
}

static void restore_rule(struct frame_rules *r, uint64_t reg, const struct frame_rules *first)
{
	if (reg == REG_FP)
		r->fp = first->fp;
	else if (reg == REG_RA)
		r->ra = first->ra;
}

struct machine {
	struct frame_rules now, first, saved[SAVES];
	unsigned depth;
	uintptr_t at; /* pc that the rules hold from */
};

enum {
	SET_LOC = 0x01, ADVANCE1 = 0x02, ADVANCE2 = 0x03, ADVANCE4 = 0x04,
	OFFSET_EXTENDED = 0x05, RESTORE_EXTENDED = 0x06, UNDEFINED_REG = 0x07, SAME_VALUE = 0x08,
	IN_REGISTER = 0x09, REMEMBER = 0x0a, RESTORE_STATE = 0x0b, DEF_CFA = 0x0c,
	DEF_CFA_REGISTER = 0x0d, DEF_CFA_OFFSET = 0x0e, DEF_CFA_EXPRESSION = 0x0f,
	EXPRESSION = 0x10, OFFSET_SF = 0x11, DEF_CFA_SF = 0x12, DEF_CFA_OFFSET_SF = 0x13,
	VAL_OFFSET = 0x14, VAL_OFFSET_SF = 0x15, VAL_EXPRESSION = 0x16,
	SIGNED_RETURNS = 0x2d, ARGS_SIZE = 0x2e,
};

static void define_frame(struct frame_rules *r, uint64_t base, int64_t offset)
{
	r->base = base;
	r->offset = offset;
	r->known = true;
}

/* Those about registers and the frame's address; false: unknown. */
static bool run_rule(struct machine *m, const struct frame_entry *e, uint8_t op, const uint8_t **at)
{
	struct frame_rules *const r = &m->now;
	const uint64_t reg =
	    op != RESTORE_STATE && op != REMEMBER && op != SIGNED_RETURNS ? unsigned_leb(at) : 0;

	switch (op) {
	case OFFSET_EXTENDED:
		set_rule(r, reg, RULE_AT_OFFSET, (int64_t)unsigned_leb(at) * e->data_factor);
		return true;
	case OFFSET_SF:
		set_rule(r, reg, RULE_AT_OFFSET, signed_leb(at) * e->data_factor);
		return true;
	case RESTORE_EXTENDED:
		restore_rule(r, reg, &m->first);
		return true;
	case UNDEFINED_REG:
	case SAME_VALUE:
		set_rule(r, reg, op == SAME_VALUE ? RULE_SAME : RULE_UNDEFINED, 0);
		return true;
	case IN_REGISTER:
	case VAL_OFFSET:
	case VAL_OFFSET_SF:
		unsigned_leb(at);
		set_rule(r, reg, RULE_UNKNOWN, 0);
		return true;
	case EXPRESSION:
	case VAL_EXPRESSION:
		*at += unsigned_leb(at);
		set_rule(r, reg, RULE_UNKNOWN, 0);
		return true;
	case DEF_CFA:
		define_frame(r, reg, (int64_t)unsigned_leb(at));
		return true;
	case DEF_CFA_SF:
		define_frame(r, reg, signed_leb(at) * e->data_factor);
		return true;
	case DEF_CFA_REGISTER:
		r->base = reg;
		return true;
	case DEF_CFA_OFFSET:
		r->offset = (int64_t)reg;
		return true;
	case DEF_CFA_EXPRESSION:
		*at += reg;
		r->known = false;
		return true;
	case SIGNED_RETURNS:
	case ARGS_SIZE:
		return true;
	case REMEMBER:
		if (m->depth < SAVES)
			m->saved[m->depth] = *r;
		return m->depth++ < SAVES;
	case RESTORE_STATE:
		if (m->depth == 0)
			return false;
		*r = m->saved[--m->depth];
		return true;
	default:
		return false;
	}
}

/* Until the rules hold that are in force at pc; false: something unknown. */
static bool run(struct machine *m, const struct frame_entry *e, const uint8_t *at,
    const uint8_t *end, uintptr_t pc)
{
	while (at < end) {
		const uint8_t op = *at++, low = op & 0x3f;
		uintptr_t to = m->at;
		switch (op >> 6) {
		case 1:
			to += low * e->code_factor;
			break;
		case 2:
			set_rule(&m->now, low, RULE_AT_OFFSET,
			    (int64_t)unsigned_leb(&at) * e->data_factor);
			break;
		case 3:
			restore_rule(&m->now, low, &m->first);
			break;
		default:
			if (op == ADVANCE1 || op == ADVANCE2 || op == ADVANCE4)
				to += fixed(&at, (size_t)1 << (op - ADVANCE1)) * e->code_factor;
			else if (op == DEF_CFA_OFFSET_SF)
				m->now.offset = signed_leb(&at) * e->data_factor;
			else if (op != 0 && !run_rule(m, e, op, &at))
				return false;
		}
		if (to > pc)
			return true;
		m->at = to;
	}
	return true;
}

static bool read_rules(uintptr_t pc, struct frame_rules *out)
{
	struct module module;
	struct frame_entry e;
	struct machine m = {.now = {.fp = {RULE_SAME, 0}, .ra = {RULE_SAME, 0}}};

	if (!module_of(pc, &module) || module.table == NULL)
		return false;
	const uint8_t *const record = find_entry(module.table, pc);
	if (record == NULL || !read_entry(record, pc, &e))
		return false;
	m.at = e.start;
	if (!run(&m, &e, e.unit_code, e.unit_end, UINTPTR_MAX))
		return false;
	m.first = m.now;
	if (!run(&m, &e, e.code, e.end, pc))
		return false;
	*out = m.now;
	return m.now.known && (out->base == REG_SP || out->base == REG_FP);
}

/* ---- what was read before -------------------------------------------------------------------- */

static bool fits_24_bits(int64_t x)
{
	return x >= -(1 << 23) && x < 1 << 23;
}

/* Rules in a word: from the lowest bit, base is fp (1), fp's and ra's rules (2 each), ra's offset
 * (8), fp's (24), the frame's (24).  0: they do not fit. */
static uint64_t pack(const struct frame_rules *r)
{
	if (r->ra.offset != (int8_t)r->ra.offset || !fits_24_bits(r->fp.offset) ||
	    !fits_24_bits(r->offset))
		return 0;
	return (r->base == REG_FP) | (uint64_t)r->fp.rule << 1 | (uint64_t)r->ra.rule << 3 |
	    (uint64_t)(uint8_t)r->ra.offset << 5 | (uint64_t)(r->fp.offset & 0xffffff) << 13 |
	    (uint64_t)(r->offset & 0xffffff) << 37 | 1ull << 63;
}

static void unpack(uint64_t word, struct frame_rules *r)
{
	r->base = (word & 1) != 0 ? REG_FP : REG_SP;
	r->fp = (struct rule_of){(enum frame_rule)(word >> 1 & 3), (int64_t)(word << 27) >> 40};
	r->ra = (struct rule_of){(enum frame_rule)(word >> 3 & 3), (int8_t)(word >> 5)};
	r->offset = (int64_t)(word << 3) >> 40;
	r->known = true;
}

/* Pairs of words that threads may tear: the first is pc xor the second (R. Hyatt, 1999). */
enum { SEEN = 2048 };
static _Atomic uint64_t seen[SEEN][2];

bool frame_rules_at(uintptr_t pc, struct frame_rules *out)
{
	_Atomic uint64_t *const pair = seen[(pc ^ pc >> 11) % SEEN];
	const uint64_t key = atomic_load_explicit(&pair[0], memory_order_relaxed);
	const uint64_t word = atomic_load_explicit(&pair[1], memory_order_relaxed);

	if (word != 0 && (key ^ word) == pc) {
		unpack(word, out);
		return true;
	}
	if (!read_rules(pc, out))
		return false;
	const uint64_t packed = pack(out);
	atomic_store_explicit(&pair[0], pc ^ packed, memory_order_relaxed);
	atomic_store_explicit(&pair[1], packed, memory_order_relaxed);
	return true;
}
