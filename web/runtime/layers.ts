/** A sentence of several things, drawn in layers: each thing alone, then all of them where the sentence says.
 * Counterpart: src/bozzetto/runtime/layers.py, which says why. */
import { CONCEPTS, FRAME, LAYERS, LAYOUTS, NOUNS, NUMBERS, PALETTE, PLURALS } from "./generated.js";
import { SPACE } from "./tokenizer.js";

type Layout = keyof typeof LAYOUTS;
type Color = keyof typeof PALETTE;

export interface Plan {
  /** A prompt for each drawing. */
  things: string[];
  /** Its boxes hold the things one after the other, or the one thing all of them. */
  layout: Layout;
  /** By default there is none: what is drawn is transparent. */
  background?: Color;
}

const anyOf = (words: readonly string[]) => `(?:${words.join("|")})`;
/** A wording with its holes filled. */
export function filled(wording: string, holes: Record<string, string>): string {
  return wording.replace(/\{(\w+)\}/g, (_, hole: string) => holes[hole]!);
}
const ONE = "(?<one>.+)";
const OTHER = "(?<other>.+)";
const HOLES: Record<string, string> = {
  a: ONE,
  one: ONE,
  many: ONE,
  b: OTHER,
  other: OTHER,
  count: `(?<count>${NUMBERS.slice(2).join("|")})`,
  digit: "(?<count>[2-5])",
};
const SENTENCES = LAYERS.said.map(([layout, said]) => ({
  layout,
  said,
  pattern: new RegExp(`^${filled(said, HOLES)}$`),
}));
const COLOR = anyOf(Object.keys(PALETTE));
const GROUND = new RegExp(`${filled(anyOf(LAYERS.grounds), { a: `an? ${COLOR}`, color: COLOR })}$`);
const REWORDED = LAYERS.reworded.map(([pattern, word]) => [new RegExp(pattern, "g"), word] as const);
const LINKS = new Set<string>(LAYERS.links);
const NAMES = new Set<string>([...NOUNS, ...Object.values(CONCEPTS)]);
const MANY = new Map<string, string>(
  [...NAMES].map((noun) => [(PLURALS as Record<string, string>)[noun] ?? `${noun}s`, noun]),
);
const SPACES = new RegExp(`[${SPACE}]+`, "g");

/** "Two red cars on a blue background" -> "red car", twice, on blue. Undefined for what is not said like the world's
 * scenes; a thing may have any name after an article, else it must be one of theirs. */
export function read(prompt: string): Plan | undefined {
  const { text, ...background } = onGround(prompt);
  for (const { layout, said, pattern } of SENTENCES) {
    const { one, other, count } = pattern.exec(text)?.groups ?? {};
    if (one === undefined) continue;
    const things = other === undefined ? [singular(one)] : [one, other];
    const sure = other === undefined || !said.startsWith("{");
    const known = said.includes(" with "); // a man with a beard is one thing
    if (!things.every((thing) => isOne(thing, sure, known))) continue;
    const number = NUMBERS.indexOf(count as (typeof NUMBERS)[number]);
    return { things, layout: (number < 0 ? (count ?? layout) : String(number)) as Layout, ...background };
  }
  const listed = text.split(/,? and |, /);
  if (listed.length < 3 || listed.length > 5 || !listed.every((thing) => isOne(thing))) return undefined;
  return { things: listed, layout: String(listed.length) as Layout, ...background };
}

/** A sentence in small letters and usual words, and the background that it names at its end. */
export function onGround(prompt: string): { text: string; background?: Color } {
  let text = prompt.toLowerCase().replace(SPACES, " ");
  for (const [pattern, word] of REWORDED) text = text.replace(pattern, word);
  const ground = GROUND.exec(text);
  if (!ground) return { text };
  const isColor = (word: string): word is Color => Object.hasOwn(PALETTE, word);
  const background = ground[0].split(" ").find(isColor)!;
  return { text: text.slice(0, ground.index).replace(...REWORDED[0]!), background };
}

/** Whether some words are one thing: after an article, or called by a noun of scenes. sure: the sentence leaves no doubt
 * that it is a thing; known: it must be called so. */
function isOne(thing: string, sure = false, known = false): boolean {
  const bare = thing.replace(/^(?:an?|the) /, "");
  const words = bare.split(" ");
  const last = words.at(-1)!;
  if (!bare || words.length > LAYERS.words || words.some((word) => LINKS.has(word))) return false;
  if (bare.includes(",") || Object.hasOwn(PALETTE, last)) return false;
  const names = [last, words.slice(-2).join(" ")];
  if (known) return names.some((name) => NAMES.has(name));
  return sure || bare !== thing || names.some((name) => NAMES.has(name) || MANY.has(name));
}

/** "small mice" -> "small mouse". Nothing is left of what is no plural, or of many words of which none is known. */
function singular(things: string): string {
  const words = things.split(" ");
  for (const many of [2, 1]) {
    const noun = MANY.get(words.slice(-many).join(" "));
    if (noun) return [...words.slice(0, -many), noun].join(" ");
  }
  if (words.length > 2 || /(?:ss|us)$/.test(things)) return "";
  const one = things.replace(/ies$/, "y");
  if (one !== things) return one;
  const bare = things.replace(/(?:(?<=ss|sh|ch)es|(?<=[xz])es|s)$/, "");
  return bare === things ? "" : bare;
}

/** The picture of a prompt in layers if it can be read so, else as it is; `draw` draws one thing. */
export async function inLayers(prompt: string, draw: (thing: string) => Promise<Uint8ClampedArray>) {
  const plan = read(prompt);
  if (!plan) return draw(prompt);
  const pictures: Uint8ClampedArray[] = [];
  for (const thing of plan.things) pictures.push(await draw(thing));
  return together(plan, pictures);
}

/** A picture with colours times alpha, in [0, 1]. */
interface Sprite {
  data: Float64Array;
  width: number;
  height: number;
}

/** The pictures of a plan's things, RGBA 64 x 64, as one: what is visible of each fills its boxes along its longer side
 * and stands in their middle along the other. */
export function together({ layout, background }: Plan, pictures: readonly Uint8ClampedArray[]): Uint8ClampedArray {
  const canvas = new Float64Array(4 * FRAME * FRAME);
  const ground = background && PALETTE[background].match(/\w\w/g)!.map((byte) => parseInt(byte, 16) / 255);
  if (ground) for (let i = 0; i < canvas.length; i++) canvas[i] = ground[i % 4] ?? 1;
  for (const [i, [x, y, side]] of LAYOUTS[layout].entries()) {
    const { data, width, height } = fitted(pictures[Math.min(i, pictures.length - 1)]!, side);
    const [left, top] = [x + ((side - width) >> 1), y + ((side - height) >> 1)];
    for (let at = 0; at < data.length; at += 4) {
      const [row, column] = [Math.floor(at / 4 / width), (at / 4) % width];
      const under = 4 * ((top + row) * FRAME + left + column);
      for (let c = 0; c < 4; c++) canvas[under + c] = canvas[under + c]! * (1 - data[at + 3]!) + data[at + c]!;
    }
  }
  const picture = new Uint8ClampedArray(canvas.length); // which rounds as numpy does
  for (let i = 0; i < canvas.length; i++) {
    const alpha = canvas[i | 3]!;
    if (i % 4 === 3) picture[i] = 255 * alpha;
    else if (alpha > 0.5 / 255) picture[i] = (255 * canvas[i]!) / alpha;
  }
  return picture;
}

/** What is visible of a picture RGBA 64 x 64, with this longer side. */
function fitted(picture: Uint8ClampedArray, side: number): Sprite {
  let [left, top, right, bottom]: [number, number, number, number] = [FRAME, FRAME, 0, 0];
  for (let i = 0; i < FRAME * FRAME; i++) {
    if (picture[4 * i + 3]! < LAYERS.visible) continue;
    const [x, y] = [i % FRAME, Math.floor(i / FRAME)];
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
  }
  if (right < left) return { data: new Float64Array(), width: 0, height: 0 };
  const longer = Math.max(right - left, bottom - top);
  const length = (old: number) => Math.max(1, Math.floor((side * old) / longer + 0.5));
  const [width, height] = [length(right - left), length(bottom - top)];
  const [across, down] = [resampling(right - left, width), resampling(bottom - top, height)];
  const data = new Float64Array(4 * width * height);
  for (const [row, rows] of down.entries()) {
    for (const [column, columns] of across.entries()) {
      for (const [y, much] of rows) {
        for (const [x, more] of columns) {
          const from = 4 * ((top + y) * FRAME + left + x);
          const alpha = (much * more * picture[from + 3]!) / 255;
          const to = 4 * (row * width + column);
          for (let c = 0; c < 3; c++) data[to + c]! += (alpha * picture[from + c]!) / 255;
          data[to + 3]! += alpha;
        }
      }
    }
  }
  return { data, width, height };
}

/** For each new pixel of a line the old ones that are of it, and how much, by a triangle as wide as the coarser. */
function resampling(old: number, size: number): [number, number][][] {
  const reach = Math.max(old / size, 1);
  return Array.from({ length: size }, (_, i) => {
    const middle = ((i + 0.5) * old) / size;
    const weights = Array.from({ length: old }, (_, j) => Math.max(0, 1 - Math.abs(middle - j - 0.5) / reach));
    const sum = weights.reduce((a, b) => a + b);
    return weights.flatMap((weight, j): [number, number][] => (weight ? [[j, weight / sum]] : []));
  });
}
