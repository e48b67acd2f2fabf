/* gzip_out.h - bytes to a file descriptor as a gzip file, stored, not compressed: no tables, no
 * allocation, and every reader takes it.
 *
 *   | head: 10 bytes | block: 5 bytes, up to 65535 of data | block | ... | crc, length |
 *
 * RFC 1951 (stored blocks) and RFC 1952.
 */
#ifndef INTERPOSE_GZIP_OUT_H
#define INTERPOSE_GZIP_OUT_H

#include <stddef.h>
#include <stdint.h>

enum { GZIP_HEAD = 10, GZIP_BLOCK_HEAD = 5, GZIP_BLOCK = 65535 };

struct gzip_out {
	int fd;
	int error; /* errno of the first write that failed; nothing is written after it */
	uint32_t crc, len;
	size_t n; /* bytes in .data */
	unsigned char block_head[GZIP_BLOCK_HEAD];
	unsigned char data[GZIP_BLOCK];
};

void gzip_out_begin(struct gzip_out *o, int fd);
void gzip_out_put(struct gzip_out *o, const void *bytes, size_t n);
/* 0, or an errno. */
int gzip_out_end(struct gzip_out *o);

#endif
