// From one picture to another, by way of the pictures in between: the list of A is turned into that of B.
import { html, nothing, type TemplateResult } from "lit";
import type { ModelName } from "../../runtime/client.js";
import { picture, type Pixels, pixels } from "../../ui/canvas.js";
import type { Code } from "../../ui/code.js";
import type { Alternative } from "../../ui/figure-parts.js";
import type { Picked } from "../../ui/picture-input.js";
import { percent, t } from "../../ui/strings.js";
import type { Place } from "./atlas.js";
import { both, type Host, listOf, mapOf, type Mode, type Named, type Pin, shown, two } from "./mode.js";
import { numbersChoice, ofGallery } from "./redraw-mode.js";
import { type Bell, decode, encode, type Kind, planes, slerp } from "./vae.js";

const FRAMES = 9;

/** All that does not change while the slider moves. */
interface Way {
  kind: Kind;
  ends: readonly [Pixels, Pixels];
  latents: readonly [Float32Array, Float32Array];
  bell: Bell;
  frames: readonly Pixels[];
  places: readonly Place[];
  originals: readonly [Place, Place];
}

export class MorphMode implements Mode {
  readonly picks = true;
  private way: Way | undefined;
  private now: { at: number; way: Way; redraw: Pixels; place: Place } | undefined;
  /** The end for which another picture is being chosen. */
  private choosing: 0 | 1 | undefined;
  private own: [Named | undefined, Named | undefined] = [undefined, undefined];

  constructor(private readonly host: Host) {}

  models(): ModelName[] {
    return both(mapOf(this.host.state), listOf(this.host.state));
  }

  forget(): void {
    this.own = [undefined, undefined];
    this.choosing = undefined;
  }

  private get kind(): Kind {
    return this.host.state.numbers === "2" ? mapOf(this.host.state) : listOf(this.host.state);
  }

  private end(which: 0 | 1): Named & { index?: number } {
    const { state } = this.host;
    const own = which ? this.own[1] : (this.own[0] ?? this.host.own);
    if (own) return own;
    const first = t(`describe-redraw.${which ? "second" : "first"}-picture`);
    return ofGallery(this.host, which ? state.other : state.picture, first);
  }

  async answer(signal?: AbortSignal): Promise<void> {
    const { kind, host } = this;
    const ends = [this.end(0).pixels, this.end(1).pixels] as const;
    const { way } = this;
    if (!way || way.kind !== kind || way.ends[0] !== ends[0] || way.ends[1] !== ends[1]) {
      this.way = await this.find(kind, ends, signal);
    }
    const { at } = host.state;
    if (this.now?.way === this.way && this.now?.at === at) return;
    const { latents, bell } = this.way!;
    const [redraw] = await decode(kind, [slerp(...latents, bell.mean, at)], { signal });
    const [code] = await encode(mapOf(host.state), [redraw!], { signal });
    this.now = { at, way: this.way!, redraw: shown(redraw!), place: [code!.mean[0]!, code!.mean[1]!] };
  }

  private async find(kind: Kind, ends: Way["ends"], signal?: AbortSignal): Promise<Way> {
    const map = mapOf(this.host.state);
    const originals = ends.map(planes);
    const [a, b] = await encode(kind, originals, { signal });
    const bell = this.host.bell(kind);
    const latents = [a!.mean, b!.mean] as const;
    const between = Array.from({ length: FRAMES }, (_, i) => slerp(...latents, bell.mean, i / (FRAMES - 1)));
    const redraws = await decode(kind, between, { signal });
    const codes = await encode(map, [...redraws, ...originals], { signal });
    const places = codes.map(({ mean }): Place => [mean[0]!, mean[1]!]);
    return {
      kind,
      ends,
      latents,
      bell,
      frames: redraws.map(shown),
      places: places.slice(0, FRAMES),
      originals: [places[FRAMES]!, places[FRAMES + 1]!],
    };
  }

  pins(): Pin[] {
    const { now, way } = this;
    if (!way || !now || way.kind.startsWith("plain") !== this.host.state.plain) return [];
    const ends = ([0, 1] as const).map((which): Pin => {
      const { name } = this.end(which);
      return { place: way.originals[which], pixels: way.ends[which], label: name, kind: "end" };
    });
    return [...ends, { place: now.place, pixels: now.redraw, label: this.words, kind: "lens" }];
  }

  path(): readonly Place[] {
    return this.pins().length ? this.way!.places : [];
  }

  private get words(): string {
    const values = { a: this.end(0).name, b: this.end(1).name, share: percent(this.host.state.at) };
    return t("describe-redraw.between", values);
  }

  private readonly onPicked = (event: CustomEvent<Picked>): void => {
    const { data, name, index } = event.detail;
    const which = this.choosing ?? 0;
    this.own[which] = index === undefined ? { name, pixels: pixels(data) } : undefined;
    if (!which) this.host.own = this.own[0];
    const { picture, other } = this.host.state;
    this.host.set(which ? { other: index ?? other } : { picture: index ?? picture });
  };

  private endButton(which: 0 | 1): TemplateResult {
    const { name, pixels } = this.end(which);
    const open = () => {
      this.choosing = this.choosing === which ? undefined : which;
      this.host.requestUpdate();
    };
    return html`<button type="button" class="end-one" aria-expanded=${this.choosing === which} @click=${open}>
      ${picture(pixels, "", "picture soft")}
      <span><b>${which ? "B" : "A"}</b> ${name}</span>
    </button>`;
  }

  draw(): TemplateResult {
    const { host, way } = this;
    const { at } = host.state;
    const onAt = (event: Event) => host.set({ at: Number((event.target as HTMLInputElement).value) });
    const { index } = this.end(this.choosing ?? 0);
    return html`<div class="morph">
        ${this.endButton(0)}
        <div class="between">
          <ol class="frames" aria-hidden="true">
            ${(way?.frames ?? []).map((frame) => html`<li>${picture(frame, "", "picture soft")}</li>`)}
          </ol>
          <input type="range" min="0" max="1" step="0.01" .value=${String(at)} @input=${onAt}
            aria-label=${t("describe-redraw.at")} aria-valuetext=${this.words} />
        </div>
        ${this.endButton(1)}
      </div>
      ${
        this.choosing === undefined
          ? nothing
          : html`<bz-picture-input .gallery=${host.gallery} .selected=${index ?? -1}
              @picked=${this.onPicked}></bz-picture-input>`
      }
      ${numbersChoice(host)}`;
  }

  alternative(): Alternative {
    const { now, way } = this;
    if (!now || !way) return { sentence: t("describe-redraw.waiting"), table: { head: [], rows: [] } };
    const rows = way.places.map(([x, y], i) => [percent(i / (FRAMES - 1)), two(x), two(y)]);
    const head = ["way-head", "x", "y"].map((key) => t(`describe-redraw.${key}`));
    return { sentence: this.words, table: { head, rows } };
  }

  code(): Code {
    return {
      python: `import numpy as np
from PIL import Image
from bozzetto.pictures import as_planes, fit, open_picture, over_white
from bozzetto.runtime import sample, store, vae

model = vae.load(store.weights_folder(), "${this.kind}")
a, b = (
    as_planes(np.asarray(over_white(fit(open_picture(name))).reduce(2))[None])[0]
    for name in ("a.png", "b.png")
)
pictures = sample.to_bytes(vae.morph(model, a, b, ${FRAMES}))
Image.fromarray(np.concatenate(pictures, 1)).save("morph.png")`,
    };
  }
}
