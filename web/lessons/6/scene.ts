// A scene in a line of text for the link, the picture it becomes, and its squares: tiles that are covered and mixed,
// patches that are lit.
// "white*pig.2.18.28*tree.34.4.30" is a white ground, a pig in a box of 28 pixels at (2, 18), and a tree.
// Names and questions are English in every language of the course, because English is what the model reads.
import { philox } from "../../runtime/noise.js";
import { a, plural } from "../../core/words.js";
import { FRAME, PALETTE, VLM } from "../../runtime/generated.js";
import { onWhite } from "../../runtime/pixels.js";

export const TILES = 16; // that are covered and mixed, each four patches
export const PATCHES: number = VLM.patches;
export const MOST = 4; // things in a scene
export const SMALLEST = 12;
const USUAL = 28;

/** What the tray holds: drawings that the model has never seen and yet names, small and large. */
export const TRAY = (
  "lion pig horse penguin whale frog crab butterfly tree sunflower mushroom apple pumpkin melon peach hamburger " +
  "doughnut cookie car rocket guitar house balloon ghost"
).split(" ");

export interface Thing {
  name: string; // of the tray
  x: number; // of the left edge of its box
  y: number; // of the upper edge
  size: number;
}

export interface Scene {
  ground: string;
  things: Thing[];
}

const names = TRAY.join("|");
export const FORM = new RegExp(
  `^(${Object.keys(PALETTE).join("|")})(\\*(${names})\\.\\d{1,2}\\.\\d{1,2}\\.\\d{1,2}){0,${MOST}}$`,
);

export const READY: Record<string, string> = {
  above: "white*tree.16.1.32*penguin.20.39.24",
  beside: "blue*pig.2.18.28*horse.34.18.28",
  count: "yellow*apple.3.3.26*apple.35.5.26*apple.18.35.26",
  size: "white*lion.2.10.42*butterfly.46.24.16",
};

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, Math.round(value)));
}

/** A thing that lies wholly in the frame. */
export function inside({ name, x, y, size }: Thing): Thing {
  const side = clamp(size, SMALLEST, FRAME);
  return { name, x: clamp(x, 0, FRAME - side), y: clamp(y, 0, FRAME - side), size: side };
}

export function parse(text: string): Scene {
  const [ground, ...things] = text.split("*");
  return {
    ground: ground!,
    things: things.map((each) => {
      const [name, x, y, size] = each.split(".");
      return inside({ name: name!, x: Number(x), y: Number(y), size: Number(size) });
    }),
  };
}

export function write({ ground, things }: Scene): string {
  return [ground, ...things.map(({ name, x, y, size }) => [name, x, y, size].join("."))].join("*");
}

/** The scene with one thing more, in the quarter that is emptiest, or in the middle of where it was dropped. */
export function add(scene: Scene, name: string, at?: { x: number; y: number }): Scene {
  if (scene.things.length >= MOST) return scene;
  const quarters = [
    { x: 16, y: 16 },
    { x: 48, y: 16 },
    { x: 16, y: 48 },
    { x: 48, y: 48 },
  ];
  const room = ({ x, y }: { x: number; y: number }) =>
    Math.min(...scene.things.map((one) => Math.hypot(one.x + one.size / 2 - x, one.y + one.size / 2 - y)));
  const middle = at ?? quarters.sort((a, b) => room(b) - room(a))[0]!;
  const thing = inside({ name, x: middle.x - USUAL / 2, y: middle.y - USUAL / 2, size: USUAL });
  return { ...scene, things: [...scene.things, thing] };
}

export function change(scene: Scene, index: number, how: Partial<Thing>): Scene {
  return { ...scene, things: scene.things.map((one, i) => (i === index ? inside({ ...one, ...how }) : one)) };
}

/** The thing on top at a place, or -1. */
export function thingAt({ things }: Scene, x: number, y: number): number {
  const hit = (one: Thing) => x >= one.x && y >= one.y && x < one.x + one.size && y < one.y + one.size;
  return things.map(hit).lastIndexOf(true);
}

/** Which tile stands at each place: in order for seed 0, else mixed (Fisher and Yates 1938). */
export function order(seed: number): number[] {
  const places = Array.from({ length: TILES }, (_, i) => i);
  if (!seed) return places;
  for (let i = TILES - 1; i > 0; i--) {
    const other = philox([i, 0, 0, 0], [seed, 0])[0] % (i + 1);
    [places[i], places[other]] = [places[other]!, places[i]!];
  }
  return places;
}

export function covers(covered: number, tile: number): boolean {
  return ((covered >> tile) & 1) === 1;
}

/** Row and column of one of `count` equal squares of the frame. */
export function cell(place: number, count: number): { row: number; column: number } {
  const across = Math.sqrt(count);
  return { row: Math.floor(place / across), column: place % across };
}

/** Pixels of one of `count` squares in a picture of bytes RGBA, by where each begins. */
function* bytesOf(place: number, count: number): Generator<number> {
  const { row, column } = cell(place, count);
  const side = FRAME / Math.sqrt(count);
  for (let y = side * row; y < side * (row + 1); y++)
    for (let x = side * column; x < side * (column + 1); x++) yield 4 * (FRAME * y + x);
}

/** The picture on white as the model gets it: its tiles mixed by the seed, those covered (a bit each) grey. */
export function arrange(picture: Uint8ClampedArray, covered: number, seed: number): Uint8ClampedArray {
  const made = new Uint8ClampedArray(picture.length).fill(255);
  for (const [place, tile] of order(seed).entries()) {
    const from = [...bytesOf(tile, TILES)];
    for (const [i, to] of [...bytesOf(place, TILES)].entries()) {
      const alpha = picture[from[i]! + 3]!;
      for (let c = 0; c < 3; c++) {
        made[to + c] = covers(covered, tile) ? 140 : Math.round(onWhite(picture[from[i]! + c]!, alpha));
      }
    }
  }
  return made;
}

/** The picture dark but where it was looked at most. Counterpart: explain in src/bozzetto/runtime/ask.py */
export function lit(picture: Uint8ClampedArray, looked: Float32Array): Uint8ClampedArray {
  const made = picture.slice();
  const most = Math.max(...looked);
  for (let place = 0; place < PATCHES; place++) {
    const light = 0.25 + (0.75 * looked[place]!) / most;
    for (const at of bytesOf(place, PATCHES)) for (let c = 0; c < 3; c++) made[at + c]! *= light;
  }
  return made;
}

/** The pixels of one of `count` squares: a tile or a patch. */
export function squareOf(picture: Uint8ClampedArray, place: number, count: number): Uint8ClampedArray {
  const from = [...bytesOf(place, count)];
  const square = new Uint8ClampedArray(4 * from.length);
  from.forEach((at, i) => square.set(picture.subarray(at, at + 4), 4 * i));
  return square;
}

const PATCH = FRAME / Math.sqrt(PATCHES);
const LINE = [227, 216, 198, 255];

/** How wide so many patches are beside each other, with a line between two. */
export function stripWidth(count: number): number {
  return count * (PATCH + 1) - 1;
}

/** The pixels of patches beside each other. */
export function stripOf(picture: Uint8ClampedArray, places: readonly number[]): Uint8ClampedArray {
  const width = stripWidth(places.length);
  const strip = new Uint8ClampedArray(4 * PATCH * width);
  for (let at = 0; at < strip.length; at += 4) strip.set(LINE, at);
  places.forEach((place, i) => {
    const patch = squareOf(picture, place, PATCHES);
    for (let row = 0; row < PATCH; row++) {
      strip.set(patch.subarray(4 * PATCH * row, 4 * PATCH * (row + 1)), 4 * (row * width + i * (PATCH + 1)));
    }
  });
  return strip;
}

/** Row and column, from 1, of the patch that was looked at most. */
export function mostLooked(looked: Float32Array): { row: number; column: number } {
  const { row, column } = cell(looked.indexOf(Math.max(...looked)), PATCHES);
  return { row: 1 + row, column: 1 + column };
}

/** Questions about a scene, as the model has met them: it was asked to count where one kind was there, for places where
 * two things were of about one size, and else which is bigger. Without a scene, about any picture. */
export function questions(scene?: Scene): string[] {
  const things = scene?.things ?? [];
  const kinds = [...new Set(things.map(({ name }) => name))];
  const absent = kinds.includes("guitar") ? "whale" : "guitar";
  return [
    ...(things.length === 2 && kinds.length === 2 ? compared(things) : []),
    ...(kinds.length < 2 ? ["what is this?", `how many ${plural(kinds[0] ?? "thing")} are there?`] : []),
    ...[...kinds, absent].map((name) => `is there ${a(name)}?`),
    "what color is the background?",
    "describe the picture.",
    "how much does it weigh?",
  ];
}

function compared(things: Thing[]): string[] {
  const [small, big] = [...things].sort((a, b) => a.size - b.size) as [Thing, Thing];
  if (big.size >= 1.5 * small.size) {
    const pair = things.map(({ name }) => `the ${name}`).join(" or ");
    return [`which is bigger, ${pair}?`, `which is smaller, ${pair}?`];
  }
  for (const [way, before, after] of [
    ["y", "above", "below"],
    ["x", "left of", "right of"],
  ] as const) {
    const [first, last] = [...things].sort((a, b) => a[way] - b[way]) as [Thing, Thing];
    if (first[way] + first.size > last[way]) continue;
    return [
      `what is ${after} the ${first.name}?`,
      `what is ${before} the ${last.name}?`,
      `is the ${first.name} ${before} or ${after} the ${last.name}?`,
    ];
  }
  return [];
}
