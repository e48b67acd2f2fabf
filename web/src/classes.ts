// classes.ts - live and free bytes of each size class of one design, at the chosen moment.
import { tile } from "./data";
import { color, context, el, figure, hideTip, livePart, onResize, onTheme, perFrame, showTip } from "./dom";
import { bytes, percent } from "./format";
import { svgBox } from "./gap";
import { type State, whenDesign, whenSample } from "./state";

interface Classes { size: Float64Array; live: Float32Array; free: Float32Array; order: number[]; samples: number; most: number }

async function read(s: State, i: number): Promise<Classes> {
	const [size, live, free] = await Promise.all([tile(`d${i}-class-size`, "f64"), tile(`d${i}-class-live`, "f32"), tile(`d${i}-class-free`, "f32")]);
	let most = 1;
	for (let k = 0; k < live.length; k++) most = Math.max(most, live[k]! + free[k]!);
	return { size, live, free, samples: s.meta.designs[i]!.samples, most, order: [...size.keys()].sort((a, b) => size[a]! - size[b]!) };
}

export async function buildClasses(s: State): Promise<void> {
	const f = figure("classes");
	if (!f) return;
	const part = livePart(f), canvas = el("canvas", { style: "height:230px", role: "img", "aria-label": "Live and free bytes by size class" });
	const readout = el("p", { class: "readout", "aria-live": "polite" }), legend = el("div", { class: "legend" });
	legend.innerHTML = `<span>${svgBox(0)}live</span><span>${svgBox(3)}free, of that size</span>`;
	part.append(canvas, legend, readout);
	let c = await read(s, s.design);
	const left = 64, bottom = 22, gap = () => (c.order.length > 120 ? 0 : 1);

	const draw = perFrame(() => {
		const { g, w, h } = context(canvas), k = Math.min(s.sample, c.samples - 1), each = (w - left) / c.order.length, high = h - bottom - 8;
		g.clearRect(0, 0, w, h);
		g.font = "12px system-ui, sans-serif";
		g.fillStyle = color("soft");
		g.strokeStyle = color("hair");
		g.textAlign = "right";
		for (const share of [0, 0.5, 1]) {
			const y = 8 + high * (1 - share);
			g.fillText(share === 0 ? "0" : bytes(c.most * share), left - 8, y + 4);
			g.beginPath();
			g.moveTo(left, y + 0.5);
			g.lineTo(w, y + 0.5);
			g.stroke();
		}
		let live = 0, free = 0;
		g.textAlign = "left";
		let labelled = -100;
		c.order.forEach((slot, i) => {
			const a = c.live[slot * c.samples + k]!, b = c.free[slot * c.samples + k]!, x = left + i * each;
			const ha = (a / c.most) * high, hb = (b / c.most) * high;
			live += a;
			free += b;
			g.fillStyle = color("p0");
			g.fillRect(x, 8 + high - ha, Math.max(1, each - gap()), ha);
			g.fillStyle = color("p3");
			g.fillRect(x, 8 + high - ha - hb, Math.max(1, each - gap()), hb);
			if (hb > 2) {
				g.strokeStyle = color("hatch");
				g.strokeRect(x + 0.5, 8.5 + high - ha - hb, Math.max(1, each - gap() - 1), hb - 1);
			}
			if (x - labelled > 64 && x < w - 50) {
				g.fillStyle = color("soft");
				g.fillText(bytes(c.size[slot]!), x, h - 4);
				labelled = x;
			}
		});
		readout.innerHTML = `<b>${s.meta.designs[s.design]!.name}</b>, ${s.meta.designs[s.design]!.classed ? "its own classes" : "chunks by size, four steps to a doubling"}: `
			+ `<b>${bytes(live)}</b> live and <b>${bytes(free)}</b> free at this moment, ${live + free > 0 ? percent(live / (live + free)) : "–"} occupied`;
	});
	canvas.addEventListener("pointermove", (e) => {
		const i = Math.floor(((e.offsetX - left) / (canvas.clientWidth - left)) * c.order.length), slot = c.order[i];
		if (slot === undefined) return hideTip();
		const k = Math.min(s.sample, c.samples - 1), a = c.live[slot * c.samples + k]!, b = c.free[slot * c.samples + k]!;
		showTip(e.clientX, e.clientY, `<b>${bytes(c.size[slot]!)}${s.meta.designs[s.design]!.classed ? "" : " and up"}</b><br>${bytes(a)} live, ${bytes(b)} free${a + b > 0 ? `<br>${percent(a / (a + b))} occupied` : ""}`);
	});
	canvas.addEventListener("pointerleave", hideTip);
	draw();
	whenSample(draw);
	whenDesign(async () => { c = await read(s, s.design); draw(); });
	onResize(canvas, draw);
	onTheme(draw);
}
