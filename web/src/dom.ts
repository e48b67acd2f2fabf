// dom.ts - small helpers for the document, colours of the present theme, and the tip at the pointer.

type Child = Node | string;

export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Record<string, string> = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
	const e = document.createElement(tag);
	for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
	e.append(...children);
	return e;
}

export const figure = (name: string): HTMLElement | null => document.querySelector(`figure[data-figure="${name}"]`);

/** The script's part of a figure, above its caption. */
export function livePart(f: HTMLElement): HTMLDivElement {
	const part = el("div", { class: "live-part" });
	f.insertBefore(part, f.querySelector("figcaption"));
	return part;
}

// ---- theme ----

let style = getComputedStyle(document.documentElement);
const listeners: (() => void)[] = [];
export const color = (name: string): string => style.getPropertyValue(`--${name}`).trim();
export const onTheme = (f: () => void): void => void listeners.push(f);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
	style = getComputedStyle(document.documentElement);
	for (const f of listeners) f();
});

export function rgb(name: string): [number, number, number] {
	const hex = color(name).replace("#", "");
	return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)) as [number, number, number];
}

// ---- canvas ----

/** Fit the canvas to its box; what it returns draws in CSS pixels. */
export function context(canvas: HTMLCanvasElement): { g: CanvasRenderingContext2D; w: number; h: number } {
	const ratio = devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
	if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
		canvas.width = Math.round(w * ratio);
		canvas.height = Math.round(h * ratio);
	}
	const g = canvas.getContext("2d")!;
	g.setTransform(ratio, 0, 0, ratio, 0, 0);
	return { g, w, h };
}

export function onResize(e: Element, f: () => void): void {
	let width = e.clientWidth;
	new ResizeObserver(() => {
		if (e.clientWidth === width) return;
		width = e.clientWidth;
		f();
	}).observe(e);
}

/** At most once a frame. */
export function perFrame(f: () => void): () => void {
	let asked = false;
	return () => {
		if (asked) return;
		asked = true;
		requestAnimationFrame(() => {
			asked = false;
			f();
		});
	};
}

// ---- tip ----

const tip = el("div", { id: "tip", role: "status", hidden: "" });
document.body.append(tip);

export function showTip(x: number, y: number, html: string): void {
	tip.innerHTML = html;
	tip.hidden = false;
	const box = tip.getBoundingClientRect();
	tip.style.left = `${Math.max(4, x + 14 + box.width > innerWidth ? x - box.width - 14 : x + 14)}px`;
	tip.style.top = `${Math.max(4, y + 16 + box.height > innerHeight ? y - box.height - 12 : y + 16)}px`;
}
export const hideTip = (): void => void (tip.hidden = true);

/** Buttons of which one is pressed. */
export function choice<T extends string>(label: string, options: [T, string][], chosen: T, choose: (v: T) => void): HTMLElement {
	const group = el("span", { class: "group", role: "group", "aria-label": label });
	for (const [value, text] of options) {
		const b = el("button", { type: "button", "aria-pressed": String(value === chosen) }, text);
		b.addEventListener("click", () => {
			for (const other of group.children) other.setAttribute("aria-pressed", String(other === b));
			choose(value);
		});
		group.append(b);
	}
	return group;
}
