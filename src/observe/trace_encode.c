/* trace_encode.c - columns of varints, then zstd.
 *
 *   raw events --> one column a field --> concatenated behind their lengths --> zstd --> block
 *
 * Numbers of one kind lie side by side, so that zstd finds its matches and Huffman coding its
 * statistics; this, and the address predictor, make 32 bytes into 2 or 3.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include "observe/trace_encode.h"

#include <string.h>
#include <zstd.h>

#include "base/bits.h"
#include "observe/trace_code.h"
#include "observe/xxh64.h"

enum {
	NODE_SLOTS = 2 * TRACE_NODES_MAX,
	COLUMN_CAP = TRACE_RAW_MAX / 8, /* seven columns and their lengths fit the payload */
	VARINT_MAX = 10,
	LATELY = 256,
};

struct node {
	uint64_t addr;
	uint32_t parent, index;
	uint32_t block; /* the block that entered it: an old one is an empty slot */
};

struct column {
	unsigned char *at;
	unsigned char bytes[COLUMN_CAP + 8]; /* put() stores eight at a time */
};

struct trace_coder {
	ZSTD_CCtx *zstd;
	uint32_t block; /* serial number */
	struct {
		uint64_t stack;
		uint32_t node, block;
	} lately[LATELY]; /* stacks and their nodes */
	uint32_t nodes, node_mask;
	uint64_t last_node_addr, last_tick;
	struct predict predict;
	struct column col[TRACE_COLUMNS];
	uint64_t addresses[TRACE_NODES_MAX];
	struct node node[NODE_SLOTS];
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

struct trace_coder *trace_coder_init(void *mem, size_t len, int level)
{
	struct trace_coder *const c = mem;

	if (len < trace_coder_size())
		return NULL;
	c->zstd = ZSTD_initStaticCCtx(c->workspace, round_down(len - sizeof *c, 8));
	if (c->zstd == NULL)
		return NULL;
	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, level);
	return c;
}

static inline void put_byte(struct column *col, unsigned x)
{
	*col->at++ = (unsigned char)x;
}

/* Seven bits a byte, without a branch on the length, which no predictor foresees: the bits are spread
 * by halves, eight bytes are stored, and as many count as are needed. */
static inline void put(struct column *col, uint64_t x)
{
	if (unlikely(x >> 56 != 0)) {
		for (; x >= 0x80; x >>= 7)
			put_byte(col, (unsigned)x | 0x80);
		put_byte(col, (unsigned)x);
		return;
	}
	const unsigned more = log2_floor(x | 1) / 7; /* bytes after the first */
	x = (x & 0xfffffff0000000) << 4 | (x & 0xfffffff);
	x = (x & 0x0fffc0000fffc000) << 2 | (x & 0x00003fff00003fff);
	x = (x & 0x3f803f803f803f80) << 1 | (x & 0x007f007f007f007f);
	x |= 0x8080808080808080 & (((uint64_t)1 << 8 * more) - 1);
	memcpy(col->at, &x, sizeof x);
	col->at += more + 1;
}

/* For columns where nearly all numbers are below 128. */
static inline void put_small(struct column *col, uint64_t x)
{
	if (likely(x < 0x80))
		put_byte(col, (unsigned)x);
	else
		put(col, x);
}

/* Columns are flushed long before they are full: is there room for one more event of any kind? */
static bool has_room(const struct column *col)
{
	return col->at + 4 * VARINT_MAX <= col->bytes + COLUMN_CAP;
}

/* The index of the node (parent, addr) in this block, 1 up; 0 when the table is full. */
static uint32_t node_index(struct trace_coder *c, uint32_t parent, uint64_t addr)
{
	uint64_t h = (addr ^ (uint64_t)parent << 40) * 0x9e3779b97f4a7c15u >> 32;
	struct node *at = &c->node[h & c->node_mask];

	while (at->block == c->block && (at->addr != addr || at->parent != parent))
		at = &c->node[++h & c->node_mask];
	if (at->block == c->block)
		return at->index;
	if (c->nodes >= TRACE_NODES_MAX || !has_room(&c->col[TRACE_COL_NODES]))
		return 0;
	c->addresses[c->nodes++] = addr;
	*at = (struct node){addr, parent, c->nodes, c->block};
	put(&c->col[TRACE_COL_NODES], parent);
	put(&c->col[TRACE_COL_NODES], zigzag((int64_t)(addr - c->last_node_addr)));
	c->last_node_addr = addr;
	return c->nodes;
}

static uint32_t find_stack(struct trace_coder *c, const struct trace_block_info *info, uint64_t stack)
{
	uint32_t node = 0;

	if (info->stacks == TRACE_CALLER)
		return node_index(c, 0, stack);
	if (stack < info->frames_len && info->frames[stack] < info->frames_len - stack)
		for (uint64_t i = info->frames[stack]; i > 0; i--)
			node = node_index(c, node, info->frames[stack + i]);
	return node;
}

static inline uint32_t stack_index(struct trace_coder *c, const struct trace_block_info *info,
    uint64_t stack)
{
	const size_t i = (stack ^ stack >> 8) % LATELY;

	if (stack == 0)
		return 0;
	if (c->lately[i].stack != stack || c->lately[i].block != c->block) {
		c->lately[i].node = find_stack(c, info, stack);
		c->lately[i].stack = stack;
		c->lately[i].block = c->block;
	}
	return c->lately[i].node;
}

static void put_alloc(struct trace_coder *c, uint64_t addr, uint64_t size)
{
	struct predict *const p = &c->predict;
	const unsigned bucket = predict_bucket(size);

	put(&c->col[TRACE_COL_ADDRS], address_code(addr, predict_alloc(p, bucket)));
	predict_saw_alloc(p, bucket, addr, size);
}

/* The guess is the last freed or the last allocated address, whichever is nearer; bit 0 tells. */
static void put_free(struct trace_coder *c, uint64_t addr)
{
	struct predict *const p = &c->predict;
	const uint64_t by_free = address_code(addr, p->last_free);
	const uint64_t by_alloc = address_code(addr, p->last_alloc);

	put(&c->col[TRACE_COL_ADDRS], by_free <= by_alloc ? by_free << 1 : by_alloc << 1 | 1);
	predict_saw_free(p, addr);
}

static void put_more(struct trace_coder *c, const struct trace_raw *r, unsigned class)
{
	struct column *const extra = &c->col[TRACE_COL_EXTRA];

	if ((class & TRACE_IS_REALLOC) == 0) {
		put_byte(extra, r[1].addr == 0 ? 0 : (unsigned)__builtin_ctzll(r[1].addr));
		return;
	}
	const uint64_t began = c->last_tick;
	put(extra, zigzag((int64_t)(r[1].addr - r->addr)));
	put(extra, r[1].size > began ? r[1].size - began : 0);
	if (r[1].size > began)
		c->last_tick = r[1].size;
}

static void put_event(struct trace_coder *c, const struct trace_block_info *info,
    const struct trace_raw *r)
{
	const unsigned op = (unsigned)(r->tick_op & 0xff);
	const unsigned class = trace_class[op];
	const uint64_t tick = trace_raw_tick(r);

	put_byte(&c->col[TRACE_COL_OPS], op);
	put_small(&c->col[TRACE_COL_TIMES], tick > c->last_tick ? tick - c->last_tick : 0);
	if (tick > c->last_tick)
		c->last_tick = tick;
	if ((class & TRACE_IS_FREE) != 0)
		put_free(c, r->addr);
	else
		put_alloc(c, r->addr, r->size);
	if ((class & TRACE_HAS_SIZE) != 0)
		put(&c->col[TRACE_COL_SIZES], r->size);
	if (info->stacks != TRACE_NONE)
		put_small(&c->col[TRACE_COL_STACKS], stack_index(c, info, r->stack));
	if (trace_op_has_more(op))
		put_more(c, r, class);
}

static void begin(struct trace_coder *c, const struct trace_block_info *info, uint64_t tick)
{
	c->block++;
	c->nodes = 0;
	c->node_mask = info->stacks == TRACE_CALLER ? 2 * TRACE_EVENTS_MAX - 1 : NODE_SLOTS - 1;
	c->last_node_addr = 0;
	c->last_tick = tick;
	memset(&c->predict, 0, sizeof c->predict);
	for (int i = 0; i < TRACE_COLUMNS; i++)
		c->col[i].at = c->col[i].bytes;
}

static size_t concatenate(struct trace_coder *c)
{
	unsigned char *at = c->raw + TRACE_COLUMNS * sizeof(uint32_t);

	for (int i = 0; i < TRACE_COLUMNS; i++) {
		const uint32_t len = (uint32_t)(c->col[i].at - c->col[i].bytes);
		memcpy(c->raw + i * sizeof len, &len, sizeof len);
		memcpy(at, c->col[i].bytes, len);
		at += len;
	}
	return (size_t)(at - c->raw);
}

const void *trace_encode(struct trace_coder *c, const struct trace_block_info *info,
    const struct trace_raw *raw, size_t n, size_t *len)
{
	const uint64_t first = n != 0 ? trace_raw_tick(raw) : 0;
	const uint64_t tick = first > info->not_before ? first : info->not_before;
	uint32_t events = 0;

	if (n == 0 || n > TRACE_EVENTS_MAX)
		return NULL;
	begin(c, info, tick);
	for (size_t i = 0; i < n; events++) {
		put_event(c, info, &raw[i]);
		i += trace_op_has_more(raw[i].tick_op & 0xff) ? 2 : 1;
	}
	const size_t raw_len = concatenate(c);
	const size_t packed =
	    ZSTD_compress2(c->zstd, c->packed, sizeof c->packed, c->raw, raw_len);
	if (ZSTD_isError(packed))
		return NULL;
	c->head = (struct trace_block_head){.kind = TRACE_EVENTS, .packed_len = (uint32_t)packed,
	    .raw_len = (uint32_t)raw_len, .thread = info->thread, .events = events,
	    .first_tick = tick, .last_tick = c->last_tick,
	    .now_tick = info->now_tick, .now_ns = info->now_ns, .anon_kib = info->anon_kib};
	trace_block_seal(&c->head, c->packed);
	*len = sizeof c->head + packed;
	return &c->head;
}

const uint64_t *trace_coder_addresses(const struct trace_coder *c, size_t *count)
{
	*count = c->nodes;
	return c->addresses;
}

void trace_block_seal(struct trace_block_head *head, const void *payload)
{
	head->magic = TRACE_BLOCK_MAGIC;
	const uint64_t of_head = xxh64(head, sizeof *head - sizeof head->checksum, 0);
	head->checksum = (uint32_t)xxh64(payload, head->packed_len, of_head);
}
