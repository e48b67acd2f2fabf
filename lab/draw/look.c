/* look.c - glyphs, colours, and text that fits the terminal. */
#include "draw/look.h"

#include <stdarg.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/screen.h"

/* Each kind has a glyph of its own, so that no colour is needed to tell them apart; the colours
 * keep their distance for those who see fewer of them. */
static const struct {
	const char *name, *glyph, *ascii, *colour;
} looks[LOOK_COUNT] = {
    [LOOK_HEADER] = {"header", "h", "h", "\033[1;34m"},
    [LOOK_PAYLOAD] = {"payload", "▒", "#", "\033[32m"},
    [LOOK_WASTE] = {"internal waste", "x", "x", "\033[31m"},
    [LOOK_FREE] = {"free", "·", ".", "\033[37m"},
    [LOOK_LINKS] = {"link", "→", ">", "\033[33m"},
    [LOOK_FOOTER] = {"footer", "f", "f", "\033[1;36m"},
    [LOOK_FENCE] = {"fence", "¦", "!", "\033[90m"},
    [LOOK_TABLE] = {"table", "≡", "=", "\033[35m"},
    [LOOK_PAD] = {"pad", "╱", "/", "\033[90m"},
};

enum look look_of(const struct dmm_piece *piece)
{
	if (piece->kind == DMM_LIVE)
		return LOOK_PAYLOAD;
	if (piece->kind == DMM_PAD)
		return LOOK_PAD;
	if (strcmp(piece->what, "footer") == 0)
		return LOOK_FOOTER;
	if (strcmp(piece->what, "links") == 0)
		return LOOK_LINKS;
	if (piece->kind == DMM_FREE)
		return LOOK_FREE;
	return strcmp(piece->what, "header") == 0 ? LOOK_HEADER
	     : strcmp(piece->what, "fence") == 0  ? LOOK_FENCE
	                                          : LOOK_TABLE;
}

enum look look_in(const struct picture *p, const struct dmm_piece *piece)
{
	const enum look look = look_of(piece);
	return look == LOOK_HEADER && picture_find(p, piece->addr) == NULL ? LOOK_FENCE : look;
}

const char *look_glyph(const struct draw_style *s, enum look look)
{
	return s->ascii ? looks[look].ascii : looks[look].glyph;
}

const char *look_name(enum look look)
{
	return looks[look].name;
}

const char *look_on(const struct draw_style *s, enum look look)
{
	return s->colour ? looks[look].colour : "";
}

const char *look_off(const struct draw_style *s)
{
	return s->colour ? "\033[0m" : "";
}

const char *look_dim(const struct draw_style *s)
{
	return s->colour ? "\033[2m" : "";
}

const char *look_arrow(const struct draw_style *s, bool back)
{
	return s->ascii ? (back ? "<" : ">") : back ? "←" : "→";
}

const char *look_dots(const struct draw_style *s)
{
	return s->ascii ? "~" : "⋯";
}

/* A terminal that does not speak UTF-8 gets ASCII; a file gets what was asked for. */
static bool speaks_utf8(FILE *out)
{
	if (!isatty(fileno(out)))
		return true;
	setlocale(LC_CTYPE, "");
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

struct draw_style draw_style(FILE *out, bool ascii, size_t width)
{
	const char *const no_color = getenv("NO_COLOR");
	const bool fixed = width != 0;

	if (!fixed)
		width = screen_width(out);
	if (width == SCREEN_NO_LIMIT)
		width = SCREEN_USUAL_WIDTH;
	return (struct draw_style){
	    .colour = isatty(fileno(out)) && (no_color == NULL || no_color[0] == '\0'),
	    .fixed = fixed,
	    .ascii = ascii || !speaks_utf8(out),
	    .width = max_size(width, DRAW_WIDTH_MIN),
	};
}

const char *draw_size(char buf[DRAW_SIZE_TEXT], const struct draw_style *s, size_t bytes)
{
	if (s->unit == 0)
		snprintf(buf, DRAW_SIZE_TEXT, "%zu byte%s", bytes, bytes == 1 ? "" : "s");
	else
		snprintf(buf, DRAW_SIZE_TEXT, "%.6g", (double)bytes / (double)s->unit);
	return buf;
}

const char *draw_address(char buf[DRAW_SIZE_TEXT], const struct draw_style *s, uintptr_t addr)
{
	snprintf(buf, DRAW_SIZE_TEXT, "%s%05zx", s->ascii ? ".." : "…", (size_t)(addr & 0xfffff));
	return buf;
}

void draw_text(FILE *out, const struct draw_style *s, size_t indent, const char *text)
{
	size_t at = 0;

	while (*text != '\0') {
		const size_t n = strcspn(text, " ");
		const size_t columns = screen_columns(text, n);
		if (at == 0 || at + 1 + columns > s->width) {
			fprintf(out, "%s%*s", at == 0 ? "" : "\n", (int)indent, "");
			at = indent;
		} else {
			fputc(' ', out);
			at++;
		}
		for (size_t i = 0; i < n; i++)
			fputc(text[i] == DRAW_HARD_SPACE[0] ? ' '
			      : (unsigned char)text[i] < ' ' || (unsigned char)text[i] == 0x7f
			          ? '?'
			          : text[i],
			    out);
		at += columns;
		text += n + strspn(text + n, " ");
	}
	fputc('\n', out);
}

void draw_say(FILE *out, const struct draw_style *s, size_t indent, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	draw_text(out, s, indent, text);
}

void draw_caption(FILE *out, const struct draw_style *s, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fputs(s->colour ? "\033[1;33m" : "", out);
	draw_text(out, s, 4, text);
	fputs(s->colour ? "\033[0m" : "", out);
}

const char *draw_then(const struct draw_style *s)
{
	return s->ascii ? "=>" : "⇒";
}
