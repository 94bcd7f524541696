// Does a picture hold what a sentence asked for? The things are found, then the facts are checked, exactly.
// Counterpart: src/bozzetto/metrics/composition.py, which says why it is done so.
import { COLORS, FRAME } from "../../runtime/generated.js";
import type { Asked } from "./asked.js";

const SMALL = 11; // pixels: a region whose longer side is below this is never a thing by itself
const REACH = 4; // pixels: how far a part may be from its thing
const APART = 4; // pixels: how far middles must be apart along an axis to be left of or above
const LARGER = 1.2; // ratio of longer sides from which one thing is the bigger one

/** One thing in a picture: its pixels, holes left out, and its box, right and bottom excluded. */
export interface Found {
  mask: Uint8Array;
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const longer = (a: Found) => Math.max(a.bottom - a.top, a.right - a.left);

/** Pixels between two boxes, along the axis where they are farther apart; below 0 they overlap. */
function gap(a: Found, b: Found): number {
  const across = Math.max(a.left, b.left) - Math.min(a.right, b.right);
  return Math.max(across, Math.max(a.top, b.top) - Math.min(a.bottom, b.bottom));
}

/** The value below which a share of numbers lies, between two of them by a straight line. */
function quantile(numbers: number[], share: number): number {
  const sorted = numbers.sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (at - Math.floor(at)) * (sorted[Math.ceil(at)]! - low);
}

const PLACES = [...Array(FRAME * FRAME).keys()];
const isEdge = (i: number) => i % FRAME === 0 || i % FRAME === FRAME - 1 || i < FRAME || i >= FRAME * (FRAME - 1);
const BORDER = PLACES.filter(isEdge);

/** Which pixels of a picture RGBA are not background. */
function foreground(picture: Uint8ClampedArray): Uint8Array {
  // Colours times alpha: the colour under full transparency means nothing.
  const rgba = new Float32Array(picture);
  for (let i = 0; i < rgba.length; i++) if (i % 4 < 3) rgba[i]! *= Math.fround(picture[i | 3]! / 255);
  const ground = [0, 1, 2, 3].map((c) =>
    quantile(
      BORDER.map((i) => rgba[4 * i + c]!),
      0.5,
    ),
  );
  if (ground[3]! < 128) return Uint8Array.from(PLACES, (i) => Number(rgba[4 * i + 3]! >= 128));
  const off = (i: number): number => {
    let most = 0;
    for (let c = 0; c < 4; c++) most = Math.max(most, Math.abs(rgba[4 * i + c]! - ground[c]!));
    return most;
  };
  const threshold = Math.min(60, Math.max(30, 3 * quantile(BORDER.map(off), 0.75)));
  return Uint8Array.from(PLACES, (i) => Number(off(i) > threshold));
}

const FOUR = [[0, -1], [-1, 0], [1, 0], [0, 1]] as const; // prettier-ignore
const EIGHT = [...FOUR, [-1, -1], [1, -1], [-1, 1], [1, 1]] as const;

/** The pixels that can be walked to from one over pixels that are `inside`, by steps of a kind. */
function flood(start: number, steps: readonly (readonly [number, number])[], inside: (i: number) => boolean): number[] {
  const seen = new Uint8Array(FRAME * FRAME);
  const walked = [start];
  seen[start] = 1;
  for (const i of walked) {
    const [column, row] = [i % FRAME, Math.floor(i / FRAME)];
    for (const [dx, dy] of steps) {
      const [x, y, next] = [column + dx, row + dy, i + dy * FRAME + dx];
      if (x < 0 || y < 0 || x >= FRAME || y >= FRAME || seen[next] || !inside(next)) continue;
      seen[next] = 1;
      walked.push(next);
    }
  }
  return walked;
}

/** What can not be reached from the edge without crossing a visible pixel. */
function filled(visible: Uint8Array): Uint8Array {
  const whole = new Uint8Array(visible.length).fill(1);
  for (const i of BORDER) {
    if (visible[i] || !whole[i]) continue;
    for (const at of flood(i, FOUR, (next) => !visible[next])) whole[at] = 0;
  }
  return whole;
}

function box(mask: Uint8Array): Found {
  const places = [...mask.keys()].filter((i) => mask[i]);
  const [xs, ys] = [places.map((i) => i % FRAME), places.map((i) => Math.floor(i / FRAME))];
  const edges = {
    left: Math.min(...xs),
    top: Math.min(...ys),
    right: Math.max(...xs) + 1,
    bottom: Math.max(...ys) + 1,
  };
  return { mask, ...edges };
}

function joined(masks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(FRAME * FRAME);
  for (const mask of masks) for (let i = 0; i < all.length; i++) all[i]! |= mask[i]!;
  return all;
}

/** The things in a picture RGBA 64 x 64, the longest first. */
export function findObjects(picture: Uint8ClampedArray): Found[] {
  const visible = foreground(picture);
  const solid = filled(visible);
  const left = Uint8Array.from(solid);
  let whole: Found[] = [];
  for (let i = 0; i < left.length; i++) {
    if (!left[i]) continue;
    const mask = new Uint8Array(left.length);
    for (const at of flood(i, EIGHT, (next) => Boolean(solid[next]))) {
      left[at] = 0;
      mask[at] = visible[at]!;
    }
    let region = box(mask);
    for (;;) {
      const met = whole.filter((other) => gap(region, other) < 0);
      if (!met.length) break;
      whole = whole.filter((other) => !met.includes(other));
      region = box(joined([region.mask, ...met.map((other) => other.mask)]));
    }
    whole.push(region);
  }
  const objects = whole.filter((region) => longer(region) >= SMALL);
  for (const part of whole.filter((region) => longer(region) < SMALL)) {
    const gaps = objects.map((object) => gap(object, part));
    const at = gaps.indexOf(Math.min(...gaps));
    if (at >= 0 && gaps[at]! <= REACH) objects[at] = box(joined([objects[at]!.mask, part.mask]));
  }
  return objects.sort((a, b) => longer(b) - longer(a));
}

/** By sRGB's bytes, as much light as they stand for. */
const LIGHT = Float64Array.from({ length: 256 }, (_, byte) => {
  const s = byte / 255;
  return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
});

/** sRGB as OKLab (Ottosson 2020). */
function oklab(red: number, green: number, blue: number): [number, number, number] {
  const [r, g, b] = [LIGHT[red]!, LIGHT[green]!, LIGHT[blue]!];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

const WORN = Object.entries(COLORS).map(([name, rgb]) => ({ name, lab: oklab(rgb[0], rgb[1], rgb[2]) }));

/** The name of the colour that most of the things' pixels wear; each votes with its chroma as weight. */
export function dominantColor(picture: Uint8ClampedArray, found: readonly Found[]): string {
  const votes = new Float64Array(WORN.length);
  const inside = joined(found.map(({ mask }) => mask));
  for (let i = 0; i < inside.length; i++) {
    if (!inside[i]) continue;
    const [l, a, b] = oklab(picture[4 * i]!, picture[4 * i + 1]!, picture[4 * i + 2]!);
    let [nearest, least] = [0, Infinity];
    for (const [at, { lab }] of WORN.entries()) {
      const gap = ((l - lab[0]) / 2) ** 2 + (a - lab[1]) ** 2 + (b - lab[2]) ** 2;
      if (gap < least) [nearest, least] = [at, gap];
    }
    votes[nearest]! += Math.sqrt(a * a + b * b);
  }
  return WORN[votes.indexOf(Math.max(...votes))]!.name;
}

/** Whether the first is to the second as a relation of WORDINGS says. */
export function relationHolds(first: Found, second: Found, relation: string): boolean {
  const right = (first.left + first.right - second.left - second.right) / 2;
  const below = (first.top + first.bottom - second.top - second.bottom) / 2;
  switch (relation) {
    case "left of":
      return -right >= APART;
    case "right of":
      return right >= APART;
    case "above":
      return -below >= APART;
    case "below":
      return below >= APART;
    case "bigger than":
      return longer(first) >= LARGER * longer(second);
    default:
      return longer(second) >= LARGER * longer(first);
  }
}

/** A fact that was asked for: whether the picture holds it, and what was seen instead. */
export interface Mark {
  fact: "count" | "color" | "two" | "place" | "size";
  met: boolean;
  saw: string | number;
}

/** How well each thing of a picture is named by each of `names`, as a list of scores a thing. */
export interface Named {
  names: readonly string[];
  scores: readonly ArrayLike<number>[];
}

const TOP = 5; // a thing bears a name that is among so many first ones

/** The marks of a picture. To tell two things apart takes their names. */
export function marks(picture: Uint8ClampedArray, found: readonly Found[], asked: Asked, named?: Named): Mark[] {
  const all: Mark[] = [{ fact: "count", met: found.length === asked.count, saw: found.length }];
  if (asked.color) {
    const saw = found.length ? dominantColor(picture, found) : "–";
    all.push({ fact: "color", met: saw === asked.color, saw });
  }
  if (asked.names.length < 2) return all;
  const order = named && found.length === 2 ? assigned(asked.names, named) : undefined;
  all.push({ fact: "two", met: order !== undefined, saw: "" });
  if (asked.relation) {
    const fact = /than$/.test(asked.relation) ? "size" : "place";
    const met = order !== undefined && relationHolds(found[order[0]]!, found[order[1]]!, asked.relation);
    all.push({ fact, met, saw: "" });
  }
  return all;
}

/** Which of two things bears the first name and which the second; undefined if they do not bear both. */
function assigned(asked: readonly string[], { names, scores }: Named): [number, number] | undefined {
  const wanted = scores.map((one) => asked.map((name) => one[names.indexOf(name)]!));
  const second = wanted[1]![0]! + wanted[0]![1]! > wanted[0]![0]! + wanted[1]![1]!;
  const order: [number, number] = second ? [1, 0] : [0, 1];
  const bears = (thing: number, name: number) =>
    Array.from(scores[thing]!).filter((score) => score >= wanted[thing]![name]!).length <= TOP;
  return bears(order[0], 0) && bears(order[1], 1) ? order : undefined;
}
