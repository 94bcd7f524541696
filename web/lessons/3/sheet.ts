// The map as a picture: every training picture a dot of its colour, and as many of them drawn as there is room for.
// It is painted bit by bit, so that the page answers meanwhile, and glides when the places change.
import type { Pixels } from "../../ui/canvas.js";
import { paced } from "../../ui/pace.js";
import type { Training } from "../../ui/training.js";
import type { Atlas, MapKind } from "./atlas.js";

/** What the sheet shows. */
export interface View {
  atlas: Atlas;
  kind: MapKind;
  /** Until the pictures are here, dots stand for them. */
  training: Training | undefined;
  /** What the decoder draws in each cell of a grid, instead of the pictures. */
  ground: Ground | undefined;
}

export interface Ground {
  pictures: readonly Pixels[];
  columns: number;
  rows: number;
}

const TILE = 32; // pixels of a picture as it is kept
const COLUMNS = 32;
const DOT = 2.4;
const DOTS = 250; // so many dots are painted between two looks at the clock; a picture takes as long
const GLIDE = 900; // milliseconds

/** Where all lie on the canvas, and which of them are drawn as pictures. */
interface Layout {
  x: Float32Array;
  y: Float32Array;
  drawn: readonly number[];
}

/** Of points in the order of their importance, those that keep `apart` from those before, to each side. */
export function thinned(x: Float32Array, y: Float32Array, order: readonly number[], apart: number): number[] {
  const cells = new Map<number, number[]>();
  const cell = (column: number, row: number) => 65_536 * column + row;
  return order.filter((i) => {
    const [column, row] = [Math.floor(x[i]! / apart), Math.floor(y[i]! / apart)];
    for (let dx = -1; dx <= 1; dx++) {
      for (let dy = -1; dy <= 1; dy++) {
        for (const j of cells.get(cell(column + dx, row + dy)) ?? []) {
          if (Math.abs(x[i]! - x[j]!) < apart && Math.abs(y[i]! - y[j]!) < apart) return false;
        }
      }
    }
    const here = cells.get(cell(column, row));
    if (here) here.push(i);
    else cells.set(cell(column, row), [i]);
    return true;
  });
}

/** Numbers below `count` in an order without a pattern, always the same: neighbours in the list are of one name. */
export function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  let state = 1;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** A picture on white as one on nothing: what is nearly white becomes clear, and the edge of what is not is not grey. */
export function cleared({ data, width, height }: Pixels): ImageData {
  const clear = new ImageData(width, height);
  for (let at = 0; at < data.length; at += 4) {
    const darkest = 255 - Math.min(data[at]!, data[at + 1]!, data[at + 2]!);
    const alpha = Math.min(1, darkest / 40);
    for (let c = 0; c < 3; c++) clear.data[at + c] = alpha ? 255 - (255 - data[at + c]!) / alpha : 255;
    clear.data[at + 3] = 255 * alpha;
  }
  return clear;
}

export const eased = (share: number): number => share * share * (3 - 2 * share);

export class Sheet {
  private view: View | undefined;
  private layout: Layout | undefined;
  private readonly tiles = new OffscreenCanvas(COLUMNS * TILE, TILE);
  private readonly slots = new Map<number, number>();
  private order: number[] = [];
  private byColour: number[] = [];
  /** Counts what was begun, so that what is outdated ends. */
  private turn = 0;
  private readonly observer = new ResizeObserver(() => this.resize());

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly still: () => boolean,
  ) {
    this.observer.observe(canvas);
  }

  close(): void {
    this.observer.disconnect();
    this.turn++;
  }

  show(view: View): void {
    const old = this.view;
    if (old && (["atlas", "kind", "training", "ground"] as const).every((key) => old[key] === view[key])) return;
    this.view = view;
    if (!this.order.length) {
      this.order = shuffled(view.atlas.count);
      this.byColour = [...this.order].sort((a, b) => this.shade(a) - this.shade(b));
    }
    const before = this.layout;
    if (!this.measure()) return;
    const glides = before && old?.kind !== view.kind && !this.still() && !view.ground;
    void (glides ? this.glide(before) : this.paint());
  }

  private resize(): void {
    if (this.view && this.measure()) void this.paint();
  }

  /** Side of a picture on the sheet, in pixels of the canvas. */
  private get side(): number {
    return Math.round(Math.min(24, Math.max(17, this.canvas.clientWidth / 48)) * this.scale);
  }

  private get scale(): number {
    return Math.min(2, devicePixelRatio);
  }

  private shade(index: number): number {
    const { colours } = this.view!.atlas;
    const part = (c: number) => colours[3 * index + c]! >> 4;
    return (part(0) << 8) | (part(1) << 4) | part(2);
  }

  /** Lays all out for the canvas as large as it is now; false while it has no size. */
  private measure(): boolean {
    const { canvas, scale, view } = this;
    const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (!view || !width || !height) return false;
    const { atlas, kind } = view;
    const sheet = atlas.sheet(kind);
    const x = Float32Array.from({ length: atlas.count }, (_, i) => sheet[2 * i]! * width);
    const y = Float32Array.from({ length: atlas.count }, (_, i) => sheet[2 * i + 1]! * height);
    const half = this.side / 2;
    const inside = this.order.filter(
      (i) => x[i]! > half && x[i]! < width - half && y[i]! > half && y[i]! < height - half,
    );
    this.layout = { x, y, drawn: thinned(x, y, inside, 0.86 * this.side) };
    return true;
  }

  /** Paints the sheet aside, then shows all of it. */
  private async paint(): Promise<void> {
    const turn = ++this.turn;
    const { canvas, scale, layout, view } = this;
    const aside = new OffscreenCanvas(Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale));
    const context = aside.getContext("2d")!;
    const { x, y, drawn } = layout!;
    const pause = paced();
    if (view!.ground) {
      this.drawGround(context, view!.ground);
    } else {
      for (let start = 0; start < this.byColour.length; start += DOTS) {
        this.drawDots(context, this.byColour.slice(start, start + DOTS), x, y);
        await pause();
        if (turn !== this.turn) return;
      }
      for (const i of view!.training ? drawn : []) {
        this.drawTile(context, i, x[i]!, y[i]!);
        await pause();
        if (turn !== this.turn) return;
      }
    }
    canvas.width = aside.width;
    canvas.height = aside.height;
    canvas.getContext("2d")!.drawImage(aside, 0, 0);
    canvas.dataset["painted"] = `${view!.kind} ${view!.ground ? "redraws" : view!.training ? "pictures" : "dots"}`;
  }

  /** From the places before to those of now. */
  private async glide(before: Layout): Promise<void> {
    const turn = ++this.turn;
    const context = this.canvas.getContext("2d")!;
    const after = this.layout!;
    const [x, y] = [new Float32Array(after.x.length), new Float32Array(after.x.length)];
    const began = performance.now();
    for (let share = 0; share < 1;) {
      const now = await new Promise<number>(requestAnimationFrame);
      if (turn !== this.turn) return;
      share = Math.min(1, Math.max(0, (now - began) / GLIDE));
      const part = eased(share);
      for (let i = 0; i < x.length; i++) {
        x[i] = before.x[i]! + part * (after.x[i]! - before.x[i]!);
        y[i] = before.y[i]! + part * (after.y[i]! - before.y[i]!);
      }
      context.clearRect(0, 0, this.canvas.width, this.canvas.height);
      this.drawDots(context, this.byColour, x, y);
      if (this.view!.training) for (const i of before.drawn) this.drawTile(context, i, x[i]!, y[i]!);
    }
    await this.paint();
  }

  private drawDots(
    context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D,
    which: readonly number[],
    x: Float32Array,
    y: Float32Array,
  ): void {
    const size = DOT * this.scale;
    let shade = -1;
    for (const i of which) {
      const own = this.shade(i);
      if (own !== shade) {
        shade = own;
        const [red, green, blue] = [own >> 8, (own >> 4) & 15, own & 15].map((part) => 17 * part);
        context.fillStyle = `rgb(${red} ${green} ${blue} / 0.8)`;
      }
      context.fillRect(x[i]! - size / 2, y[i]! - size / 2, size, size);
    }
  }

  private drawTile(
    context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D,
    index: number,
    x: number,
    y: number,
  ): void {
    const slot = this.slots.get(index) ?? this.keep(index);
    const [column, row] = [slot % COLUMNS, Math.floor(slot / COLUMNS)];
    const half = this.side / 2;
    context.drawImage(this.tiles, column * TILE, row * TILE, TILE, TILE, x - half, y - half, this.side, this.side);
  }

  private keep(index: number): number {
    const slot = this.slots.size;
    const [column, row] = [slot % COLUMNS, Math.floor(slot / COLUMNS)];
    const { tiles } = this;
    if ((row + 1) * TILE > tiles.height) {
      const kept = tiles.height ? new OffscreenCanvas(tiles.width, tiles.height) : undefined;
      kept?.getContext("2d")!.drawImage(tiles, 0, 0);
      tiles.height = 2 * (row + 1) * TILE; // which clears it
      if (kept) tiles.getContext("2d")!.drawImage(kept, 0, 0);
    }
    const { training, atlas } = this.view!;
    tiles.getContext("2d")!.putImageData(cleared(training!.pixels(atlas.rows[index]!)), column * TILE, row * TILE);
    this.slots.set(index, slot);
    return slot;
  }

  private drawGround(context: OffscreenCanvasRenderingContext2D, { pictures, columns, rows }: Ground): void {
    const [width, height] = [context.canvas.width / columns, context.canvas.height / rows];
    const side = Math.min(width, height);
    const one = new OffscreenCanvas(TILE, TILE);
    pictures.forEach((pixels, i) => {
      one.getContext("2d")!.putImageData(cleared(pixels), 0, 0);
      const left = (i % columns) * width + (width - side) / 2;
      context.drawImage(one, left, Math.floor(i / columns) * height + (height - side) / 2, side, side);
    });
  }
}
