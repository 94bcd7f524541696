// A picture that is described by a few numbers and drawn again from them, and what got lost.
import { html, nothing, svg, type TemplateResult } from "lit";
import type { ModelName } from "../../runtime/client.js";
import { cells, difference, heat, picture, type Pixels, pixels } from "../../ui/canvas.js";
import type { Code } from "../../ui/code.js";
import { type Alternative, bar, choices, type Content } from "../../ui/figure-parts.js";
import type { Picked } from "../../ui/picture-input.js";
import { fixed, number, percent, t } from "../../ui/strings.js";
import type { Place } from "./atlas.js";
import { kept, type Kept } from "./lost.js";
import { both, type Host, listOf, mapOf, type Mode, type Named, type Pin, REACH, shot, shown, two } from "./mode.js";
import { type Bell, type Code as Latent, decode, encode, type Kind, PIXELS, planes, SIDE } from "./vae.js";

const WIDE = 320;
const HIGH = 120;

/** What the answer was asked of. */
interface Answer {
  of: Pixels;
  kind: Kind;
  original: Pixels;
  redraw: Pixels;
  latent: Latent;
  bell: Bell;
  colours: Pixels;
  place: Latent;
  kept: Kept;
}

/** The same as colours, a cell a number. */
function colours({ mean }: Latent, bell: Bell): Pixels {
  const off = mean.map((value, i) => (value - bell.mean[i]!) / (REACH * bell.std[i]!));
  return cells(off, mean.length, 1);
}

/** Numbers as bars up and down from the middle of their usual range, each with the reach of its cloud. */
function bars({ mean, std }: Latent, bell: Bell): TemplateResult {
  const step = WIDE / mean.length;
  const wide = Math.min(0.7 * step, 64);
  const y = (i: number, value: number) => {
    const off = (value - bell.mean[i]!) / (REACH * bell.std[i]!);
    return (HIGH / 2) * (1 - Math.min(1, Math.max(-1, off)));
  };
  const each = Array.from(mean, (value, i) => {
    const [middle, end] = [(i + 0.5) * step, y(i, value)];
    const [low, high] = [y(i, value - 2 * std[i]!), y(i, value + 2 * std[i]!)];
    return svg`<rect class=${end > HIGH / 2 ? "below" : ""} x=${middle - wide / 2} y=${Math.min(end, HIGH / 2)} width=${wide} height=${Math.abs(end - HIGH / 2)} />
      <line class="spread" x1=${middle} x2=${middle} y1=${Math.max(low, high + 2)} y2=${high} />`;
  });
  return html`<svg class="bars" viewBox="0 -2 ${WIDE} ${HIGH + 4}" preserveAspectRatio="none" aria-hidden="true">
    ${svg`<line class="axis" x1="0" x2=${WIDE} y1=${HIGH / 2} y2=${HIGH / 2} />`} ${each}
  </svg>`;
}

export function numbersChoice(host: Host): Content {
  if (!host.visible("numbers")) return nothing;
  const named = (["32", "2"] as const).map(
    (count) => [count, t(`describe-redraw.list-${count === "2" ? "two" : "many"}`)] as const,
  );
  const legend = t("describe-redraw.numbers");
  return choices("way", "describe-redraw-numbers", legend, named, host.state.numbers, (numbers) =>
    host.set({ numbers }),
  );
}

/** The picture of the gallery with this index, or the one that is chosen first. */
export function ofGallery({ gallery }: Host, index: number, first: string): Named & { index: number } {
  const there = index >= 0 && index < gallery!.items.length;
  const at = there ? index : Math.max(0, gallery!.find(first));
  return { name: gallery!.items[at]!.name, pixels: gallery!.pixels(at), index: at };
}

export class RedrawMode implements Mode {
  readonly picks = true;
  private answered: Answer | undefined;

  constructor(private readonly host: Host) {}

  models(): ModelName[] {
    return both(mapOf(this.host.state), listOf(this.host.state));
  }

  private get kind(): Kind {
    return this.host.state.numbers === "2" ? mapOf(this.host.state) : listOf(this.host.state);
  }

  private get picture(): Named & { index?: number } {
    return this.host.own ?? ofGallery(this.host, this.host.state.picture, t("describe-redraw.first-picture"));
  }

  async answer(signal?: AbortSignal): Promise<void> {
    const { kind, host } = this;
    const of = this.picture.pixels;
    if (this.answered?.of === of && this.answered.kind === kind) return;
    const original = planes(of);
    const map = mapOf(host.state);
    const [place] = await encode(map, [original], { signal });
    const [latent] = kind === map ? [place] : await encode(kind, [original], { signal });
    const [redraw] = await decode(kind, [latent!.mean], { signal });
    this.answered = {
      of,
      kind,
      original: shown(original),
      redraw: shown(redraw!),
      latent: latent!,
      bell: host.bell(kind),
      colours: colours(latent!, host.bell(kind)),
      place: place!,
      kept: kept(original, redraw!),
    };
  }

  pins(): Pin[] {
    const { answered, host } = this;
    if (!answered || answered.kind.startsWith("plain") !== host.state.plain) return [];
    const [place, cloud] = [answered.place.mean, answered.place.std].map(([x, y]) => [x!, y!] as Place);
    return [{ place: place!, cloud: cloud!, pixels: answered.redraw, label: this.words, kind: "lens" }];
  }

  private get words(): string {
    return t("describe-redraw.redraw-of", { picture: this.picture.name });
  }

  private readonly onPicked = (event: CustomEvent<Picked>): void => {
    const { data, name, index } = event.detail;
    this.host.own = index === undefined ? { name, pixels: pixels(data) } : undefined;
    this.host.set({ picture: index ?? this.host.state.picture });
  };

  draw(): TemplateResult {
    const { answered, host } = this;
    const { name, index } = this.picture;
    const count = answered?.latent.mean.length ?? Number(host.state.numbers);
    const lost =
      answered &&
      heat(
        difference(answered.original, answered.redraw).map((off) => 2 * off),
        SIDE,
      );
    return html`<div class="chain">
        ${shot(answered?.original, t("describe-redraw.original", { picture: name }))}
        <span class="arrow">${t("describe-redraw.describes")}</span>
        <div class="shot list">
          ${answered ? bars(answered.latent, answered.bell) : ""}
          ${answered ? picture(answered.colours, "", "numbers") : ""}
          <span>${t("describe-redraw.list", { count })} ${t("shell.number-colours")}</span>
        </div>
        <span class="arrow">${t("describe-redraw.draws")}</span>
        ${shot(answered?.redraw, this.words, t("describe-redraw.redraw"))}
        ${shot(lost, t("describe-redraw.lost-of", { picture: name }), t("describe-redraw.lost"))}
      </div>
      <div class="flow">
        <section>
          ${numbersChoice(host)}
          <p class="ratio">${t("describe-redraw.ratio", { pixels: PIXELS, count, times: PIXELS / count })}</p>
          ${answered ? this.keeps(answered.kept) : ""}
        </section>
        <section>
          ${
            host.visible("picture")
              ? html`<bz-picture-input .gallery=${host.gallery} .selected=${index ?? -1}
                  @picked=${this.onPicked}></bz-picture-input>`
              : nothing
          }
        </section>
      </div>`;
  }

  private keeps({ coarse, fine, moved }: Kept): TemplateResult {
    const row = (key: string, share: number) => html`<li><span>${t(`describe-redraw.${key}`)}</span> ${bar(share)}
      <b>${percent(share)}</b></li>`;
    return html`<ul class="levels kept">${row("coarse", coarse)} ${row("fine", fine)}</ul>
      <p class="hint">${t("describe-redraw.moved", { moved: fixed(moved, 1), side: SIDE })}</p>`;
  }

  alternative(): Alternative {
    const { answered } = this;
    if (!answered) return { sentence: t("describe-redraw.waiting"), table: { head: [], rows: [] } };
    const { latent, kept, place } = answered;
    const count = latent.mean.length;
    const said = {
      picture: this.picture.name,
      pixels: PIXELS,
      count,
      times: PIXELS / count,
      coarse: percent(kept.coarse),
      fine: percent(kept.fine),
      x: two(place.mean[0]!),
      y: two(place.mean[1]!),
    };
    const rows = Array.from(latent.mean, (value, i) => [number(i + 1), two(value), `± ${fixed(latent.std[i]!, 3)}`]);
    const head = ["number-head", "value-head", "spread-head"].map((key) => t(`describe-redraw.${key}`));
    return { sentence: t("describe-redraw.redraw-said", said), table: { head, rows } };
  }

  code(): Code {
    return {
      python: `import numpy as np
from PIL import Image
from bozzetto.pictures import as_planes, fit, open_picture, over_white
from bozzetto.runtime import sample, store, vae

model = vae.load(store.weights_folder(), "${this.kind}")
picture = over_white(fit(open_picture("picture.png"))).reduce(2)  # 32 x 32
mean, spread = vae.encode(model, as_planes(np.asarray(picture)[None]))
Image.fromarray(sample.to_bytes(vae.decode(model, mean))[0]).save("redraw.png")`,
    };
  }
}
