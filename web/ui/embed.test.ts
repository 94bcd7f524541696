import assert from "node:assert/strict";
import { test } from "node:test";
import { embedCode, onlyHere } from "./embed.js";
import { defineFields, read, write } from "./state.js";

const FIELDS = defineFields({ prompt: { kind: "text", default: "a cat", max: 300 } });
const HOSTILE = [
  '"><script>alert(1)</script>',
  "' onload='alert(1)",
  "x".repeat(300),
  "قطة & 🐱 #hide=share",
  "\u0000",
];

/** The attributes of a tag, as a browser reads them. */
function attributes(code: string): Record<string, string> {
  const names: Record<string, string> = { amp: "&", quot: '"', lt: "<", gt: ">" };
  const pairs = code.matchAll(/ ([a-z]+)="([^"]*)"/g);
  return Object.fromEntries(
    [...pairs].map(([, name, value]) => [name!, value!.replace(/&(\w+);/g, (_, mark: string) => names[mark]!)]),
  );
}

test("the code is one empty frame, whatever is in the state and the title", () => {
  for (const prompt of HOSTILE) {
    const fragment = write("fig", { prompt }, "#hide=seed");
    const address = `https://school.example/figures/fig/index.html${fragment}`;
    const code = embedCode({ address, title: prompt, width: 640, height: 900 });
    assert.match(code, /^<iframe( [a-z]+="[^"<>]*")+><\/iframe>$/);
    const { src, title, style, height } = attributes(code);
    assert.deepEqual([src, title, height], [address, prompt, "900"]);
    assert.match(style!, /max-width: 640px$/);
    assert.equal(read("fig", FIELDS, new URL(src!).hash).state["prompt"], prompt);
  }
});

test("a course on this machine knows that nobody else can open it", () => {
  const here = (address: string): boolean => onlyHere(new URL(address) as unknown as Location);
  for (const address of ["http://127.0.0.1:8765/a", "http://localhost/", "file:///course/index.html"]) {
    assert.ok(here(address), address);
  }
  assert.ok(!here("https://school.example/course/"));
});
