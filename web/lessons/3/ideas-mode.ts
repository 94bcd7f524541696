// New pictures from new lists: twelve at once, on the map among those that were learned.
import { html, nothing, type TemplateResult } from "lit";
import type { ModelName } from "../../runtime/client.js";
import { picture, type Pixels } from "../../ui/canvas.js";
import { classOf, classWords } from "../../ui/classes.js";
import { type Code, shellWord } from "../../ui/code.js";
import { type Alternative, button } from "../../ui/figure-parts.js";
import { fixed, t } from "../../ui/strings.js";
import { nearest, type Neighbour, shrink } from "../../ui/likeness.js";
import type { Place } from "./atlas.js";
import { both, type Host, listOf, mapOf, type Mode, type Pin, shot, shown, two } from "./mode.js";
import { decode, encode, fromBell, sampled } from "./vae.js";

const COUNT = 12;

interface Idea {
  pixels: Pixels;
  place: Place;
}

export class IdeasMode implements Mode {
  readonly slow = true;
  private ideas: readonly Idea[] = [];
  private of = "";
  private chosen = 0;
  private readonly neighbours = new WeakMap<Pixels, Neighbour>();

  constructor(private readonly host: Host) {}

  models(): ModelName[] {
    const { state } = this.host;
    return [...both(mapOf(state), listOf(state)), ...(state.plain ? [] : (["vae/sampler"] as const))];
  }

  private get wanted(): string {
    const { seed, plain, label } = this.host.state;
    return `${seed} ${plain} ${plain ? "" : label}`;
  }

  /** The number of the class by which the sampler is asked, 0 for any. */
  private get label(): number {
    const name = classOf(this.host.state.label);
    return name === undefined ? 0 : this.host.config("vae/sampler").config.classes!.indexOf(name) + 1;
  }

  async answer(signal?: AbortSignal): Promise<void> {
    const { wanted, host } = this;
    if (wanted === this.of) return;
    const { seed, plain } = host.state;
    const kind = listOf(host.state);
    const bell = host.bell(kind);
    const seeds = Array.from({ length: COUNT }, (_, i) => seed + i);
    const latents = plain ? fromBell(bell, seeds) : await sampled(bell, seeds, this.label, { signal });
    const redraws = await decode(kind, latents, { signal });
    const codes = await encode(mapOf(host.state), redraws, { signal });
    this.ideas = redraws.map((planes, i) => {
      const [x, y] = codes[i]!.mean;
      return { pixels: shown(planes), place: [x!, y!] };
    });
    this.of = wanted;
    this.chosen = 0;
  }

  private choose(index: number): void {
    this.chosen = index;
    this.host.requestUpdate();
  }

  private name(i: number): string {
    return t("describe-redraw.idea", { seed: String(this.host.state.seed + i) });
  }

  pins(): Pin[] {
    if (this.of.split(" ")[1] !== String(this.host.state.plain)) return [];
    return this.ideas.map(({ place, pixels }, i) => {
      const kind = i === this.chosen ? "lens" : "idea";
      return { place, pixels, label: this.name(i), kind, choose: () => this.choose(i) };
    });
  }

  /** The training picture that is most like a made one. */
  private like(made: Pixels): Neighbour | undefined {
    const { training } = this.host;
    if (!training) return undefined;
    const known = this.neighbours.get(made) ?? nearest(shrink(made.data, made.width), training.table, 1)[0]!;
    this.neighbours.set(made, known);
    return known;
  }

  draw(): TemplateResult {
    const { host, ideas } = this;
    const one = ideas[this.chosen];
    const found = one && this.like(one.pixels);
    const next = () => host.set({ seed: Math.floor(1e6 * Math.random()) });
    return html`<div class="ideas">
      <section class="made-list">
        <div class="controls">
          ${button(t("describe-redraw.draw-new", { count: COUNT }), next, "primary")}
          ${host.state.plain ? nothing : host.control("label")}
        </div>
        <ol class="tiles">
          ${ideas.map(
            ({ pixels }, i) => html`<li><button type="button" class="tile" aria-pressed=${i === this.chosen}
              @click=${() => this.choose(i)}>${picture(pixels, this.name(i), "picture soft")}</button></li>`,
          )}
        </ol>
        <p class="hint">${t(`describe-redraw.ideas-${host.state.plain ? "plain" : "vae"}`)}</p>
      </section>
      ${
        one && found
          ? html`<section class="pair">
              ${shot(one.pixels, this.name(this.chosen))}
              ${shot(host.training!.pixels(found.index), host.training!.name(found.index), this.likeWords(found))}
            </section>`
          : nothing
      }
    </div>`;
  }

  private likeWords({ index, distance }: Neighbour): string {
    return t("describe-redraw.most-like", { name: this.host.training!.name(index), distance: fixed(distance, 2) });
  }

  alternative(): Alternative {
    const { host, ideas } = this;
    const one = ideas[this.chosen];
    if (!one) return { sentence: t("describe-redraw.waiting"), table: { head: [], rows: [] } };
    const found = this.like(one.pixels);
    const { seed, label, plain } = host.state;
    const made = t("describe-redraw.ideas-said", {
      count: COUNT,
      seed,
      what: plain ? classWords("any") : classWords(label),
    });
    const rows = ideas.map(({ place }, i) => [this.name(i), ...place.map(two)]);
    const head = ["picture-head", "x", "y"].map((key) => t(`describe-redraw.${key}`));
    return { sentence: found ? `${made} ${this.likeWords(found)}` : made, table: { head, rows } };
  }

  code(): Code {
    const { seed, plain, label } = this.host.state;
    if (plain) {
      return {
        python: `import numpy as np
from PIL import Image
from bozzetto.runtime import sample, store, vae

model = vae.load(store.weights_folder(), "plain_")
pictures = sample.to_bytes(vae.sample_plain(model, range(${seed}, ${seed + COUNT})))
Image.fromarray(np.concatenate(pictures, 1)).save("ideas.png")`,
      };
    }
    const name = classOf(label);
    return {
      python: `import bozzetto

pictures = bozzetto.sample("vae", seed=${seed}, n=${COUNT}${name ? `, label="${name}"` : ""})`,
      shell: `bozzetto sample vae --seed ${seed} --n ${COUNT}${name ? ` --label ${shellWord(name)}` : ""}`,
    };
  }
}
