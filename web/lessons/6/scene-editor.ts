// A scene to build: the frame in which things are dragged, the tray, and a row of numbers for each thing.
import { html, nothing, type TemplateResult } from "lit";
import { conceptOf } from "../../core/words.js";
import { FRAME, PALETTE } from "../../runtime/generated.js";
import { picture } from "../../ui/canvas.js";
import { button } from "../../ui/figure-parts.js";
import type { Gallery } from "../../ui/gallery.js";
import { t } from "../../ui/strings.js";
import type { Host, Pictures } from "./pictures.js";
import { add, change, MOST, parse, READY, type Scene, SMALLEST, type Thing, thingAt, TRAY, write } from "./scene.js";

const ARROWS: Record<string, Partial<Thing>> = {
  ArrowLeft: { x: -1 },
  ArrowRight: { x: 1 },
  ArrowUp: { y: -1 },
  ArrowDown: { y: 1 },
};

export class SceneEditor {
  private held = 0; // the thing that the arrow keys move
  private dragging: { x: number; y: number } | undefined; // where in the thing it is held

  constructor(
    private readonly host: Host,
    private readonly pictures: Pictures,
  ) {}

  private get scene(): Scene {
    return parse(this.host.state.scene);
  }

  private set things(scene: Scene) {
    this.held = Math.min(this.held, Math.max(0, scene.things.length - 1));
    this.host.set({ scene: write(scene) });
  }

  /** The picture, and while a scene is built, the place to build it. */
  frame(gallery: Gallery): TemplateResult {
    const { things } = this.scene;
    const build = this.host.state.source === "scene";
    const held = things[this.held];
    const label = t(build ? "read-the-picture.frame" : "read-the-picture.picture");
    return html`<div class="shot frame">
      <div class="sheet" tabindex=${build ? 0 : nothing} role=${build ? "application" : "presentation"}
        aria-label=${label} @keydown=${this.onKey} @pointerdown=${this.onDown} @pointermove=${this.onMove}
        @pointerup=${() => (this.dragging = undefined)} @pointercancel=${() => (this.dragging = undefined)}>
        ${picture(this.pictures.shown(gallery), label)}
        ${
          build && held
            ? html`<i class="held" .style=${`--x: ${held.x}; --y: ${held.y}; --size: ${held.size}`}></i>`
            : nothing
        }
      </div>
      <span>${build ? t("read-the-picture.drag") : label}</span>
    </div>`;
  }

  tools(gallery: Gallery): TemplateResult {
    const { scene } = this;
    const full = scene.things.length >= MOST;
    // Dragged into the frame it stays where it is dropped; a click or a key puts it where there is room.
    const drop = (name: string) => (event: MouseEvent) => {
      const { x, y } = this.at(event);
      const within = event.detail > 0 && Math.min(x, y) >= 0 && Math.max(x, y) < FRAME;
      this.held = scene.things.length;
      this.things = add(scene, name, within ? { x, y } : undefined);
    };
    const hold = (event: PointerEvent) => (event.currentTarget as Element).setPointerCapture(event.pointerId);
    return html`<div class="tray" role="group" aria-label=${t("read-the-picture.tray")}>
        ${TRAY.map(
          (name) => html`<button type="button" ?disabled=${full} aria-label=${name} title=${name}
            @pointerdown=${hold} @click=${drop(name)}>
            ${picture(gallery.pixels(gallery.find(conceptOf(name))), "", "thumb")}
          </button>`,
        )}
      </div>
      ${full ? html`<p class="hint">${t("read-the-picture.full", { most: MOST })}</p>` : nothing}`;
  }

  /** Ready scenes, the things in numbers, and the ground. */
  more(): TemplateResult {
    const { scene } = this;
    return html`<div class="pager">
        ${Object.entries(READY).map(([name, text]) =>
          button(t(`read-the-picture.ready-${name}`), () => this.host.set({ scene: text, covered: 0, shuffle: 0 })),
        )}
      </div>
      <div class="things">${scene.things.map((thing, index) => this.thingRow(scene, thing, index))}</div>
      <label class="field">${t("read-the-picture.ground")}
        <select @change=${(e: Event) => (this.things = { ...scene, ground: (e.target as HTMLSelectElement).value })}>
          ${Object.keys(PALETTE).map(
            (name) => html`<option value=${name} ?selected=${name === scene.ground}>
            ${t(`read-the-picture.${name}`)}
          </option>`,
          )}
        </select>
      </label>`;
  }

  private thingRow(scene: Scene, thing: Thing, index: number): TemplateResult {
    const box = (key: "x" | "y" | "size") => {
      const set = (event: Event) => {
        const value = Number((event.target as HTMLInputElement).value);
        this.held = index;
        if (Number.isFinite(value)) this.things = change(scene, index, { [key]: value });
        this.host.requestUpdate();
      };
      const most = key === "size" ? FRAME : FRAME - thing.size;
      return html`<label>${t(`read-the-picture.${key}`)}
        <input type="number" min=${key === "size" ? SMALLEST : 0} max=${most} .value=${String(thing[key])}
          @focus=${() => this.hold(index)} @change=${set} />
      </label>`;
    };
    const remove = () => (this.things = { ...scene, things: scene.things.filter((_, i) => i !== index) });
    return html`<div class="thing" role="group" aria-label=${thing.name}>
      <b>${thing.name}</b> ${box("x")} ${box("y")} ${box("size")}
      <button type="button" class="button quiet" aria-label=${t("read-the-picture.remove", { name: thing.name })}
        @click=${remove}>✕</button>
    </div>`;
  }

  /** Where an event is, in pixels of the picture. */
  private at({ clientX, clientY }: MouseEvent): { x: number; y: number } {
    const { left, top, width } = this.host.querySelector(".sheet")!.getBoundingClientRect();
    return { x: (FRAME * (clientX - left)) / width, y: (FRAME * (clientY - top)) / width };
  }

  private hold(index: number): void {
    this.held = index;
    this.host.requestUpdate();
  }

  private readonly onDown = (event: PointerEvent): void => {
    if (this.host.state.source !== "scene" || event.button !== 0) return;
    const { x, y } = this.at(event);
    const index = thingAt(this.scene, x, y);
    const thing = this.scene.things[index];
    if (!thing) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.dragging = { x: x - thing.x, y: y - thing.y };
    this.hold(index);
  };

  private readonly onMove = (event: PointerEvent): void => {
    if (!this.dragging) return;
    const { x, y } = this.at(event);
    this.things = change(this.scene, this.held, { x: x - this.dragging.x, y: y - this.dragging.y });
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    const { scene } = this;
    const held = scene.things[this.held];
    const by = ARROWS[event.key];
    if (this.host.state.source !== "scene" || !held) return;
    const far = event.shiftKey ? 8 : 1;
    if (by) this.things = change(scene, this.held, { x: held.x + far * (by.x ?? 0), y: held.y + far * (by.y ?? 0) });
    else if (event.key === " ") this.hold((this.held + 1) % scene.things.length);
    else if (event.key === "Delete") this.things = { ...scene, things: scene.things.filter((one) => one !== held) };
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}
