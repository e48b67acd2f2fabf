// build.mjs - web/src into one file, web/dist/report.html.  The same sources and the same lock file give
// the same bytes; `node build.mjs FILE` writes elsewhere, for the test that compares.
import { build } from "esbuild";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const common = { bundle: true, minify: true, write: false, absWorkingDir: here, charset: "utf8", legalComments: "none" };
const script = await build({ ...common, entryPoints: ["src/main.ts"], format: "iife", target: "es2022" });
const style = await build({ ...common, entryPoints: ["src/style.css"] });

const js = script.outputFiles[0].text.trim().replaceAll("</script", "<\\/script");
const css = style.outputFiles[0].text.trim();
const page = readFileSync(join(here, "src/page.html"), "utf8")
	.replace("/*style*/", () => css)
	.replace("/*script*/", () => js);
writeFileSync(process.argv[2] ?? join(here, "dist/report.html"), page);
