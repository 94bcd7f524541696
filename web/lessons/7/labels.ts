// Words beside the dots of a sheet, as many as have room.

export type Point = readonly [x: number, y: number];

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const LETTER = 6.6; // pixels, of the map's small letters, rather too many
const LINE = 16;
const BESIDE = 7; // between a dot and its words

const around = ([x, y]: Point, width: number, height: number): Box => ({
  left: x - width / 2,
  right: x + width / 2,
  top: y - height / 2,
  bottom: y + height / 2,
});
const apart = (a: Box, b: Box) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;

/**
 * For each dot the middle of its words, as a step away from it in pixels: below, above, or at a side, wherever they lie
 * on the sheet and over no picture, no other dot and no other words. Undefined where there is no such place; but the
 * words of `first` are there in any case.
 */
export function labels(
  dots: readonly Point[],
  texts: readonly string[],
  pictures: readonly Point[],
  side: number, // of a picture
  [width, height]: Point,
  first: number,
): (Point | undefined)[] {
  const taken = [...pictures.map((at) => around(at, side, side)), ...dots.map((at) => around(at, 6, 6))];
  const placed: (Point | undefined)[] = dots.map(() => undefined);
  for (const i of [first, ...dots.keys()]) {
    const [x, y] = dots[i]!;
    const long = LETTER * texts[i]!.length;
    const [aside, off] = [long / 2 + BESIDE, LINE / 2 + 3];
    const ways: Point[] = [[0, off], [0, -off], [aside, 0], [-aside, 0]]; // prettier-ignore
    const box = ([dx, dy]: Point) => around([x + dx, y + dy], long, LINE);
    const fits = (one: Box) =>
      one.left >= 0 &&
      one.right <= width &&
      one.top >= 0 &&
      one.bottom <= height &&
      taken.every((other) => apart(one, other));
    const found = placed[i] ?? ways.find((way) => fits(box(way))) ?? (i === first ? ways[0] : undefined);
    if (!found || placed[i]) continue;
    placed[i] = found;
    taken.push(box(found));
  }
  return placed;
}
