/* trace_encode.c - columns of varints, then zstd.
 *
 *   raw events --> one column a field --> concatenated behind their lengths --> zstd --> block
 *
 * Numbers of one kind lie side by side, so that zstd finds its matches and Huffman coding its
 * statistics; this, and the address predictor, make 32 bytes into 2 or 3.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include "observe/trace_encode.h"

#include <stdbool.h>
#include <string.h>
#include <zstd.h>

#include "base/bits.h"
#include "observe/trace_code.h"
#include "os/varint.h"

enum {
	NODE_SLOTS = 2 * TRACE_NODES_MAX,
	NODE_SLOTS_FIRST = 4096, /* until a block needs more: they stay in the cache */
	FRAMED = 16 << 10, /* stacks of frames[], by index, whose node is remembered */
	COLUMN_CAP = TRACE_RAW_MAX / 8, /* so that all seven and their lengths fit the payload */
	COLUMN_SLACK = 8,               /* put() stores eight bytes at a time */
	VARINT_MAX = 10,
	LATELY = 512,
	LEVEL_QUICK = 1, /* of zstd: at most this one, speed is what counts */
	LEVEL_ENTROPY = -30,
};

/* A node of the present block: what an older block left counts as none. */
struct node_of {
	uint16_t block, node; /* low bits of the block's serial number */
};

struct event_column {
	unsigned char *bytes, *at;
	uint32_t cap;
};

struct trace_columns {
	bool fast;      /* varints */
	uint32_t block; /* serial number */
	uint32_t events;
	struct {
		uint64_t stack;
		struct node_of is;
	} lately[LATELY]; /* stacks of one address, and their nodes */
	struct node_of framed[FRAMED];
	uint32_t nodes, node_mask;
	uint64_t last_node_addr, first_tick, last_tick;
	struct predict predict;
	struct event_column col[TRACE_COLUMNS];
	uint64_t addresses[TRACE_NODES_MAX]; /* of the nodes, from 1 up; and the parents */
	uint16_t parents[TRACE_NODES_MAX];
	struct node_of slot[NODE_SLOTS]; /* by hash of both */
};
static_assert(TRACE_NODES_MAX <= UINT16_MAX, "a node's index has 16 bits");

struct trace_coder {
	ZSTD_CCtx *zstd;
	int level; /* of zstd */
	struct trace_columns own;
	unsigned char own_bytes[TRACE_COLUMNS * (COLUMN_CAP + COLUMN_SLACK)];
	unsigned char raw[TRACE_RAW_MAX];
	struct trace_block_head head; /* and its payload directly behind */
	unsigned char packed[TRACE_PACKED_MAX];
	unsigned char workspace[] __attribute__((aligned(16))); /* of zstd */
};

static size_t workspace_size(void)
{
	/* For any level that we use, at the size of our payloads. */
	return ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(3, TRACE_RAW_MAX, 0));
}

size_t trace_coder_size(void)
{
	return round_up(sizeof(struct trace_coder) + workspace_size(), 4096);
}

static const uint32_t own_layout[TRACE_COLUMNS] = {COLUMN_CAP, COLUMN_CAP, COLUMN_CAP, COLUMN_CAP,
    COLUMN_CAP, COLUMN_CAP, COLUMN_CAP};

size_t trace_columns_bytes(const uint32_t cap[TRACE_COLUMNS])
{
	size_t len = 0;

	for (int i = 0; i < TRACE_COLUMNS; i++)
		len += cap[i] + COLUMN_SLACK;
	return len;
}

struct trace_coder *trace_coder_init(void *mem, size_t len, int level)
{
	struct trace_coder *const c = mem;

	if (len < trace_coder_size())
		return NULL;
	c->zstd = ZSTD_initStaticCCtx(c->workspace, round_down(len - sizeof *c, 8));
	if (c->zstd == NULL)
		return NULL;
	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_literalCompressionMode, ZSTD_ps_enable);
	c->level = level;
	trace_columns_init(&c->own, c->own_bytes, own_layout);
	return c;
}

size_t trace_columns_size(void)
{
	return round_up(sizeof(struct trace_columns), 4096);
}

void trace_columns_init(struct trace_columns *c, unsigned char *bytes,
    const uint32_t cap[TRACE_COLUMNS])
{
	c->fast = varint_fast_here();
	c->node_mask = NODE_SLOTS_FIRST - 1;
	for (int i = 0; i < TRACE_COLUMNS; i++) {
		c->col[i] = (struct event_column){bytes, bytes, cap[i]};
		bytes += cap[i] + COLUMN_SLACK;
	}
}

void trace_columns_save(const struct trace_columns *c, struct trace_columns_state *to)
{
	to->events = c->events;
	to->first_tick = c->first_tick;
	to->last_tick = c->last_tick;
	for (int i = 0; i < TRACE_COLUMNS; i++)
		to->len[i] = c->events != 0 ? (uint32_t)(c->col[i].at - c->col[i].bytes) : 0;
}

bool trace_columns_restore(struct trace_columns *c, const struct trace_columns_state *from)
{
	if (from->events > TRACE_EVENTS_MAX ||
	    (from->events != 0 && from->first_tick > from->last_tick))
		return false;
	for (int i = 0; i < TRACE_COLUMNS; i++)
		if (from->len[i] > c->col[i].cap)
			return false;
	for (int i = 0; i < TRACE_COLUMNS; i++)
		c->col[i].at = c->col[i].bytes + from->len[i];
	c->events = from->events;
	c->first_tick = from->first_tick;
	c->last_tick = from->last_tick;
	return true;
}

/* The most that n raw events can add to a column; stack nodes: of callers, one an event. */
static size_t most_added(enum trace_column column, size_t n)
{
	switch (column) {
	case TRACE_COL_OPS:
		return n;
	case TRACE_COL_STACKS:
		return 3 * n; /* an index of at most TRACE_NODES_MAX */
	case TRACE_COL_NODES:
		return n * (3 + VARINT_MAX) + 4 * VARINT_MAX;
	default:
		return n * VARINT_MAX;
	}
}

bool trace_columns_have_room(const struct trace_columns *c, size_t n)
{
	if (c->events == 0)
		return true;
	for (int i = 0; i < TRACE_COLUMNS; i++) {
		const size_t used = (size_t)(c->col[i].at - c->col[i].bytes);
		if (used + most_added((enum trace_column)i, n) > c->col[i].cap)
			return false;
	}
	return c->events + n <= TRACE_EVENTS_MAX;
}

uint32_t trace_columns_events(const struct trace_columns *c)
{
	return c->events;
}

size_t trace_columns_len(const struct trace_columns *c)
{
	size_t len = 0;

	for (int i = 0; i < TRACE_COLUMNS; i++)
		len += (size_t)(c->col[i].at - c->col[i].bytes);
	return len;
}

void trace_columns_clear(struct trace_columns *c)
{
	c->events = 0;
}

void trace_columns_continue(struct trace_columns *c, uint64_t last_tick)
{
	c->events = 0;
	c->last_tick = last_tick;
}

/* Eight bytes are stored, and as many count as are needed.  fast: as varint_fast_here() says. */
static inline unsigned char *put(unsigned char *at, uint64_t x, bool fast)
{
	unsigned len;

	if (unlikely(x >> 56 != 0)) {
		for (; x >= 0x80; x >>= 7)
			*at++ = (unsigned char)x | 0x80;
		*at++ = (unsigned char)x;
		return at;
	}
	x = fast ? varint_fast(x, &len) : varint_plain(x, &len);
	memcpy(at, &x, sizeof x);
	return at + len;
}

/* For columns where nearly all numbers are below 128. */
static inline unsigned char *put_small(unsigned char *at, uint64_t x, bool fast)
{
	if (unlikely(x >= 0x80))
		return put(at, x, fast);
	*at = (unsigned char)x;
	return at + 1;
}

/* Columns are flushed long before they are full: is there room for one more event of any kind? */
static bool has_room(const struct event_column *col)
{
	return col->at + 4 * VARINT_MAX <= col->bytes + col->cap;
}

/* The slot of (parent, addr), or the empty one for it.  One address may have many parents. */
static struct node_of *node_slot(struct trace_columns *c, uint32_t parent, uint64_t addr)
{
	uint64_t h = (addr ^ parent * UINT64_C(0xff51afd7ed558ccd)) * 0x9e3779b97f4a7c15u >> 40;
	struct node_of *at = &c->slot[h & c->node_mask];

	while (at->block == (uint16_t)c->block &&
	    (c->addresses[at->node - 1] != addr || c->parents[at->node - 1] != parent))
		at = &c->slot[++h & c->node_mask];
	return at;
}

static void more_node_slots(struct trace_columns *c)
{
	c->node_mask = 2 * c->node_mask + 1;
	memset(c->slot, 0, (c->node_mask + 1) * sizeof *c->slot);
	for (uint32_t i = 0; i < c->nodes; i++)
		*node_slot(c, c->parents[i], c->addresses[i]) =
		    (struct node_of){(uint16_t)c->block, (uint16_t)(i + 1)};
}

/* The index of the node (parent, addr) in this block, 1 up; 0 when the table is full. */
static uint32_t node_index(struct trace_columns *c, uint32_t parent, uint64_t addr)
{
	struct node_of *at = node_slot(c, parent, addr);

	if (at->block == (uint16_t)c->block)
		return at->node;
	if (c->nodes >= TRACE_NODES_MAX || !has_room(&c->col[TRACE_COL_NODES]))
		return 0;
	c->addresses[c->nodes] = addr;
	c->parents[c->nodes++] = (uint16_t)parent;
	*at = (struct node_of){(uint16_t)c->block, (uint16_t)c->nodes};
	if (c->nodes > c->node_mask / 2 && c->node_mask < NODE_SLOTS - 1)
		more_node_slots(c);
	struct event_column *const col = &c->col[TRACE_COL_NODES];
	col->at = put(col->at, parent, false);
	col->at = put(col->at, zigzag((int64_t)(addr - c->last_node_addr)), false);
	c->last_node_addr = addr;
	return c->nodes;
}

static uint32_t find_stack(struct trace_columns *c, const struct trace_block_info *info,
    uint64_t stack)
{
	uint32_t node = 0;

	if (info->stacks == TRACE_CALLER && (stack & TRACE_STACK_FRAMES) == 0)
		return node_index(c, 0, stack);
	stack &= ~TRACE_STACK_FRAMES;
	const volatile uint64_t *const at = &info->frames[stack]; /* the program may change it */
	const uint64_t depth = stack < info->frames_len ? *at : UINT64_MAX;
	for (uint64_t i = depth < info->frames_len - stack ? depth : 0; i > 0; i--)
		node = node_index(c, node, info->frames[stack + i]);
	return node;
}

static inline uint32_t stack_index(struct trace_columns *c, const struct trace_block_info *info,
    uint64_t stack)
{
	const size_t i = (stack ^ stack >> 9) % LATELY;
	const uint64_t frames = stack & ~TRACE_STACK_FRAMES;
	struct node_of *is = &c->lately[i].is;

	if (stack == 0)
		return 0;
	if (frames < FRAMED && (info->stacks > TRACE_CALLER || frames != stack))
		is = &c->framed[frames];
	else if (c->lately[i].stack != stack)
		*is = (struct node_of){.block = (uint16_t)(c->block - 1)};
	if (is->block != (uint16_t)c->block) {
		*is = (struct node_of){(uint16_t)c->block, (uint16_t)find_stack(c, info, stack)};
		c->lately[i].stack = stack;
	}
	return is->node;
}

static inline unsigned char *put_alloc(struct predict *p, unsigned char *at, uint64_t addr,
    uint64_t size, bool fast)
{
	const unsigned bucket = predict_bucket(size);

	at = put(at, address_code(addr, predict_alloc(p, bucket)), fast);
	predict_saw_alloc(p, bucket, addr, size);
	return at;
}

/* The guess is the last freed or the last allocated address, whichever is nearer; bit 0 tells. */
static inline unsigned char *put_free(struct predict *p, unsigned char *at, uint64_t addr,
    bool fast)
{
	const uint64_t by_free = address_code(addr, p->last_free);
	const uint64_t by_alloc = address_code(addr, p->last_alloc);

	at = put(at, by_free <= by_alloc ? by_free << 1 : by_alloc << 1 | 1, fast);
	predict_saw_free(p, addr);
	return at;
}

/* What the second raw event holds. */
static unsigned char *put_extra(struct trace_columns *c, unsigned char *at,
    const struct trace_raw *r)
{
	if ((trace_class[r->tick_op & 0xff] & TRACE_IS_REALLOC) == 0) {
		*at = r[1].addr == 0 ? 0 : (unsigned char)__builtin_ctzll(r[1].addr);
		return at + 1;
	}
	const uint64_t returned = max_size(r[1].size, c->last_tick);
	at = put(at, zigzag((int64_t)(r[1].addr - r->addr)), false);
	at = put(at, returned - c->last_tick, false);
	c->last_tick = returned;
	return at;
}

/* One pass, the columns' ends in registers: an allocation or a free is mispredicted once an
 * event, and several passes would do so several times (13 ns an event in place of 19).
 * Returns the events. */
static inline __attribute__((always_inline)) uint32_t put_events(struct trace_columns *c,
    const struct trace_block_info *info, const struct trace_raw *raw, size_t n, const bool fast)
{
	unsigned char *at[TRACE_COLUMNS];

	for (int i = 0; i < TRACE_COLUMNS; i++)
		at[i] = c->col[i].at;
	for (const struct trace_raw *r = raw; r < raw + n; r++) {
		const unsigned op = (unsigned)(r->tick_op & 0xff), class = trace_class[op];
		const uint64_t tick = max_size(trace_raw_tick(r), c->last_tick);

		*at[TRACE_COL_OPS]++ = (unsigned char)op;
		at[TRACE_COL_TIMES] = put_small(at[TRACE_COL_TIMES], tick - c->last_tick, fast);
		c->last_tick = tick;
		if (info->stacks != TRACE_NONE)
			at[TRACE_COL_STACKS] =
			    put_small(at[TRACE_COL_STACKS], stack_index(c, info, r->stack), fast);
		if ((class & TRACE_IS_FREE) != 0)
			at[TRACE_COL_ADDRS] =
			    put_free(&c->predict, at[TRACE_COL_ADDRS], r->addr, fast);
		else
			at[TRACE_COL_ADDRS] =
			    put_alloc(&c->predict, at[TRACE_COL_ADDRS], r->addr, r->size, fast);
		if ((class & TRACE_HAS_SIZE) != 0)
			at[TRACE_COL_SIZES] = put(at[TRACE_COL_SIZES], r->size, fast);
		if (unlikely(trace_op_has_more(op)))
			at[TRACE_COL_EXTRA] = put_extra(c, at[TRACE_COL_EXTRA], r++);
	}
	at[TRACE_COL_NODES] = c->col[TRACE_COL_NODES].at; /* stack_index() appends there */
	const uint32_t events = (uint32_t)(at[TRACE_COL_OPS] - c->col[TRACE_COL_OPS].at);
	for (int i = 0; i < TRACE_COLUMNS; i++)
		c->col[i].at = at[i];
	return events;
}

static uint32_t put_events_plain(struct trace_columns *c, const struct trace_block_info *info,
    const struct trace_raw *raw, size_t n)
{
	return put_events(c, info, raw, n, false);
}

static uint32_t put_events_fast(struct trace_columns *c, const struct trace_block_info *info,
    const struct trace_raw *raw, size_t n)
{
	return put_events(c, info, raw, n, true);
}

static void begin(struct trace_columns *c, uint64_t tick)
{
	tick = max_size(tick, c->last_tick);
	c->first_tick = tick;
	if ((uint16_t)++c->block == 0) { /* what is as old as that would seem new */
		memset(c->lately, 0, sizeof c->lately);
		memset(c->framed, 0, sizeof c->framed);
		memset(c->slot, 0, sizeof c->slot);
		c->block++;
	}
	c->nodes = 0;
	c->last_node_addr = 0;
	c->last_tick = tick;
	memset(&c->predict, 0, sizeof c->predict);
	for (int i = 0; i < TRACE_COLUMNS; i++)
		c->col[i].at = c->col[i].bytes;
}

void trace_columns_add(struct trace_columns *c, const struct trace_block_info *info,
    const struct trace_raw *raw, size_t n)
{
	if (n == 0)
		return;
	if (c->events == 0)
		begin(c, trace_raw_tick(raw));
	c->events += c->fast ? put_events_fast(c, info, raw, n) : put_events_plain(c, info, raw, n);
}

static size_t concatenate(struct trace_coder *to, const struct trace_columns *c)
{
	unsigned char *at = to->raw + TRACE_COLUMNS * sizeof(uint32_t);

	for (int i = 0; i < TRACE_COLUMNS; i++) {
		const uint32_t len = (uint32_t)(c->col[i].at - c->col[i].bytes);
		memcpy(to->raw + i * sizeof len, &len, sizeof len);
		memcpy(at, c->col[i].bytes, len);
		at += len;
	}
	return (size_t)(at - to->raw);
}

static bool pack_frame(struct trace_coder *c, size_t from, size_t to, int level, size_t *packed)
{
	if (from == to)
		return true;
	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, level);
	const size_t n = ZSTD_compress2(c->zstd, c->packed + *packed, sizeof c->packed - *packed,
	    c->raw + from, to - from);
	*packed += n;
	return !ZSTD_isError(n);
}

/* c->raw into c->packed.  Times and addresses hardly repeat, but their bytes are unevenly spread:
 * where speed counts they get a frame of their own, in which matches are not looked for (19 ns an
 * event in place of 27 on redis, 31 of 35 on cc).  Returns the length; 0: it does not fit. */
static size_t pack(struct trace_coder *c, size_t raw_len)
{
	uint32_t len[TRACE_COLUMNS];
	size_t packed = 0;

	memcpy(len, c->raw, sizeof len);
	const size_t times = sizeof len + len[TRACE_COL_NODES] + len[TRACE_COL_OPS];
	const size_t sizes = times + len[TRACE_COL_TIMES] + len[TRACE_COL_ADDRS];
	const bool fits = c->level > LEVEL_QUICK
	    ? pack_frame(c, 0, raw_len, c->level, &packed)
	    : pack_frame(c, 0, times, c->level, &packed) &&
	        pack_frame(c, times, sizes, LEVEL_ENTROPY, &packed) &&
	        pack_frame(c, sizes, raw_len, c->level, &packed);
	return fits ? packed : 0;
}

const void *trace_pack(struct trace_coder *c, struct trace_columns *columns,
    const struct trace_block_info *info, size_t *len)
{
	const size_t raw_len = concatenate(c, columns);
	const size_t packed = pack(c, raw_len);

	c->head = (struct trace_block_head){.kind = TRACE_EVENTS, .packed_len = (uint32_t)packed,
	    .raw_len = (uint32_t)raw_len, .thread = info->thread, .events = columns->events,
	    .first_tick = columns->first_tick, .last_tick = columns->last_tick,
	    .now_tick = info->now_tick, .now_ns = info->now_ns, .anon_kib = info->anon_kib};
	columns->events = 0;
	if (packed == 0)
		return NULL;
	trace_block_seal(&c->head, c->packed);
	*len = sizeof c->head + packed;
	return &c->head;
}

const void *trace_encode(struct trace_coder *c, const struct trace_block_info *info,
    const struct trace_raw *raw, size_t n, size_t *len)
{
	if (n == 0 || n > TRACE_ENCODE_MAX)
		return NULL;
	trace_columns_continue(&c->own, info->after_tick); /* threads share them */
	trace_columns_add(&c->own, info, raw, n);
	return trace_pack(c, &c->own, info, len);
}

const uint64_t *trace_columns_addresses(const struct trace_columns *c, size_t *count)
{
	*count = c->nodes;
	return c->addresses;
}
