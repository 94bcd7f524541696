// <bz-picture-input>: pick a picture from the gallery, draw one, or bring a file. Fires "picked" with a Picked.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { PALETTE } from "../runtime/generated.js";
import { picture } from "./canvas.js";
import { button, choices } from "./figure-parts.js";
import type { Gallery } from "./gallery.js";
import { openPicture, PictureError, SIZE } from "./picture-file.js";
import { t } from "./strings.js";

/** A picture 64 x 64, RGBA with straight alpha. */
export interface Picked {
  data: Uint8ClampedArray;
  name: string;
  /** Its place in the gallery, when it is from there. */
  index?: number;
}

const WAYS = ["pick", "draw", "upload"] as const;
const TYPES = "image/png,image/jpeg,image/webp,image/gif,image/bmp";
const PAGE = 12;
const UNDOS = 30;
const BRUSHES = { fine: 2, medium: 5, broad: 10 };
type Brush = keyof typeof BRUSHES;
const ERASER = "eraser";
const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const MIDDLE = { x: SIZE / 2, y: SIZE / 2 };

let count = 0;

@customElement("bz-picture-input")
export class PictureInput extends LitElement {
  @property({ attribute: false }) gallery: Gallery | undefined;
  /** Where only some will do: the names of pictures that can be picked. */
  @property({ attribute: false }) only: ReadonlySet<string> | undefined;
  /** The gallery's picture that is chosen, or -1. */
  @property({ attribute: false }) selected = -1;

  @state() private way: (typeof WAYS)[number] = "pick";
  @state() private page = 0;
  @state() private filter = "";
  @state() private tool = "black";
  @state() private brush: Brush = "medium";
  @state() private pen = MIDDLE;
  @state() private pastDrawings: ImageData[] = [];
  @state() private error = "";
  private readonly group = `picture-${++count}`;
  /** Where the pointer is while it draws. */
  private drawing: { x: number; y: number } | undefined;

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  protected override render(): TemplateResult {
    const ways = WAYS.map((way) => [way, t(`picture-input.${way}`)] as const);
    return html`<div class="picture-input">
      ${choices("way", `${this.group}-way`, t("picture-input.way"), ways, this.way, (way) => {
        this.way = way;
        this.error = "";
      })}
      ${this.way === "pick" ? this.strip() : this.way === "upload" ? this.file() : nothing}
      <div ?hidden=${this.way !== "draw"}>${this.board()}</div>
      ${this.error ? html`<p class="error" role="alert">${this.error}</p>` : nothing}
    </div>`;
  }

  private emit(data: Uint8ClampedArray, name: string, index?: number): void {
    this.dispatchEvent(new CustomEvent<Picked>("picked", { detail: { data, name, index } }));
  }

  // ---------------------------------------------------------------- pick

  private strip(): TemplateResult {
    const gallery = this.gallery;
    if (!gallery) return html`<p class="hint">${t("picture-input.opening")}</p>`;
    const fits = (name: string) => name.includes(this.filter) && (this.only?.has(name) ?? true);
    const found = [...gallery.items.keys()].filter((index) => fits(gallery.items[index]!.name));
    const start = PAGE * this.page;
    const shown = found.slice(start, start + PAGE);
    const pictures = shown.map((index) => {
      const label = t("picture-input.item", { ...gallery.items[index]! });
      return [String(index), picture(gallery.pixels(index), label, "thumb")] as const;
    });
    const range = { from: start + 1, to: start + shown.length, count: found.length };
    const turn = (by: number, text: string, possible: boolean) =>
      button(text, () => (this.page += by), "quiet", !possible);
    const onFilter = (event: Event) => {
      this.filter = (event.target as HTMLInputElement).value.trim().toLowerCase();
      this.page = 0;
    };
    return html`${
      shown.length
        ? choices(
            "strip",
            `${this.group}-strip`,
            t("picture-input.gallery"),
            pictures,
            String(this.selected),
            (value) => {
              const index = Number(value);
              this.selected = index;
              this.emit(gallery.pixels(index).data, gallery.items[index]!.name, index);
            },
          )
        : html`<p class="hint">${t("picture-input.none", { name: this.filter })}</p>`
    }
      <div class="pager">
        ${turn(-1, t("picture-input.previous"), start > 0)}
        <span role="status">${shown.length ? t("picture-input.range", range) : ""}</span>
        ${turn(1, t("picture-input.next"), start + PAGE < found.length)}
        <label class="field">
          ${t("picture-input.filter")} <input type="search" autocomplete="off" .value=${this.filter} @input=${onFilter} />
        </label>
      </div>`;
  }

  // ---------------------------------------------------------------- draw

  private board(): TemplateResult {
    const { x, y } = this.pen;
    const swatches = Object.entries(PALETTE).map(([tool, colour]) => {
      const name = html`<span class="visually-hidden">${t(`picture-input.${tool}`)}</span>`;
      return [tool, html`<i class="swatch" .style=${`background: ${colour}`}></i>${name}`] as const;
    });
    const tools = [...swatches, [ERASER, t(`picture-input.${ERASER}`)] as const];
    const brushes = (Object.keys(BRUSHES) as Brush[]).map((brush) => [brush, t(`picture-input.${brush}`)] as const);
    return html`<div class="board" .style=${`--x: ${(x + 0.5) / SIZE}; --y: ${(y + 0.5) / SIZE}`}>
        <canvas width=${SIZE} height=${SIZE} tabindex="0" role="application" aria-label=${t("picture-input.board")}
          @keydown=${this.onKey} @pointerdown=${this.onDown} @pointermove=${this.onMove}
          @pointerup=${this.onUp} @pointercancel=${this.onUp}></canvas>
        <span class="pen" aria-hidden="true"></span>
      </div>
      <p class="hint" role="status">${t("picture-input.pen", { x, y })}</p>
      ${choices("tool", `${this.group}-tool`, t("picture-input.tool"), tools, this.tool, (tool) => (this.tool = tool))}
      ${choices("brush", `${this.group}-brush`, t("picture-input.brush"), brushes, this.brush, (brush) => (this.brush = brush))}
      <div class="pager">
        <button type="button" class="button" ?disabled=${!this.pastDrawings.length} @click=${this.undo}>
          ${t("picture-input.undo")}
        </button>
        <button type="button" class="button" ?disabled=${!this.pastDrawings.length} @click=${this.clear}>
          ${t("picture-input.clear")}
        </button>
      </div>`;
  }

  private get context(): CanvasRenderingContext2D {
    return this.querySelector<HTMLCanvasElement>(".board canvas")!.getContext("2d", { willReadFrequently: true })!;
  }

  private read(): ImageData {
    return this.context.getImageData(0, 0, SIZE, SIZE);
  }

  private remember(): void {
    this.pastDrawings = [...this.pastDrawings, this.read()].slice(-UNDOS);
  }

  private drawn(): void {
    this.selected = -1;
    this.emit(this.read().data, t("picture-input.drawing"));
  }

  /** A stroke to a place; where the pen is already, a dot. */
  private stroke(x: number, y: number, from = { x, y }): void {
    const context = this.context;
    context.globalCompositeOperation = this.tool === ERASER ? "destination-out" : "source-over";
    context.strokeStyle = PALETTE[this.tool as keyof typeof PALETTE];
    context.lineWidth = BRUSHES[this.brush];
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(from.x + 0.5, from.y + 0.5);
    context.lineTo(x + 0.51, y + 0.5); // a line without length would be no dot
    context.stroke();
  }

  private place(event: PointerEvent): { x: number; y: number } {
    const box = (event.target as HTMLElement).getBoundingClientRect();
    const scale = SIZE / box.width;
    return { x: Math.floor((event.clientX - box.left) * scale), y: Math.floor((event.clientY - box.top) * scale) };
  }

  private readonly onDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    (event.target as HTMLElement).setPointerCapture(event.pointerId);
    this.remember();
    this.drawing = this.place(event);
    this.stroke(this.drawing.x, this.drawing.y);
  };

  private readonly onMove = (event: PointerEvent): void => {
    if (!this.drawing) return;
    const place = this.place(event);
    this.stroke(place.x, place.y, this.drawing);
    this.drawing = place;
  };

  private readonly onUp = (): void => {
    if (!this.drawing) return;
    this.drawing = undefined;
    this.drawn();
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    const arrow = ARROWS[event.key];
    if (arrow) {
      const far = event.shiftKey ? 8 : 1;
      const inside = (value: number) => Math.min(SIZE - 1, Math.max(0, value));
      this.pen = { x: inside(this.pen.x + far * arrow[0]), y: inside(this.pen.y + far * arrow[1]) };
    } else if (event.key === " ") {
      this.remember();
      this.stroke(this.pen.x, this.pen.y);
      this.drawn();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  private readonly undo = (): void => {
    const last = this.pastDrawings.at(-1);
    if (!last) return;
    this.context.putImageData(last, 0, 0);
    this.pastDrawings = this.pastDrawings.slice(0, -1);
    this.drawn();
  };

  private readonly clear = (): void => {
    this.remember();
    this.context.clearRect(0, 0, SIZE, SIZE);
    this.drawn();
  };

  // ---------------------------------------------------------------- bring

  private file(): TemplateResult {
    const onFile = (event: Event) => void this.open((event.target as HTMLInputElement).files?.[0]);
    return html`<label class="field">
      ${t("picture-input.file")} <input type="file" accept=${TYPES} @change=${onFile} />
    </label>`;
  }

  private async open(file: File | undefined): Promise<void> {
    if (!file) return;
    this.error = "";
    try {
      this.emit(await openPicture(file), t("picture-input.yours"));
      this.selected = -1;
    } catch (error) {
      if (!(error instanceof PictureError)) throw error;
      this.error = t(`picture-input.${error.reason}`, { file: file.name, ...error.values });
    }
  }
}
