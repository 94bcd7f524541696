// Numbers to pixels. Canvases hold one pixel a number and are enlarged by the style sheet (image-rendering: pixelated).
import { html, noChange, nothing, type TemplateResult } from "lit";
import { directive, Directive, type ElementPart, type PartInfo, PartType } from "lit/directive.js";
import { toSolidPicture } from "../runtime/pixels.js";

/** RGBA, a byte each, row by row: what ImageData holds. */
export interface Pixels {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

export function pixels(data: Uint8ClampedArray, width = 64): Pixels {
  return { data, width, height: data.length / 4 / width };
}

/** A small picture's planes R, G, B; values out of range are cut off. */
export function solid(planes: Float32Array): Pixels {
  return pixels(toSolidPicture(planes), Math.sqrt(planes.length / 3));
}

/** Each pixel as two by two: a small picture as the models see it that look at 64 x 64. */
export function doubled({ data, width, height }: Pixels): Pixels {
  const larger = new Uint8ClampedArray(4 * data.length);
  for (let i = 0; i < 4 * width * height; i++) {
    const [row, column] = [Math.floor(i / (2 * width)) >> 1, (i % (2 * width)) >> 1];
    const from = 4 * (row * width + column);
    larger.set(data.subarray(from, from + 4), 4 * i);
  }
  return { data: larger, width: 2 * width, height: 2 * height };
}

const [PAPER, CLAY, BLUE] = [
  [250, 246, 238],
  [162, 68, 31],
  [29, 95, 180],
] as const;

/** A number's pixel, as numbers are drawn everywhere: pale at 0, clay above it, blue below; strongest from 1 on. */
function paintNumber(data: Uint8ClampedArray, pixel: number, value: number): void {
  const [full, share] = [value < 0 ? BLUE : CLAY, Math.min(1, Math.abs(value))];
  PAPER.forEach((pale, channel) => (data[4 * pixel + channel] = pale * (1 - share) + full[channel]! * share));
  data[4 * pixel + 3] = 255;
}

/** Latents [C,H,W] as tiles, four in a row; `range` is drawn strongest. */
export function mosaic(latents: Float32Array, [channels, rows, columns]: readonly number[], range = 3): Pixels {
  const [width, height] = [4 * columns!, (rows! * channels!) / 4];
  const data = new Uint8ClampedArray(width * height * 4);
  latents.forEach((value, i) => {
    const [channel, cell] = [Math.floor(i / (rows! * columns!)), i % (rows! * columns!)];
    const row = rows! * (channel >> 2) + Math.floor(cell / columns!);
    paintNumber(data, width * row + columns! * (channel & 3) + (cell % columns!), value / range);
  });
  return { data, width, height };
}

/** A list of numbers as cells, `width` in a row. */
export function cells(values: Float32Array, width: number, range: number): Pixels {
  const data = new Uint8ClampedArray(values.length * 4);
  values.forEach((value, i) => paintNumber(data, i, value / range));
  return { data, width, height: values.length / width };
}

/** Each pixel's RGB as seen over white, 0 to 255. */
function overWhite(data: Uint8ClampedArray, pixel: number, channel: number): number {
  const alpha = (data[4 * pixel + 3] ?? 0) / 255;
  return 255 - alpha * (255 - (data[4 * pixel + channel] ?? 0));
}

/** Where two pictures differ over white: 0 where they agree, 1 where one is black and the other white. */
export function difference(a: Pixels, b: Pixels): Float32Array {
  return Float32Array.from({ length: a.width * a.height }, (_, pixel) => {
    let sum = 0;
    for (let channel = 0; channel < 3; channel++) {
      sum += Math.abs(overWhite(a.data, pixel, channel) - overWhite(b.data, pixel, channel));
    }
    return sum / 3 / 255;
  });
}

/** Values 0 to 1 as a heat map from paper over clay to ink, so that it reads in grey as well. */
export function heat(values: Float32Array, width: number): Pixels {
  const stops = [PAPER, [196, 92, 54], [38, 20, 16]] as const;
  const data = new Uint8ClampedArray(values.length * 4);
  values.forEach((value, i) => {
    const place = 2 * Math.min(1, Math.max(0, value));
    const [from, to] = place < 1 ? [stops[0], stops[1]] : [stops[1], stops[2]];
    const share = place < 1 ? place : place - 1;
    for (let channel = 0; channel < 3; channel++) {
      data[4 * i + channel] = (from[channel] ?? 0) * (1 - share) + (to[channel] ?? 0) * share;
    }
    data[4 * i + 3] = 255;
  });
  return { data, width, height: values.length / width };
}

/** Cuts the picture at (column, row) out of a sprite of equal squares. */
export function cut(sprite: CanvasImageSource, column: number, row: number, size: number): Pixels {
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext("2d")!;
  context.drawImage(sprite, column * size, row * size, size, size, 0, 0, size, size);
  return context.getImageData(0, 0, size, size);
}

class Paint extends Directive {
  private last: Pixels | null | undefined;

  constructor(part: PartInfo) {
    super(part);
    if (part.type !== PartType.ELEMENT) throw new Error("paint belongs on a canvas element");
  }

  override update(part: ElementPart, [next]: [Pixels | null | undefined]) {
    if (next === this.last || next === undefined) return noChange;
    const canvas = part.element as HTMLCanvasElement;
    if (next && (canvas.width !== next.width || canvas.height !== next.height)) {
      canvas.width = next.width;
      canvas.height = next.height;
    }
    const context = canvas.getContext("2d")!;
    if (next) context.putImageData(new ImageData(new Uint8ClampedArray(next.data), next.width, next.height), 0, 0);
    else context.clearRect(0, 0, canvas.width, canvas.height);
    this.last = next;
    return noChange;
  }

  render(_pixels: Pixels | null | undefined) {
    return noChange;
  }
}

export const paint = directive(Paint);

/** A picture with its name. null clears it; undefined, for pixels on their way, dims what was there. */
export function picture(what: Pixels | null | undefined, label: string, kind = "picture"): TemplateResult {
  return html`<canvas class="${kind} ${what === undefined ? "waiting" : ""}" width="64" height="64"
    role=${label ? "img" : "presentation"} aria-label=${label || nothing} ${paint(what)}></canvas>`;
}

/** How many times stronger a weak change is drawn so that it can be seen: a round number, 1 or more. */
export function gain(change: Float32Array): number {
  const size = Math.sqrt(change.reduce((sum, value) => sum + value * value, 0) / change.length);
  const wanted = 1 / (2.5 * size || Infinity);
  return [50, 20, 10, 5, 2].find((factor) => factor <= wanted) ?? 1;
}
