/* figure_svg.c - SVG, in the report page's colours, by day and by night.
 *
 * Colours are Okabe and Ito's; waste and padding are hatched; headers, footers and links have a
 * letter or an arrow.
 */
#include "cli/markup.h"
#include "draw/figure_paper.h"

static const char *const classes[LOOK_COUNT] = {
    [LOOK_HEADER] = "header", [LOOK_PAYLOAD] = "payload", [LOOK_WASTE] = "waste",
    [LOOK_FREE] = "free", [LOOK_LINKS] = "links", [LOOK_FOOTER] = "footer",
    [LOOK_FENCE] = "fence", [LOOK_TABLE] = "table", [LOOK_PAD] = "pad"};

static const char style[] =
    ":root{color-scheme:light dark;--paper:#fdfcfa;--ink:#1d2126;--soft:#5a626c;--strong:#0b5cad;"
    "--warn:#a33c00;--payload:#0072b2;--header:#e69f00;--footer:#f3c866;--links:#cc79a7;"
    "--free:#fff;--waste:#56b4e9;--fence:#b9bcc0;--table:#d9c7e0;--pad:#e4e1db;--on:#fff;"
    "--hatch:rgb(0 0 0/.38)}"
    "@media(prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e8eaed;--soft:#a3abb5;"
    "--strong:#7cbcff;--warn:#ff9c66;--payload:#3f9fdc;--free:#cfd4da;--fence:#868b93;"
    "--table:#b59fc0;--pad:#6b7078;--on:#1d2126;--hatch:rgb(0 0 0/.55)}}"
    "text{font:13px system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"Liberation "
    "Sans\",sans-serif;"
    "fill:var(--ink)}"
    ".title{font-size:15px;font-weight:650}.strong{font-weight:600;fill:var(--warn)}"
    ".note{font-size:12px;fill:var(--soft)}.name{font-weight:650;fill:var(--strong)}"
    ".box{font-size:11.5px;text-anchor:middle;fill:#1d2126}.on{fill:var(--on)}"
    ".header{fill:var(--header)}.footer{fill:var(--footer)}.payload{fill:var(--payload)}"
    ".free{fill:var(--free)}.links{fill:var(--links)}.waste{fill:var(--waste)}"
    ".fence{fill:var(--fence)}"
    ".header,.footer,.payload,.free,.links,.waste,.fence,.table,.pad{shape-rendering:crispEdges}"
    ".table{fill:var(--table)}.pad{fill:var(--pad)}"
    ".frame{fill:none;stroke:var(--ink);stroke-width:1.6}.line{stroke:var(--ink);stroke-width:.6}";

static void begin(FILE *out, double width, double height)
{
	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
	    "width=\"%.0f\" "
	    "height=\"%.0f\">\n<style>%s</style>\n<defs><pattern id=\"hatch\" width=\"6\" "
	    "height=\"6\" "
	    "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path d=\"M0 0V6\" "
	    "stroke=\"var(--hatch)\" stroke-width=\"2\"/></pattern></defs>\n"
	    "<rect width=\"100%%\" height=\"100%%\" style=\"fill:var(--paper)\"/>\n",
	    width, height, width, height, style);
}

static void end(FILE *out)
{
	fputs("</svg>\n", out);
}

static void box(FILE *out, double x, double y, double w, double h, enum look look)
{
	fprintf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
	    classes[look], x, y, w, h);
	if (look == LOOK_WASTE || look == LOOK_PAD)
		fprintf(out, "<rect fill=\"url(#hatch)\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
		    "height=\"%.1f\"/>\n", x, y, w, h);
}

static void frame(FILE *out, double x, double y, double w, double h)
{
	fprintf(out, "<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
	    "height=\"%.1f\"/>\n", x,
	    y, w, h);
}

static void line(FILE *out, double x, double y, double h)
{
	fprintf(out, "<path class=\"line\" d=\"M%.1f %.1fv%.1f\"/>\n", x, y, h);
}

static void words(FILE *out, double x, double y, enum paper_font font, enum paper_anchor anchor,
    const char *text)
{
	static const char *const fonts[PAPER_FONTS] = {[PAPER_TITLE] = "title", [PAPER_TEXT] =
	    "text",
	    [PAPER_STRONG] = "strong", [PAPER_NOTE] = "note", [PAPER_NAME] = "name",
	    [PAPER_BOX] = "box", [PAPER_BOX_ON] = "box on"};

	fprintf(out, "<text class=\"%s%s\" x=\"%.1f\" y=\"%.1f\">", fonts[font],
	    anchor == PAPER_MIDDLE && font < PAPER_BOX ? " middle" : "", x, y);
	markup_put(out, text);
	fputs("</text>\n", out);
}

static void call_begin(FILE *out)
{
	fputs("<g>\n", out);
}

static void call_end(FILE *out)
{
	fputs("</g>\n", out);
}

const struct paper paper_svg = {NULL, box, frame, line, words, begin, end, call_begin, call_end};
