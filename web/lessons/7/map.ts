// Pictures and their captions as points on a sheet, before CLIP's training and after it. The vectors of before are
// recorded (scripts/record_course.py); those of after are the gallery's, and captions that the model reads here.
import { siteFile, siteJson } from "../../ui/site.js";
import { cosines, dequantise, dot } from "../../core/vectors.js";
import { top } from "../../runtime/arrays.js";

interface Contents {
  /** Pictures of the gallery, by index, and each one's caption. */
  items: number[];
  captions: string[];
  embedding_scale: number;
}

/** Vectors of pictures, and of each one's caption. */
export interface Pairs {
  pictures: Float32Array[];
  captions: Float32Array[];
}

export interface Untrained extends Pairs {
  items: number[];
  texts: string[];
}

/** What the page shows of pairs, worked out once. */
export interface Sheet extends Pairs {
  places: [number, number][];
  closest: number[];
  gap: number;
}

export function lay(pairs: Pairs): Sheet {
  return { ...pairs, places: sheet(pairs), closest: closest(pairs), gap: gap(pairs) };
}

export async function openUntrained(): Promise<Untrained> {
  const [contents, file] = await Promise.all([siteJson<Contents>("map.json"), siteFile("map.embeddings.bin")]);
  const count = contents.items.length;
  const rows = dequantise(new Int8Array(await file.arrayBuffer()), contents.embedding_scale, 2 * count);
  return {
    items: contents.items,
    texts: contents.captions,
    pictures: rows.slice(0, count),
    captions: rows.slice(count),
  };
}

/** For each picture the closest caption, by index. */
export function closest({ pictures, captions }: Pairs): number[] {
  return pictures.map((picture) => top(cosines(picture, captions), 1)[0]!);
}

function mean(rows: Float32Array[]): Float32Array {
  return rows[0]!.map((_, i) => rows.reduce((sum, one) => sum + one[i]!, 0) / rows.length);
}

/** How far the middle of all pictures is from the middle of all captions. */
export function gap({ pictures, captions }: Pairs): number {
  const [a, b] = [mean(pictures), mean(captions)];
  return Math.hypot(...a.map((value, i) => value - b[i]!));
}

function unit(row: Float32Array) {
  const length = Math.sqrt(dot(row, row)) || 1;
  return row.map((value) => value / length);
}

/**
 * Places in -1 .. 1, pictures first. Each kind is laid around its own middle, or the gap between them would be all
 * there is to see; then the sheet lies along the two directions in which the points differ most (principal components).
 */
export function sheet({ pictures, captions }: Pairs): [number, number][] {
  const rows = [pictures, captions].flatMap((kind) => {
    const middle = mean(kind);
    return kind.map((one) => one.map((value, i) => value - middle[i]!));
  });
  // A direction is a sum of points, so the products of all pairs of points are enough to find it.
  const products = rows.map((one) => cosines(one, rows));
  const directions: { weights: Float32Array; along: Float32Array }[] = [];
  for (let axis = 0; axis < 2; axis++) {
    let weights: Float32Array = Float32Array.from(rows, (_, i) => Number(i === axis));
    for (let round = 0; round < 100; round++) {
      weights = unit(cosines(weights, products));
      for (const other of directions) {
        const shared = dot(weights, other.along) / dot(other.weights, other.along);
        weights = weights.map((value, i) => value - shared * other.weights[i]!);
      }
    }
    directions.push({ weights, along: cosines(weights, products) });
  }
  // Each direction fills the sheet.
  const axes = directions.map(({ along }) => {
    const [low, high] = [Math.min(...along), Math.max(...along)];
    return along.map((value) => (high > low ? (2 * (value - low)) / (high - low) - 1 : 0));
  });
  return rows.map((_, i) => [axes[0]![i]!, axes[1]![i]!]);
}
