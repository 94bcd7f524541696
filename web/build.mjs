// Bundles the page's scripts and styles and places ONNX Runtime's files beside them: `npm run build`.
import { build } from "esbuild";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { brotliCompressSync, constants } from "node:zlib";

const to = "src/bozzetto/course/built/assets";
const runtime = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"];

await mkdir(`${to}/ort`, { recursive: true });
for (const name of await readdir(to)) if (name !== "ort") await rm(`${to}/${name}`, { recursive: true });
// Not every web server, nor every learning platform, knows that .mjs is a script. To pack the runtime for the server
// takes longer than all the rest, so it is done when there is another runtime.
for (const file of runtime) {
  const [source, place] = [await readFile(`node_modules/onnxruntime-web/dist/${file}`), `${to}/ort/${file.replace(".mjs", ".js")}`];
  const old = (await readFile(place).catch(() => undefined))?.equals(source) && (!file.endsWith(".wasm") || existsSync(`${place}.br`));
  if (old) continue;
  if (file.endsWith(".wasm")) {
    const params = { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_LGWIN]: 24 };
    await writeFile(`${place}.br`, brotliCompressSync(source, { params }));
  }
  await writeFile(place, source);
}

const options = { bundle: true, minify: true, target: "es2022", outdir: `${to}/js`, logLevel: "warning", legalComments: "eof" };
// The page and its lessons share chunks; each lesson is fetched when its figure is near.
await build({ ...options, entryPoints: { main: "web/main.ts" }, format: "esm", splitting: true, chunkNames: "[name]-[hash]" });
// The theme is set before the first paint, so it is a classic script that blocks.
await build({ ...options, entryPoints: { theme: "web/theme.ts" }, format: "iife" });
// The page around the course in a package for learning platforms.
await build({ ...options, entryPoints: { scorm: "web/scorm/frame.ts" }, format: "esm" });
// ONNX Runtime is a file of its own, fetched by the worker when a figure is near.
await build({ ...options, entryPoints: { worker: "web/runtime/worker.ts" }, format: "esm", external: ["*/ort.wasm.min.js"] });
// What every page shows is one sheet. The first page and each lesson have one more, which names what is on them; so have
// the pages that stand apart from the lessons, a lesson that is presented, and the page around the course.
const lessons = (await readdir("web/lessons")).map((number) => [`lessons/${number}`, `web/lessons/${number}/lesson.css`]);
const core = Object.fromEntries(["site", "alone", "teachers", "present", "scorm"].map((name) => [name, `web/core/${name}.css`]));
const sheets = { ...core, home: "web/home/home.css", ...Object.fromEntries(lessons) };
await build({ ...options, entryPoints: sheets, outdir: to, loader: { ".woff2": "file" }, assetNames: "fonts/[name]-[hash]" });
await copyFile("node_modules/@fontsource/source-serif-4/LICENSE", `${to}/fonts/OFL.txt`);
