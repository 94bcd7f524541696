// Clouds of points to learn: a few shapes by formula, and whatever is drawn. x runs to the right and y down, and both
// lie in about -2 to 2.
import { gaussian, random } from "../../runtime/cloud.js";

export const SHAPES = ["ring", "moons", "heart", "letter", "drawn"] as const;
export type Shape = (typeof SHAPES)[number];
const POINTS = 1500;
const FUZZ = 0.04; // how thick a line is, as a standard deviation

/** Two numbers in [0, 1) -> a place on the line. */
type Line = (along: number, which: number) => [number, number];

const round = (angle: number, radius: number, x = 0, y = 0): [number, number] => [
  x + radius * Math.cos(angle),
  y + radius * Math.sin(angle),
];

const LINES: Record<Exclude<Shape, "drawn">, Line> = {
  ring: (along) => round(2 * Math.PI * along, 1.5),
  moons: (along, which) =>
    which < 0.5 ? round(-Math.PI * along, 1.2, -0.6, 0.3) : round(Math.PI * along, 1.2, 0.6, -0.3),
  heart: (along) => {
    const a = 2 * Math.PI * along;
    const height = 13 * Math.cos(a) - 5 * Math.cos(2 * a) - 2 * Math.cos(3 * a) - Math.cos(4 * a);
    return [1.6 * Math.sin(a) ** 3, -0.1 * height - 0.25];
  },
  letter: (along, which) => (which < 0.4 ? [-0.9, -1.8 + 3.4 * along] : round(2 * Math.PI * along, 0.9, 0, 0.7)), // a b
};

// ---------------------------------------------------------------- what is drawn, as 32 x 32 bits in the address

const SIDE = 32;
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"; // base64url: six bits each
export const MASK_LENGTH = Math.ceil(SIDE ** 2 / 6);
export const MASK = new RegExp(`^([\\w-]{${MASK_LENGTH}})?$`);
const INK = 0.6; // a pixel darker than this, in one of its colours, belongs to the drawing

/** Planes [3, 32, 32] over white in [-1, 1] -> the text of a mask. */
export function mask(planes: Float32Array): string {
  const size = SIDE ** 2;
  const bits = Array.from({ length: 6 * MASK_LENGTH }, (_, i) =>
    Number(i < size && [0, 1, 2].some((plane) => planes[plane * size + i]! < INK)),
  );
  return Array.from({ length: MASK_LENGTH }, (_, i) => {
    const digit = bits.slice(6 * i, 6 * i + 6).reduce((sum, bit) => 2 * sum + bit, 0);
    return DIGITS[digit]!;
  }).join("");
}

/** The pixels of a mask, by number. */
export function inked(text: string): number[] {
  const digits = [...text].map((letter) => DIGITS.indexOf(letter));
  return digits
    .flatMap((digit, i) => [0, 1, 2, 3, 4, 5].filter((bit) => digit & (32 >> bit)).map((bit) => 6 * i + bit))
    .filter((pixel) => pixel < SIDE ** 2);
}

/** Points [n, 2] of a shape. None, when it is drawn and nothing is drawn. */
export function points(shape: Shape, drawn: string, seed: number): Float64Array {
  const next = random(seed);
  const pixels = shape === "drawn" ? inked(drawn) : [];
  if (shape === "drawn" && !pixels.length) return new Float64Array(0);
  const found = new Float64Array(2 * POINTS);
  for (let n = 0; n < POINTS; n++) {
    let [x, y] = [0, 0];
    if (shape === "drawn") {
      const pixel = pixels[Math.floor(next() * pixels.length)]!;
      [x, y] = [((pixel % SIDE) + next() - SIDE / 2) / 8, (Math.floor(pixel / SIDE) + next() - SIDE / 2) / 8];
    } else {
      [x, y] = LINES[shape](next(), next());
      [x, y] = [x + FUZZ * gaussian(next), y + FUZZ * gaussian(next)];
    }
    found.set([x, y], 2 * n);
  }
  return found;
}

/** The mean distance of points [n, 2] to the nearest one of a shape [m, 2]. */
export function distance(from: ArrayLike<number>, shape: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < from.length; i += 2) {
    let least = Infinity;
    for (let j = 0; j < shape.length; j += 2) {
      least = Math.min(least, (from[i]! - shape[j]!) ** 2 + (from[i + 1]! - shape[j + 1]!) ** 2);
    }
    sum += Math.sqrt(least);
  }
  return (2 * sum) / from.length;
}
