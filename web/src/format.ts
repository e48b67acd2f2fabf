// format.ts - numbers for people: three digits and a unit.

function digits(v: number): string {
	const a = Math.abs(v);
	return v.toFixed(a < 9.995 ? 2 : a < 99.95 ? 1 : 0);
}

export function bytes(v: number): string {
	if (Math.abs(v) < 999.5) return `${Math.round(v)} B`;
	let i = 0;
	for (; Math.abs(v) >= 999.5 && i < 4; i++) v /= 1024;
	return `${digits(v)} ${["B", "KiB", "MiB", "GiB", "TiB"][i]}`;
}

export function count(v: number): string {
	return v < 9999.5 ? String(Math.round(v)) : v < 999.5e3 ? `${digits(v / 1e3)} k` : v < 999.5e6 ? `${digits(v / 1e6)} M` : `${digits(v / 1e9)} G`;
}

export const exact = (v: number): string => Math.round(v).toLocaleString("en-US");
export const percent = (v: number): string => `${v >= 0.0995 || v === 0 ? Math.round(v * 100) : (v * 100).toFixed(1)} %`;

export function seconds(ns: number): string {
	const s = ns * 1e-9;
	return s < 0.9995e-3 ? `${digits(s * 1e6)} µs` : s < 0.9995 ? `${digits(s * 1e3)} ms` : `${digits(s)} s`;
}

export const plural = (n: number, word: string): string => `${n < 1e4 ? exact(n) : count(n)} ${word}${n === 1 ? "" : "s"}`;

export function escape(text: string): string {
	return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);
}
