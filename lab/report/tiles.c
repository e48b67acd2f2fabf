/* tiles.c - data small enough for a page: sorted by significance, deflated, base64; and PNG.
 *
 *   f32 values   a0 a1 a2 a3  b0 b1 b2 b3  c0 ...      neighbours differ in low bytes only, so
 *   as stored    a0 b0 c0 ... a1 b1 c1 ... a2 ...      bytes of a rank lie together, and deflate
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/assert.h"
#include "report/page.h"

void tile_base64(FILE *out, const uint8_t *data, size_t len)
{
	static const char digit[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		const uint32_t have = len - i < 3 ? (uint32_t)(len - i) : 3;
		const uint32_t b = (uint32_t)data[i] << 16 | (have > 1 ? (uint32_t)data[i + 1] << 8
		    : 0) |
		    (have > 2 ? data[i + 2] : 0u);
		const char four[4] = {digit[b >> 18], digit[b >> 12 & 63],
		    have > 1 ? digit[b >> 6 & 63] : '=',
		    have > 2 ? digit[b & 63] : '='};
		fwrite(four, 1, 4, out);
	}
}

/* The caller frees it. */
static uint8_t *deflated(const uint8_t *data, size_t len, size_t *packed)
{
	uLongf n = compressBound(len);
	uint8_t *const to = malloc(n);

	CHECK(to != NULL);
	const int r = compress2(to, &n, data, len, 9);
	CHECK(r == Z_OK);
	*packed = n;
	return to;
}

static size_t width_of(const char *type)
{
	return (size_t)atoi(type + 1) / 8;
}

void tile_put(FILE *out, const char *id, const char *type, const void *data, size_t count)
{
	const size_t width = width_of(type), len = count * width;
	uint8_t *const sorted = malloc(len + 1);
	size_t packed;

	CHECK(sorted != NULL);
	for (size_t i = 0; i < count; i++)
		for (size_t b = 0; b < width; b++)
			sorted[b * count + i] = ((const uint8_t *)data)[i * width + b];
	uint8_t *const z = deflated(sorted, len, &packed);
	fprintf(out, "<script type=\"application/x-dmm-tile\" id=\"%s\" data-type=\"%s\" "
	    "data-n=\"%zu\">", id,
	    type, count);
	tile_base64(out, z, packed);
	fputs("</script>\n", out);
	free(z);
	free(sorted);
}

/* ---- PNG ------------------------------------------------------------------------------------- */

static uint8_t *put_be32(uint8_t *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (24 - 8 * i));
	return to + 4;
}

static uint8_t *put_chunk(uint8_t *to, const char *kind, const uint8_t *data, size_t len)
{
	uint8_t *const sum_from = to + 4;

	to = put_be32(to, (uint32_t)len);
	memcpy(to, kind, 4);
	if (len != 0)
		memcpy(to + 4, data, len);
	to += 4 + len;
	return put_be32(to, (uint32_t)crc32(0, sum_from, (uInt)(4 + len)));
}

void tile_png(FILE *out, const uint8_t *pixels, size_t width, size_t height,
    const uint8_t palette[256][3])
{
	static const uint8_t magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
	uint8_t head[13] = {0};
	size_t packed;
	/* each line begins with its filter: none */
	uint8_t *const lines = calloc(height, width + 1);

	CHECK(lines != NULL);
	put_be32(put_be32(head, (uint32_t)width), (uint32_t)height);
	head[8] = 8, head[9] = 3;
	for (size_t y = 0; y < height; y++)
		memcpy(lines + y * (width + 1) + 1, pixels + y * width, width);
	uint8_t *const z = deflated(lines, height * (width + 1), &packed);
	uint8_t *const png = malloc(packed + 1024);
	CHECK(png != NULL);
	memcpy(png, magic, sizeof magic);
	uint8_t *at = put_chunk(png + sizeof magic, "IHDR", head, sizeof head);
	at = put_chunk(at, "PLTE", palette[0], 768);
	at = put_chunk(at, "IDAT", z, packed);
	at = put_chunk(at, "IEND", NULL, 0);
	fputs("data:image/png;base64,", out);
	tile_base64(out, png, (size_t)(at - png));
	free(png);
	free(z);
	free(lines);
}
