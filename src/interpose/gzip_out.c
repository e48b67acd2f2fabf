/* gzip_out.c - see gzip_out.h. */
#include "interpose/gzip_out.h"

#include <string.h>

#include "base/bits.h"
#include "base/write_all.h"

static void write_out(struct gzip_out *o, const unsigned char *bytes, size_t n)
{
	if (o->error == 0)
		o->error = write_all(o->fd, bytes, n);
}

/* Four bits at a time: the table of 16 is that of the polynomial 0xedb88320. */
static uint32_t crc_of(uint32_t crc, const unsigned char *bytes, size_t n)
{
	static const uint32_t table[16] = {0, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190,
	    0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
	    0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};

	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

static void put_little(unsigned char *to, uint32_t x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)(x >> 8 * i);
}

static void write_block(struct gzip_out *o, bool last)
{
	o->crc = crc_of(o->crc, o->data, o->n);
	o->len += (uint32_t)o->n;
	o->block_head[0] = last;
	put_little(o->block_head + 1, (uint32_t)o->n, 2);
	put_little(o->block_head + 3, ~(uint32_t)o->n, 2);
	write_out(o, o->block_head, GZIP_BLOCK_HEAD);
	write_out(o, o->data, o->n);
	o->n = 0;
}

void gzip_out_begin(struct gzip_out *o, int fd)
{
	/* deflate, no name, no time, made on Unix */
	static const unsigned char head[GZIP_HEAD] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};

	o->fd = fd;
	o->error = 0;
	o->crc = o->len = 0;
	o->n = 0;
	write_out(o, head, GZIP_HEAD);
}

void gzip_out_put(struct gzip_out *o, const void *bytes, size_t n)
{
	for (size_t at = 0; at < n;) {
		const size_t part = min_size(n - at, GZIP_BLOCK - o->n);
		memcpy(o->data + o->n, (const char *)bytes + at, part);
		o->n += part;
		at += part;
		if (o->n == GZIP_BLOCK)
			write_block(o, false);
	}
}

int gzip_out_end(struct gzip_out *o)
{
	unsigned char tail[8];

	write_block(o, true);
	put_little(tail, o->crc, 4);
	put_little(tail + 4, o->len, 4);
	write_out(o, tail, sizeof tail);
	return o->error;
}
