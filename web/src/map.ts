// map.ts - the heap map of each design: address by time, to be zoomed, and asked about any point.
//
// Cells come from tiles of bounded size; blocks (those with the most bytes times calls) lie over them
// exactly, so that a point can be named: block, size, age, call site.
import { type Design, type Sites, tile } from "./data";
import { color, context, el, hideTip, onResize, onTheme, perFrame, rgb, showTip } from "./dom";
import { bytes, escape, exact, percent, seconds } from "./format";
import { type State, nsOf, reference, setSample, whenSample } from "./state";

interface Blocks { at: Float64Array; size: Float64Array; born: Float64Array; died: Float64Array; site: Uint32Array }

/** All maps share the stretch of time that they show, in samples. */
const time = { from: 0, to: 1 };
const views: MapView[] = [];

async function readBlocks(i: number): Promise<Blocks> {
	const [at, size, born, died, site] = await Promise.all([tile(`d${i}-block-at`, "f64"), tile(`d${i}-block-size`, "f64"),
		tile(`d${i}-block-born`, "f64"), tile(`d${i}-block-died`, "f64"), tile(`d${i}-block-site`, "u32")]);
	return { at, size, born, died, site };
}

class MapView {
	readonly design: Design;
	readonly canvas: HTMLCanvasElement;
	readonly readout: HTMLElement;
	private bitmap: HTMLCanvasElement | null = null;
	private rows = { from: 0, to: 1 }; // rising with the address
	private cross: { x: number; y: number } | null = null; // in CSS pixels
	private drag: { x: number; y: number; moved: boolean } | null = null;
	readonly redraw: () => void;
	/** Of each block: the columns from and to which it lies, and its rows, rising. */
	private readonly places: Float64Array;

	constructor(readonly s: State, readonly index: number, readonly live: Uint8Array, readonly owned: Uint8Array, readonly blocks: Blocks,
		readonly sites: () => Sites | null, figure: HTMLElement) {
		this.design = s.meta.designs[index]!;
		this.rows.to = this.design.rows;
		const unit = this.design.granule;
		this.places = new Float64Array(4 * blocks.at.length);
		for (let i = 0; i < blocks.at.length; i++)
			this.places.set([this.columnOf(blocks.born[i]!), this.columnOf(blocks.died[i]!), blocks.at[i]! / unit, (blocks.at[i]! + blocks.size[i]!) / unit], 4 * i);
		this.redraw = perFrame(() => this.draw());
		this.canvas = el("canvas", { class: "mapcanvas", tabindex: "0", role: "img",
			"aria-label": `Heap map of ${this.design.name}. Arrow keys move the crosshair, plus and minus zoom, Enter chooses the moment, 0 shows all.` });
		this.readout = el("p", { class: "readout", "aria-live": "polite" });
		const part = el("div", { class: "live-part" }), head = el("div", { class: "maphead" });
		const button = (text: string, label: string, f: () => void) => {
			const b = el("button", { type: "button", "aria-label": label, title: label }, text);
			b.addEventListener("click", f);
			head.append(b);
			return b;
		};
		head.append(el("i", { class: `key d${index % 8}` }), el("b", {}, this.design.name),
			el("span", { class: "range" }, `${bytes(this.design.rows * this.design.granule)} of addresses, ${bytes(this.design.granule)} a row`));
		button("+", `Zoom in on ${this.design.name}`, () => this.zoomAtCross(0.5));
		button("−", `Zoom out of ${this.design.name}`, () => this.zoomAtCross(2));
		button("All", `Show all of ${this.design.name}`, () => this.reset());
		const large = button("⤢", `Enlarge ${this.design.name}`, () => {
			large.setAttribute("aria-pressed", String(figure.classList.toggle("large")));
			this.redraw();
		});
		part.append(head, this.canvas, this.readout);
		figure.insertBefore(part, figure.querySelector("figcaption"));
		this.listen();
		onResize(this.canvas, this.redraw);
	}

	// ---- from pixels to samples and rows, and back ----

	private sampleAt = (x: number): number => time.from + (x / this.canvas.clientWidth) * (time.to - time.from);
	private rowAt = (y: number): number => this.rows.to - (y / this.canvas.clientHeight) * (this.rows.to - this.rows.from);
	private xOf = (sample: number, w: number): number => ((sample - time.from) / (time.to - time.from)) * w;
	private yOf = (row: number, h: number): number => ((this.rows.to - row) / (this.rows.to - this.rows.from)) * h;
	/** Column c shows what was so after sample c: events map to columns between the samples. */
	private columnOf(event: number): number {
		const e = reference(this.s).events, step = e[0]!, last = e.length - 1;
		if (event >= e[last]!) return last + 1;
		return last > 0 ? Math.min(last, event / step) : 0;
	}

	// ---- drawing ----

	paintBitmap(): void {
		const { rows, samples } = this.design, free = rgb("map-free"), live = rgb("map-live"), paper = rgb("card");
		const image = new ImageData(samples, rows), to = image.data;
		for (let x = 0; x < samples; x++)
			for (let y = 0; y < rows; y++) {
				const owned = this.owned[x * rows + y]!, at = ((rows - 1 - y) * samples + x) * 4;
				const share = owned === 0 ? 0 : Math.min(1, this.live[x * rows + y]! / owned), part = Math.sqrt(owned / 255);
				for (let c = 0; c < 3; c++) to[at + c] = paper[c]! + part * (free[c]! + share * (live[c]! - free[c]!) - paper[c]!);
				to[at + 3] = 255;
			}
		this.bitmap = el("canvas");
		this.bitmap.width = samples;
		this.bitmap.height = rows;
		this.bitmap.getContext("2d")!.putImageData(image, 0, 0);
	}

	draw(): void {
		if (!this.bitmap) this.paintBitmap();
		const { g, w, h } = context(this.canvas), { rows } = this.design, span = this.rows.to - this.rows.from;
		g.fillStyle = color("card");
		g.fillRect(0, 0, w, h);
		g.imageSmoothingEnabled = span > h * (devicePixelRatio || 1);
		g.imageSmoothingQuality = "high";
		g.drawImage(this.bitmap!, time.from, rows - this.rows.to, time.to - time.from, span, 0, 0, w, h);
		this.drawRegions(g, w, h);
		this.drawBlocks(g, w, h);
		const x = this.xOf(this.s.sample + 0.5, w);
		g.strokeStyle = color("ink");
		g.lineWidth = 1;
		g.setLineDash([]);
		g.beginPath();
		g.moveTo(x, 0);
		g.lineTo(x, h);
		g.stroke();
		if (this.cross) this.drawCross(g, w, h, this.cross);
	}

	private drawRegions(g: CanvasRenderingContext2D, w: number, h: number): void {
		g.font = "11px system-ui, sans-serif";
		g.textBaseline = "bottom";
		g.setLineDash([3, 3]);
		for (const [addr, row] of this.design.regions) {
			const y = this.yOf(row, h);
			if (y < 12 || y > h + 1 || (row === 0 && this.design.regions.length === 1)) continue;
			g.strokeStyle = color("soft");
			g.beginPath();
			g.moveTo(0, y);
			g.lineTo(w, y);
			g.stroke();
			this.label(g, `0x${addr.toString(16)}`, 4, y - 2);
		}
		g.setLineDash([]);
	}

	private label(g: CanvasRenderingContext2D, text: string, x: number, y: number): void {
		const width = g.measureText(text).width;
		g.globalAlpha = 0.85;
		g.fillStyle = color("card");
		g.fillRect(x - 3, y - 13, width + 6, 14);
		g.globalAlpha = 1;
		g.fillStyle = color("ink");
		g.fillText(text, x, y);
	}

	/** Where block i lies, in CSS pixels: x, y, width, height. */
	private boxOf(i: number, w: number, h: number): [number, number, number, number] {
		const p = this.places, o = 4 * i, x = this.xOf(p[o]!, w), y = this.yOf(p[o + 3]!, h);
		return [x, y, this.xOf(p[o + 1]!, w) - x, this.yOf(p[o + 2]!, h) - y];
	}

	/** Outlines of all blocks of at least 5 by 5 pixels.  They come largest first, so the first whose
	 * area is below that ends it. */
	private drawBlocks(g: CanvasRenderingContext2D, w: number, h: number): void {
		const p = this.places, { from, to } = time, low = this.rows.from, high = this.rows.to;
		const perColumn = w / (to - from), perRow = h / (high - low);
		g.strokeStyle = color("card");
		g.globalAlpha = 0.7;
		g.lineWidth = 1;
		g.beginPath();
		for (let o = 0, drawn = 0; o < p.length && drawn < 4000; o += 4) {
			const x0 = p[o]!, x1 = p[o + 1]!, r0 = p[o + 2]!, r1 = p[o + 3]!;
			const bw = (x1 - x0) * perColumn, bh = (r1 - r0) * perRow;
			if (bw * bh < 25) break;
			if (bw < 5 || bh < 5 || x0 > to || x1 < from || r0 > high || r1 < low) continue;
			const x = Math.max(-2, (x0 - from) * perColumn), y = Math.max(-2, (high - r1) * perRow);
			g.rect(x + 0.5, y + 0.5, Math.min(w + 4, (x1 - from) * perColumn) - x - 1, Math.min(h + 4, (high - r0) * perRow) - y - 1);
			drawn++;
		}
		g.stroke();
		g.globalAlpha = 1;
	}

	private drawCross(g: CanvasRenderingContext2D, w: number, h: number, at: { x: number; y: number }): void {
		const i = this.blockAt(at.x, at.y);
		if (i >= 0) {
			const [x, y, bw, bh] = this.boxOf(i, w, h);
			g.strokeStyle = color("d1");
			g.lineWidth = 2;
			g.strokeRect(Math.max(-4, x), Math.max(-4, y), Math.min(w + 8, Math.max(3, bw)), Math.min(h + 8, Math.max(3, bh)));
		}
		if (document.activeElement !== this.canvas && !this.drag) return;
		g.strokeStyle = color("soft");
		g.lineWidth = 1;
		g.beginPath();
		g.moveTo(at.x, 0);
		g.lineTo(at.x, h);
		g.moveTo(0, at.y);
		g.lineTo(w, at.y);
		g.stroke();
		if (this.drag?.moved) {
			g.fillStyle = color("live-fill");
			g.fillRect(this.drag.x, this.drag.y, at.x - this.drag.x, at.y - this.drag.y);
		}
	}

	// ---- what is at a point ----

	private blockAt(px: number, py: number): number {
		const row = this.rowAt(py), column = this.sampleAt(px), p = this.places;
		const slack = (this.rows.to - this.rows.from) / this.canvas.clientHeight / 2;
		for (let o = 0; o < p.length; o += 4)
			if (column >= p[o]! && column < p[o + 1]! && row >= p[o + 2]! - slack && row < p[o + 3]! + slack) return o / 4;
		return -1;
	}

	private addressOf(position: number): string {
		let found = this.design.regions[0]!;
		for (const r of this.design.regions) if (r[1] * this.design.granule <= position) found = r;
		return `0x${(found[0] + Math.max(0, position - found[1] * this.design.granule)).toString(16)}`;
	}

	private tellBlock(i: number, event: number): string {
		const b = this.blocks, sites = this.sites(), timed = this.s.meta.ns > 0, ends = reference(this.s).events.at(-1)!;
		const age = Math.max(0, event - b.born[i]!), life = b.died[i]! - b.born[i]!, never = b.died[i]! >= ends;
		const ns = (from: number, to: number) => (timed ? ` (${seconds(nsOf(this.s, to) - nsOf(this.s, from))})` : "");
		const frames = sites?.frames(b.site[i]!, 5) ?? [];
		return `<b>block of ${bytes(b.size[i]!)}</b> at ${this.addressOf(b.at[i]!)}<br>age ${exact(age)} calls${ns(b.born[i]!, event)}; `
			+ `${never ? "lives to the end" : `lives ${exact(life)} calls${ns(b.born[i]!, b.died[i]!)}`}<br>`
			+ (frames.length ? `<small>from</small> ${frames.map(escape).join(" <small>←</small> ")}` : "<small>call site not known</small>");
	}

	private tell(px: number, py: number): string {
		const column = Math.max(0, Math.min(this.design.samples - 1, Math.floor(this.sampleAt(px))));
		const row = Math.max(0, Math.min(this.design.rows - 1, Math.floor(this.rowAt(py)))), event = reference(this.s).events[column]!;
		const owned = this.owned[column * this.design.rows + row]!, live = this.live[column * this.design.rows + row]!, i = this.blockAt(px, py);
		const cell = owned === 0 ? "not the design’s at this moment" : `${percent(Math.min(1, live / owned))} live of what it holds here`;
		return `${i >= 0 ? this.tellBlock(i, event) : `<b>${this.addressOf(Math.floor(this.rowAt(py)) * this.design.granule)}</b>`
			+ `${owned && live ? "<br><small>blocks too small or short-lived to be kept singly</small>" : ""}`}<br><small>${bytes(this.design.granule)} around: ${cell}, after call ${exact(event)}</small>`;
	}

	// ---- zoom, by pointer and by keys ----

	zoom(px: number, py: number, factor: number): void {
		const sample = this.sampleAt(px), row = this.rowAt(py), { samples, rows } = this.design;
		const clamp = (v: { from: number; to: number }, at: number, all: number, least: number) => {
			const span = Math.min(all, Math.max(least, (v.to - v.from) * factor)), share = (at - v.from) / (v.to - v.from);
			v.from = Math.max(0, Math.min(all - span, at - share * span));
			v.to = v.from + span;
		};
		clamp(time, sample, samples, Math.min(samples, 4));
		clamp(this.rows, row, rows, Math.min(rows, 1 / 16));
		for (const v of views) v.redraw();
	}

	private zoomAtCross(factor: number): void {
		const at = this.cross ?? { x: this.canvas.clientWidth / 2, y: this.canvas.clientHeight / 2 };
		this.zoom(at.x, at.y, factor);
	}

	reset(): void {
		time.from = 0;
		time.to = this.s.samples;
		this.rows = { from: 0, to: this.design.rows };
		for (const v of views) v.redraw();
	}

	private zoomTo(a: { x: number; y: number }, b: { x: number; y: number }): void {
		const [x0, x1] = [this.sampleAt(Math.min(a.x, b.x)), this.sampleAt(Math.max(a.x, b.x))];
		const [r0, r1] = [this.rowAt(Math.max(a.y, b.y)), this.rowAt(Math.min(a.y, b.y))];
		time.from = Math.max(0, x0);
		time.to = Math.min(this.s.samples, Math.max(x1, x0 + 4));
		this.rows = { from: Math.max(0, r0), to: Math.min(this.design.rows, Math.max(r1, r0 + 1 / 16)) };
		for (const v of views) v.redraw();
	}

	private point(e: PointerEvent): { x: number; y: number } {
		const box = this.canvas.getBoundingClientRect();
		return { x: e.clientX - box.left - 1, y: e.clientY - box.top - 1 };
	}

	private listen(): void {
		const c = this.canvas;
		c.addEventListener("pointermove", (e) => {
			this.cross = this.point(e);
			if (this.drag && Math.hypot(this.cross.x - this.drag.x, this.cross.y - this.drag.y) > 5) this.drag.moved = true;
			showTip(e.clientX, e.clientY, this.tell(this.cross.x, this.cross.y));
			this.redraw();
		});
		c.addEventListener("pointerdown", (e) => {
			if (e.button !== 0 || e.pointerType === "touch") return;
			this.drag = { ...this.point(e), moved: false };
			c.setPointerCapture(e.pointerId);
		});
		c.addEventListener("pointerup", (e) => {
			const from = this.drag, to = this.point(e);
			this.drag = null;
			if (from?.moved && Math.abs(to.x - from.x) > 5 && Math.abs(to.y - from.y) > 5) this.zoomTo(from, to);
			else setSample(this.s, Math.floor(this.sampleAt(to.x)));
			this.redraw();
		});
		c.addEventListener("pointerleave", () => {
			this.cross = null;
			hideTip();
			this.redraw();
		});
		c.addEventListener("dblclick", () => this.reset());
		c.addEventListener("wheel", (e) => {
			if (!e.ctrlKey && document.activeElement !== c) return; // the page scrolls until the map is clicked
			e.preventDefault();
			const box = c.getBoundingClientRect();
			this.zoom(e.clientX - box.left, e.clientY - box.top, Math.exp(Math.max(-0.5, Math.min(0.5, e.deltaY * 0.003))));
		}, { passive: false });
		c.addEventListener("keydown", (e) => this.key(e));
		c.addEventListener("blur", this.redraw);
	}

	private key(e: KeyboardEvent): void {
		const w = this.canvas.clientWidth, h = this.canvas.clientHeight, step = e.shiftKey ? 40 : 6;
		const at = this.cross ?? { x: w / 2, y: h / 2 };
		const moves: Record<string, [number, number]> = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
		const move = moves[e.key];
		if (move) this.cross = { x: Math.max(0, Math.min(w - 1, at.x + move[0])), y: Math.max(0, Math.min(h - 1, at.y + move[1])) };
		else if (e.key === "+" || e.key === "=") this.zoom(at.x, at.y, 0.5);
		else if (e.key === "-") this.zoom(at.x, at.y, 2);
		else if (e.key === "0" || e.key === "Escape") this.reset();
		else if (e.key === "Enter") setSample(this.s, Math.floor(this.sampleAt(at.x)));
		else return;
		e.preventDefault();
		this.cross ??= at;
		this.readout.innerHTML = this.tell(this.cross.x, this.cross.y).replaceAll("<br>", " · ");
		this.redraw();
	}

	forget(): void {
		this.bitmap = null;
		this.redraw();
	}
}

export async function buildMaps(s: State, sites: () => Sites | null): Promise<void> {
	time.to = s.samples;
	const legend = el("div", { class: "legend live-part" });
	legend.innerHTML = `<span>free <span class="ramp"></span> live</span><span>point at a block to see its size, age and call site</span><span>drag a box to zoom; click a map, then the wheel zooms</span><span>by keys: arrows, + − 0, Enter</span>`;
	for (const f of document.querySelectorAll<HTMLElement>('figure[data-figure="map"]')) {
		const i = Number(f.dataset.design);
		const [live, owned, blocks] = await Promise.all([tile(`d${i}-live`, "u8"), tile(`d${i}-owned`, "u8"), readBlocks(i)]);
		const v = new MapView(s, i, live, owned, blocks, sites, f);
		views.push(v);
		v.draw();
	}
	document.querySelector(".maps")?.after(legend);
	whenSample(() => views.forEach((v) => v.redraw()));
	onTheme(() => views.forEach((v) => v.forget()));
}
