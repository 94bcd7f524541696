// A picture with squares on it that a brush chooses, by pointer, touch or keyboard.
import { html, type TemplateResult } from "lit";
import { picture, type Pixels } from "../../ui/canvas.js";
import { choices } from "../../ui/figure-parts.js";
import { t } from "../../ui/strings.js";
import { between, type Mask, SQUARES } from "./jobs.js";

const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const BRUSHES = ["paint", "keep"] as const;

/** What the board is of. */
export interface Host {
  requestUpdate(): void;
  readonly mask: Mask;
  paint(mask: Mask): void;
}

export class MaskBoard {
  private brush: (typeof BRUSHES)[number] = "paint";
  private cursor = (SQUARES * SQUARES) / 2 + SQUARES / 2;
  /** The square where the pointer was last, while it draws. */
  private last: number | undefined;

  constructor(private readonly host: Host) {}

  draw(shown: Pixels | undefined, label: string): TemplateResult {
    const { mask } = this.host;
    const [x, y] = [this.cursor % SQUARES, Math.floor(this.cursor / SQUARES)];
    const place = t("same-blocks.square", { column: x + 1, row: y + 1 });
    const state = t(`same-blocks.square-${mask[this.cursor] ? "paint" : "keep"}`);
    return html`<div class="mask-board" .style=${`--x: ${x}; --y: ${y}`}>
        ${picture(shown, label)}
        <div class="squares" tabindex="0" role="application" aria-label=${t("same-blocks.board")}
          @keydown=${this.onKey} @pointerdown=${this.onDown} @pointermove=${this.onMove}
          @pointerup=${this.onUp} @pointercancel=${this.onUp}>
          ${mask.map((painted) => html`<i class=${painted ? "painted" : ""}></i>`)}
          <b class="cursor"></b>
        </div>
      </div>
      <div class="pager">
        ${choices(
          "way",
          "same-blocks-brush",
          t("same-blocks.brush"),
          BRUSHES.map((brush) => [brush, t(`same-blocks.brush-${brush}`)] as const),
          this.brush,
          (brush) => {
            this.brush = brush;
            this.host.requestUpdate();
          },
        )}
        <button type="button" class="button quiet" @click=${() => this.fill(true)}>${t("same-blocks.fill")}</button>
        <button type="button" class="button quiet" @click=${() => this.fill(false)}>${t("same-blocks.clear")}</button>
      </div>
      <p class="hint" role="status">${place} ${state}</p>`;
  }

  private fill(painted: boolean): void {
    this.host.paint(this.host.mask.map(() => painted));
  }

  private stroke(to: number): void {
    const mask = [...this.host.mask];
    for (const square of between(this.last ?? to, to)) mask[square] = this.brush === "paint";
    this.last = this.cursor = to;
    this.host.paint(mask);
  }

  private at(event: PointerEvent): number {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const along = (place: number, length: number) =>
      Math.min(SQUARES - 1, Math.max(0, Math.floor((place / length) * SQUARES)));
    return along(event.clientY - box.top, box.height) * SQUARES + along(event.clientX - box.left, box.width);
  }

  private readonly onDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    this.last = undefined;
    this.stroke(this.at(event));
  };

  private readonly onMove = (event: PointerEvent): void => {
    if (this.last !== undefined && this.at(event) !== this.last) this.stroke(this.at(event));
  };

  private readonly onUp = (): void => {
    this.last = undefined;
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    const arrow = ARROWS[event.key];
    if (arrow) {
      const inside = (value: number) => Math.min(SQUARES - 1, Math.max(0, value));
      const [x, y] = [inside((this.cursor % SQUARES) + arrow[0]), inside(Math.floor(this.cursor / SQUARES) + arrow[1])];
      this.cursor = y * SQUARES + x;
      this.host.requestUpdate();
    } else if (event.key === " ") {
      this.stroke(this.cursor);
      this.last = undefined;
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
}
