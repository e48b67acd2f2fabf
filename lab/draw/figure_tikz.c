/* figure_tikz.c - TikZ: one picture a call, in points; any TeX with the package tikz takes it. */
#include <string.h>

#include "draw/figure_paper.h"

static const struct {
	const char *name, *rgb;
} colours[LOOK_COUNT] = {
    [LOOK_HEADER] = {"dmmheader", "E69F00"}, [LOOK_PAYLOAD] = {"dmmpayload", "9CC9E5"},
    [LOOK_WASTE] = {"dmmwaste", "56B4E9"}, [LOOK_FREE] = {"dmmfree", "FFFFFF"},
    [LOOK_LINKS] = {"dmmlinks", "CC79A7"}, [LOOK_FOOTER] = {"dmmfooter", "F3C866"},
    [LOOK_FENCE] = {"dmmfence", "B9BCC0"}, [LOOK_TABLE] = {"dmmtable", "D9C7E0"},
    [LOOK_PAD] = {"dmmpad", "E4E1DB"}};

/* Glyphs beyond ASCII that dmm writes, and what TeX writes instead. */
static const struct {
	const char *utf8, *tex;
} glyphs[] = {{"→", "$\\rightarrow$"}, {"←", "$\\leftarrow$"}, {"⇒", "$\\Rightarrow$"},
    {"…", "\\ldots{}"}, {"⋯", "$\\cdots$"}};

static const char *special(char c)
{
	switch (c) {
	case '\\':
		return "\\textbackslash{}";
	case '~':
		return "\\textasciitilde{}";
	case '^':
		return "\\textasciicircum{}";
	case '<':
		return "\\textless{}";
	case '>':
		return "\\textgreater{}";
	case '|':
		return "\\textbar{}";
	default:
		return NULL;
	}
}

static void put_text(FILE *out, const char *text)
{
	while (*text != '\0') {
		size_t i = 0;
		while (i < sizeof glyphs / sizeof *glyphs &&
		    strncmp(text, glyphs[i].utf8, strlen(glyphs[i].utf8)) != 0)
			i++;
		if (i < sizeof glyphs / sizeof *glyphs) {
			fputs(glyphs[i].tex, out);
			text += strlen(glyphs[i].utf8);
			continue;
		}
		if (special(*text) != NULL)
			fputs(special(*text), out);
		else if (strchr("#$%&_{}", *text) != NULL)
			fprintf(out, "\\%c", *text);
		else
			fputc((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f ? '?' :
			    *text,
			    out);
		text++;
	}
}

static void begin(FILE *out, double width, double height)
{
	(void)width, (void)height;
	fputs("% made by dmm show --format=tikz; the document needs \\usepackage{tikz}\n", out);
	for (size_t i = 0; i < LOOK_COUNT; i++)
		fprintf(out, "\\definecolor{%s}{HTML}{%s}\n", colours[i].name, colours[i].rgb);
}

static void end(FILE *out)
{
	(void)out;
}

static void box(FILE *out, double x, double y, double w, double h, enum look look)
{
	fprintf(out, "\\fill[%s] (%.1f,%.1f) rectangle (%.1f,%.1f);\n", colours[look].name, x, y,
	    x + w,
	    y + h);
}

static void frame(FILE *out, double x, double y, double w, double h)
{
	fprintf(out, "\\draw[line width=0.9pt] (%.1f,%.1f) rectangle (%.1f,%.1f);\n", x, y, x + w,
	    y + h);
}

static void line(FILE *out, double x, double y, double h)
{
	fprintf(out, "\\draw[line width=0.3pt] (%.1f,%.1f) -- (%.1f,%.1f);\n", x, y, x, y + h);
}

static void words(FILE *out, double x, double y, enum paper_font font, enum paper_anchor anchor,
    const char *text)
{
	static const char *const fonts[PAPER_FONTS] = {[PAPER_TITLE] =
	    "\\sffamily\\bfseries\\small",
	    [PAPER_TEXT] = "\\sffamily\\scriptsize", [PAPER_STRONG] =
	    "\\sffamily\\bfseries\\scriptsize",
	    [PAPER_NOTE] = "\\sffamily\\tiny", [PAPER_NAME] =
	    "\\sffamily\\bfseries\\scriptsize",
	    [PAPER_BOX] = "\\sffamily\\tiny", [PAPER_BOX_ON] = "\\sffamily\\tiny"};

	fprintf(out, "\\node[anchor=%s,inner sep=0pt,font=%s] at (%.1f,%.1f) {\\strut ",
	    anchor == PAPER_MIDDLE ? "base" : "base west", fonts[font], x, y);
	put_text(out, text);
	fputs("};\n", out);
}

static void call_begin(FILE *out)
{
	/* 72 columns of 8 points fit the lines of LaTeX's article */
	fputs("\\noindent\\begin{tikzpicture}[x=0.55pt,y=-0.55pt]\n", out);
}

static void call_end(FILE *out)
{
	fputs("\\end{tikzpicture}\\par\\medskip\n\n", out);
}

const struct paper paper_tikz = {NULL, box, frame, line, words, begin, end, call_begin, call_end};
