// flame.ts - who allocates: the call tree at a moment, or how it differs from another.
import type { Sites } from "./data";
import { choice, color, context, el, figure, hideTip, livePart, onResize, onTheme, perFrame, showTip } from "./dom";
import { bytes, escape, exact, percent } from "./format";
import { type State, reference, whenSample } from "./state";

type Show = "moment" | "peak" | "end" | "all";
interface Frame { node: number; x: number; w: number; depth: number } // node 0: all; x, w: shares of the root

const ROW = 21;

export function buildFlame(s: State, sites: Sites): void {
	const f = figure("sites");
	if (!f) return;
	const part = livePart(f), { meta } = s, n = sites.nodes;
	const children: number[][] = Array.from({ length: n + 2 }, () => []);
	const UNKNOWN = n + 1; // what no kept call site has
	for (let i = 1; i <= n; i++) children[sites.parent[i - 1]!]!.push(i);
	children[0]!.push(UNKNOWN);
	let deepest = 1;
	const depthOf = new Uint16Array(n + 1);
	for (let i = 1; i <= n; i++) deepest = Math.max(deepest, (depthOf[i] = depthOf[sites.parent[i - 1]!]! + 1));

	let show: Show = "moment", minus = -1, form: "flame" | "list" = deepest > 2 ? "flame" : "list", root = 0, selected = -1;
	let a = new Float64Array(n + 2), b = new Float64Array(n + 2), frames: Frame[] = [];
	const momentNow = () => {
		const event = reference(s).events[s.sample]!;
		return meta.moments.reduce((best, m, i) => (Math.abs(m.event - event) < Math.abs(meta.moments[best]!.event - event) ? i : best), 0);
	};
	const momentOf = (v: Show) => (v === "moment" ? momentNow() : meta.moments.findIndex((m) => m.name === v));
	const nameOfMoment = (i: number) => (i < 0 ? "allocated in all" : `${meta.moments[i]!.name ? `the ${meta.moments[i]!.name}, ` : ""}call ${exact(meta.moments[i]!.event)}`);

	/** Bytes of every node and all below it: parents have lower numbers than their children. */
	const values = (moment: number): Float64Array<ArrayBuffer> => {
		const v = new Float64Array(n + 2);
		let known = 0;
		for (let i = 0; i < sites.count; i++) {
			const own = moment < 0 ? sites.total[i]! : sites.bytes[moment * sites.count + i]!;
			known += own;
			v[sites.node[i] === 0 ? UNKNOWN : sites.node[i]!]! += own;
		}
		if (moment >= 0) v[UNKNOWN]! += Math.max(0, meta.moments[moment]!.payload - known);
		for (let i = n; i >= 1; i--) v[sites.parent[i - 1]!]! += v[i]!;
		v[0]! += v[UNKNOWN]!;
		return v;
	};
	const name = (node: number) => (node === 0 ? "all call sites" : node === UNKNOWN ? "unknown, or too small to keep" : sites.nameOf(node));
	const width = (node: number) => (minus < 0 ? a[node]! : Math.max(a[node]!, b[node]!));

	const layout = () => {
		frames = [];
		const place = (node: number, x: number, w: number, depth: number) => {
			if (w < 0.0007) return;
			frames.push({ node, x, w, depth });
			const all = children[node]!.reduce((sum, c) => sum + width(c), 0), scale = w / Math.max(width(node), all, 1);
			for (const c of [...children[node]!].sort((p, q) => width(q) - width(p))) {
				place(c, x, width(c) * scale, depth + 1);
				x += width(c) * scale;
			}
		};
		place(root, 0, 1, 0);
	};

	const canvas = el("canvas", { class: "flame", tabindex: "0", role: "img", "aria-label": "Call tree. Arrow keys move between frames, Enter zooms in, Escape zooms out." });
	const readout = el("p", { class: "readout", "aria-live": "polite" }), list = el("div", { class: "wide" });
	const describe = (node: number) => `<b>${escape(name(node))}</b>: ${bytes(a[node]!)}, ${a[0]! > 0 ? percent(a[node]! / a[0]!) : "–"}`
		+ (minus >= 0 ? `; ${a[node]! >= b[node]! ? "+" : "−"}${bytes(Math.abs(a[node]! - b[node]!))} against ${nameOfMoment(minus)}` : "");
	const shade = (node: number) => {
		if (minus >= 0) return color(a[node]! > b[node]! ? "p5" : a[node]! < b[node]! ? "p0" : "p6");
		const text = name(node);
		let hash = 0;
		for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) | 0;
		const dark = matchMedia("(prefers-color-scheme: dark)").matches, part = ((hash >>> 3) % 97) / 97;
		return dark ? `hsl(${205 + part * 25} ${28 + part * 14}% ${26 + part * 9}%)` : `hsl(${200 + part * 25} ${45 + part * 20}% ${84 - part * 12}%)`;
	};
	const drawFlame = perFrame(() => {
		const rows = Math.max(2, Math.min(40, 1 + frames.reduce((m, r) => Math.max(m, r.depth), 0)));
		canvas.style.height = `${rows * ROW + 1}px`;
		const { g, w, h } = context(canvas);
		g.clearRect(0, 0, w, h);
		g.font = "12px system-ui, sans-serif";
		g.textBaseline = "middle";
		frames.forEach((r, i) => {
			const x = r.x * w, y = r.depth * ROW, fw = Math.max(1, r.w * w - 1);
			if (y > h) return;
			g.globalAlpha = minus >= 0 ? 0.25 + 0.75 * Math.min(1, Math.abs(a[r.node]! - b[r.node]!) / (width(r.node) || 1)) : 1;
			g.fillStyle = shade(r.node);
			g.fillRect(x, y, fw, ROW - 1);
			g.globalAlpha = 1;
			if (fw > 34) {
				g.save();
				g.beginPath();
				g.rect(x, y, fw - 4, ROW);
				g.clip();
				g.fillStyle = color("ink");
				const sign = minus < 0 ? "" : a[r.node]! > b[r.node]! ? "+ " : a[r.node]! < b[r.node]! ? "− " : "";
				g.fillText(sign + name(r.node), x + 5, y + ROW / 2);
				g.restore();
			}
			if (i === selected) {
				g.strokeStyle = color("ink");
				g.lineWidth = 2;
				g.strokeRect(x + 1, y + 1, Math.max(2, fw - 2), ROW - 3);
			}
		});
	});
	const drawList = () => {
		const order = Array.from({ length: sites.count }, (_, i) => i), moment = momentOf(show);
		const at = (i: number, m: number) => (m < 0 ? sites.total[i]! : sites.bytes[m * sites.count + i]!);
		const value = (i: number) => (minus < 0 ? at(i, moment) : at(i, moment) - at(i, minus));
		const top = order.filter((i) => value(i) !== 0).sort((p, q) => Math.abs(value(q)) - Math.abs(value(p))).slice(0, 20), most = Math.abs(value(top[0] ?? 0)) || 1;
		list.innerHTML = `<table><thead><tr><th scope="col">Call site</th><th scope="col">${minus < 0 ? "bytes" : "difference"}</th><th scope="col">${moment < 0 ? "objects in all" : "objects"}</th></tr></thead><tbody>`
			+ top.map((i) => {
				const objects = moment < 0 ? sites.total[sites.count + i]! : sites.counts[moment * sites.count + i]!;
				return `<tr><th scope="row"><span class="who">${escape(sites.label(i + 1))}</span>${sites.frames(i + 1).length > 1 ? `<br><span class="range">${sites.frames(i + 1).map(escape).join(" ← ")}</span>` : ""}</th>`
					+ `<td class="n withbar">${minus < 0 ? "" : value(i) >= 0 ? "+" : "−"}${bytes(Math.abs(value(i)))}<span class="bar" style="--v:${((100 * Math.abs(value(i))) / most).toFixed(1)}%"></span></td><td class="n">${exact(objects)}</td></tr>`;
			}).join("") + `</tbody></table>`;
	};
	const draw = () => {
		canvas.hidden = form === "list";
		list.hidden = form === "flame";
		if (form === "list") drawList();
		else drawFlame();
		readout.innerHTML = selected >= 0 && form === "flame" ? describe(frames[selected]!.node) : `${show === "moment" ? `Nearest moment kept: ${nameOfMoment(momentNow())}. ` : ""}${bytes(a[0]!)} in all`
			+ (minus >= 0 ? `, against ${bytes(b[0]!)} at ${nameOfMoment(minus)}: orange and + grew, blue and − shrank` : "") + (root ? `; zoomed to ${escape(name(root))}` : "");
	};
	const update = () => {
		a = values(momentOf(show));
		if (minus >= 0) b = values(minus);
		selected = -1;
		layout();
		draw();
	};
	const zoomTo = (node: number) => {
		root = node;
		selected = -1;
		layout();
		draw();
	};
	const frameAt = (x: number, y: number) => frames.findIndex((r) => r.depth === Math.floor(y / ROW) && x >= r.x * canvas.clientWidth && x < (r.x + r.w) * canvas.clientWidth);
	canvas.addEventListener("pointermove", (e) => {
		const i = frameAt(e.offsetX, e.offsetY);
		if (i < 0) return hideTip();
		showTip(e.clientX, e.clientY, describe(frames[i]!.node));
	});
	canvas.addEventListener("pointerleave", hideTip);
	canvas.addEventListener("click", (e) => {
		const i = frameAt(e.offsetX, e.offsetY);
		if (i >= 0) zoomTo(frames[i]!.node === root ? 0 : frames[i]!.node === UNKNOWN ? root : frames[i]!.node);
	});
	canvas.addEventListener("keydown", (e) => {
		const now = frames[Math.max(0, selected)];
		if (!now) return;
		const middle = now.x + now.w / 2;
		const beside = (dir: number) => frames.map((r, i) => ({ r, i })).filter(({ r }) => r.depth === now.depth && dir * (r.x - now.x) > 1e-9).sort((p, q) => dir * (p.r.x - q.r.x))[0]?.i;
		const to = e.key === "ArrowRight" ? beside(1) : e.key === "ArrowLeft" ? beside(-1)
			: e.key === "ArrowDown" ? frames.findIndex((r) => r.depth === now.depth + 1 && r.x >= now.x - 1e-9 && r.x < now.x + now.w)
				: e.key === "ArrowUp" ? frames.findIndex((r) => r.depth === now.depth - 1 && r.x <= middle && r.x + r.w >= middle) : undefined;
		if (e.key === "Enter" && now.node !== UNKNOWN) zoomTo(now.node === root ? 0 : now.node);
		else if (e.key === "Escape") zoomTo(0);
		else if (e.key.startsWith("Arrow")) {
			if (to !== undefined && to >= 0) selected = to;
			else selected = Math.max(0, selected);
			draw();
		} else return;
		e.preventDefault();
	});

	const against = el("select", { "aria-label": "Compare with" }, el("option", { value: "-1" }, "not compared"));
	meta.moments.forEach((_, i) => against.append(el("option", { value: String(i) }, `minus ${nameOfMoment(i)}`)));
	against.addEventListener("change", () => { minus = Number(against.value); update(); });
	part.append(el("div", { class: "tools" },
		choice<Show>("What", [["moment", "At the moment"], ["peak", "Peak"], ["end", "End"], ["all", "Allocated in all"]], show, (v) => { show = v; update(); }),
		against, el("span", { class: "gap" }), choice<"flame" | "list">("Form", [["flame", "Call tree"], ["list", "List"]], form, (v) => { form = v; draw(); })), canvas, list, readout);
	update();
	whenSample(() => { if (show === "moment") update(); });
	onResize(canvas, draw);
	onTheme(draw);
}
