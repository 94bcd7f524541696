// Any place on the map as a picture: two numbers, drawn by the decoder.
import { html, nothing, type TemplateResult } from "lit";
import type { ModelName } from "../../runtime/client.js";
import { picture, type Pixels } from "../../ui/canvas.js";
import type { Code } from "../../ui/code.js";
import type { Alternative } from "../../ui/figure-parts.js";
import { t } from "../../ui/strings.js";
import { type Host, level, mapOf, type Mode, type Pin, shown, two } from "./mode.js";
import { decode, decoder } from "./vae.js";

const NEIGHBOURS = 4;

export class WanderMode implements Mode {
  /** What a redraw took, with its way to the worker and back. */
  milliseconds: number | undefined;
  private redraw: Pixels | undefined;
  /** The place that `redraw` is of. */
  private of = "";
  private neighbours: { of: string; found: number[] } = { of: "", found: [] };

  constructor(private readonly host: Host) {}

  models(): ModelName[] {
    return [decoder(mapOf(this.host.state))];
  }

  private get place(): string {
    const { x, y, plain } = this.host.state;
    return `${x} ${y} ${plain}`;
  }

  async answer(): Promise<void> {
    const { place } = this;
    if (place === this.of) return;
    const { x, y } = this.host.state;
    const began = performance.now();
    const [planes] = await decode(mapOf(this.host.state), [Float32Array.of(x, y)]);
    this.milliseconds = performance.now() - began;
    this.redraw = shown(planes!);
    this.of = place;
  }

  pins(): Pin[] {
    const { x, y } = this.host.state;
    return [{ place: [x, y], pixels: this.redraw, label: t("describe-redraw.redraw-here"), kind: "lens" }];
  }

  private get near(): number[] {
    const { host, place } = this;
    const { x, y } = host.state;
    if (this.neighbours.of !== place) {
      this.neighbours = { of: place, found: host.atlas.nearest(mapOf(host.state), [x, y], NEIGHBOURS) };
    }
    return this.neighbours.found;
  }

  draw(): TemplateResult {
    const { host } = this;
    const { x, y } = host.state;
    const kind = mapOf(host.state);
    const { middle, spread } = host.atlas.contents.maps[kind];
    const { training, atlas } = host;
    const rows = [x, y].map(
      (value, i) => html`<li><span>${t(`describe-redraw.${i ? "y" : "x"}`)}</span>
        ${level(value, middle[i]!, spread[i]!)} <b>${two(value)}</b></li>`,
    );
    return html`<div class="flow">
      <section class="levels-two">
        <h3>${t("describe-redraw.two-numbers")}</h3>
        <ol class="levels">${rows}</ol>
        <p class="hint">${t("describe-redraw.drag")}</p>
      </section>
      <section>
        <h3>${t("describe-redraw.near")}</h3>
        <ul class="near">
          ${
            training
              ? this.near.map((i) => {
                  const row = atlas.rows[i]!;
                  const go = () => {
                    const [x, y] = atlas.place(kind, i);
                    host.set({ x, y });
                  };
                  return html`<li><button type="button" class="near-one" @click=${go}>
                    ${picture(training.pixels(row), "", "picture soft")}
                    <span>${training.name(row)}</span></button></li>`;
                })
              : nothing
          }
        </ul>
      </section>
    </div>`;
  }

  alternative(): Alternative {
    const { host } = this;
    const { x, y } = host.state;
    const { training, atlas } = host;
    const kind = mapOf(host.state);
    if (!this.redraw) return { sentence: t("describe-redraw.waiting"), table: { head: [], rows: [] } };
    const names = training ? this.near.map((i) => training.name(atlas.rows[i]!)) : [];
    const near = [...new Set(names)].join(", ");
    const said = { x: two(x), y: two(y), near };
    const rows = names.map((name, i) => [name, ...atlas.place(kind, this.near[i]!).map(two)]);
    return {
      sentence: t(near ? "describe-redraw.wander-said" : "describe-redraw.place-said", said),
      table: { head: ["picture-head", "x", "y"].map((key) => t(`describe-redraw.${key}`)), rows },
    };
  }

  code(): Code {
    const { x, y } = this.host.state;
    return {
      python: `import numpy as np
from PIL import Image
from bozzetto.runtime import sample, store, vae

model = vae.load(store.weights_folder(), "${mapOf(this.host.state)}")
pixels = vae.decode(model, np.array([[${x}, ${y}]], np.float32))
Image.fromarray(sample.to_bytes(pixels)[0]).save("redraw.png")`,
    };
  }
}
