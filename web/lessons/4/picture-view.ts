// A picture under noise, and what pixel diffusion makes of it in one look: the noise that it sees, what it missed, and
// the clean picture that it imagines. Below, how well it does by the level of noise, and why one jump is not enough.
import { html, nothing, type TemplateResult } from "lit";
import { once, Recent } from "../../core/cache.js";
import { count } from "../../runtime/arrays.js";
import { Runtime } from "../../runtime/client.js";
import { SMALL_SHAPE } from "../../runtime/generated.js";
import { normal } from "../../runtime/noise.js";
import { toSmall } from "../../runtime/pixels.js";
import { BEAT } from "../../ui/beat.js";
import { cut, gain, picture, type Pixels, pixels, solid } from "../../ui/canvas.js";
import { chart, type Point, type Series, ticks } from "../../ui/chart.js";
import { classOf } from "../../ui/classes.js";
import { type Alternative, button, choices, type Content, own } from "../../ui/figure-parts.js";
import { Gallery } from "../../ui/gallery.js";
import "../../ui/picture-input.js";
import type { Picked } from "../../ui/picture-input.js";
import { siteFile, siteJson } from "../../ui/site.js";
import { number, percent, t } from "../../ui/strings.js";
import { type Guess, minus, mix, noiseFound, noiseSeen, pictureFound } from "./spot.js";
import { type Host, share, slider, type View } from "./view.js";

export const MODELS = ["diffusion"] as const;
const SIDE = SMALL_SHAPE[2];
/** Names of the gallery. */
const READY = ["fox", "frog", "strawberry", "sunflower", "penguin", "guitar", "rocket", "crab"].concat(
  "smiling face with sunglasses",
  "octopus",
  "tulip",
  "house",
);
const STEPS = 20;
const TRIES = 60; // as many as the chart can show
/** Noise is drawn at this strength, so that most of its specks are neither black nor white. */
const STRENGTH = 0.4;

/** data/noise-levels.json: the marks of n held-out pictures, at each level their median and where eight of ten lie. */
interface Measured {
  n: number;
  rows: { t: number; picture: Mark; noise: Mark }[];
}
interface Mark {
  median: number;
  low: number;
  high: number;
}

/** What the model has said, and about what. */
interface Answer extends Guess {
  about: string;
  noisePart: number | undefined;
  picturePart: number | undefined;
}

/** Noise as a picture: grey is nothing. */
function seenNoise(planes: Float32Array, times = 1): Pixels {
  return solid(planes.map((value) => times * STRENGTH * value));
}

export class PictureView implements View {
  readonly pace = { by: 5, every: BEAT };
  milliseconds: number | undefined;
  /** A picture that a person has brought. */
  own: { name: string; pixels: Pixels } | undefined;
  private gallery: Gallery | undefined;
  private measured: Measured | undefined;
  private mean: Float32Array | undefined;
  private answered: Answer | undefined;
  private readonly tries = new Map<string, Answer>();
  private walked: { about: string; jump: Pixels; steps: Pixels } | undefined;
  private open = false; // the model is
  private answering = false;
  private stale = false;
  private readonly noises = new Recent<number, Float32Array>(8);
  private kept: { of: Pixels; planes: Float32Array } | undefined;

  constructor(private readonly host: Host) {}

  // ---------------------------------------------------------------- what is asked

  /** The gallery's picture that is chosen, or the one that the figure begins with. */
  private get index(): number {
    const { gallery } = this;
    const chosen = this.host.state.picture;
    const there = gallery && chosen >= 0 && chosen < gallery.items.length;
    return there ? chosen : Math.max(0, gallery?.find(READY[0]!) ?? 0);
  }

  get shown(): { name: string; pixels: Pixels } | undefined {
    const { gallery, index } = this;
    return this.own ?? (gallery && { name: gallery.items[index]!.name, pixels: gallery.pixels(index) });
  }

  /** The picture as planes. */
  private get clean(): Float32Array | undefined {
    const of = this.shown?.pixels;
    if (of && this.kept?.of !== of) this.kept = { of, planes: toSmall(of.data) };
    return this.kept?.planes;
  }

  private get noise(): Float32Array {
    return once(this.noises, this.host.state.seed, () => normal(this.host.state.seed, count(SMALL_SHAPE)));
  }

  /** Which guess the state asks for. */
  private get about(): string {
    const { noise, seed, label } = this.host.state;
    return JSON.stringify([this.own ? this.own.name : this.index, noise, seed, label]);
  }

  /** One guess at a time, and after it the one that is wanted by then. A first or failed one shows its progress. */
  answer(): void {
    this.stale = true;
    if (this.answering) return;
    this.answering = true;
    this.stale = false;
    const slow = () => this.host.work.run((signal) => this.answerAll(signal));
    const quick = this.open && !this.host.work.error;
    void (quick ? this.guess().catch(slow) : slow()).finally(() => {
      this.answering = false;
      if (this.stale) this.answer();
    });
  }

  leave(): void {}

  private async answerAll(signal?: AbortSignal): Promise<void> {
    this.gallery ??= await Gallery.get();
    this.host.requestUpdate();
    if (signal) {
      await Promise.all([this.openData(), this.host.work.load(MODELS, signal)]);
      this.open = true;
    }
    await this.guess(signal);
  }

  private async openData(): Promise<void> {
    if (this.mean) return;
    if (own("diffusion")) return; // what was measured of the course's is not there
    const [measured, average] = await Promise.all([siteJson<Measured>("noise-levels.json"), siteFile("average.png")]);
    const bitmap = await createImageBitmap(await average.blob());
    const { data } = cut(bitmap, 0, 0, SIDE);
    this.mean = Float32Array.from({ length: 3 * SIDE * SIDE }, (_, i) => {
      const [plane, pixel] = [Math.floor(i / SIDE ** 2), i % SIDE ** 2];
      return data[4 * pixel + plane]! / 127.5 - 1;
    });
    this.measured = measured;
  }

  private async guess(signal?: AbortSignal): Promise<void> {
    const { about, noise, mean } = this;
    const [clean, { state }] = [this.clean!, this.host];
    const level = state.noise / 100;
    const began = performance.now();
    const imagined = await Runtime.get().guess(
      { noisy: mix(clean, noise, level), t: level, label: classOf(state.label) },
      { signal },
    );
    this.milliseconds = performance.now() - began;
    const guess = { clean, noise, t: level, imagined };
    this.answered = { ...guess, about, noisePart: noiseFound(guess), picturePart: mean && pictureFound(guess, mean) };
    this.tries.delete(about);
    this.tries.set(about, this.answered);
    for (const oldest of [...this.tries.keys()].slice(0, -TRIES)) this.tries.delete(oldest);
    this.host.requestUpdate();
  }

  /** From pure noise, in one jump and in many small steps. */
  private walk(): void {
    const { seed, label } = this.host.state;
    const what = { seed, label: classOf(label) };
    const about = JSON.stringify([seed, label]);
    void this.host.work.run(async (signal) => {
      await this.host.work.load(MODELS, signal);
      const jump = await Runtime.get().guess({ noisy: this.noise, t: 1, label: what.label }, { signal });
      const steps = await Runtime.get().sample(
        { ...what, num_inference_steps: STEPS, guidance_scale: 1 },
        {
          signal,
          onStep: ({ step }) => {
            this.host.work.report(t("shell.running", { step: step + 1, steps: STEPS }), step + 1, STEPS);
          },
        },
      );
      this.walked = { about, jump: solid(jump), steps: solid(steps) };
      this.host.requestUpdate();
    });
  }

  forget(): void {
    this.own = undefined;
    this.tries.clear();
    this.walked = undefined;
  }

  // ---------------------------------------------------------------- what is drawn

  draw(): TemplateResult {
    const { clean, answered, host } = this;
    const { noise, truth } = host.state;
    const missed = answered && minus(noiseSeen(answered), answered.noise);
    const times = missed && answered.t > 0 && answered.t < 1 ? gain(missed) : 1;
    const shot = (place: string, what: Pixels | undefined, text: string, more: Content = nothing) =>
      html`<div class="spot-shot spot-${place}">
        <div class="spot-frame">${picture(what, text)} ${more}</div>
        <span>${text}</span>
      </div>`;
    const noiseText = t(`spot-the-noise.${truth ? "noise-added" : "noise-seen"}`);
    const noiseShown = answered && (truth ? answered.noise : noiseSeen(answered));
    const missedText = t(`spot-the-noise.missed${times > 1 ? "-times" : ""}`, { times });
    const busy = answered?.about !== this.about;
    return html`<div class="spot" aria-busy=${busy ? "true" : "false"}>
        ${shot("noisy", clean && solid(mix(clean, this.noise, noise / 100)), t("spot-the-noise.noisy", { noise: share(noise) }), slider(host))}
        ${shot("seen", noiseShown && seenNoise(noiseShown), noiseText)}
        ${shot("missed", missed && seenNoise(missed, times), missedText)}
        ${shot("imagined", answered && solid(answered.imagined), t("spot-the-noise.imagined"))}
      </div>
      <div class="spot-line">${host.buttons()} <p class="spot-said">${this.said()}</p></div>
      ${this.ready()}`;
  }

  private said(): string {
    const { answered } = this;
    if (!answered) return t("spot-the-noise.waiting");
    const { t: level, noisePart, picturePart } = answered;
    const part = (value: number | undefined) => (value === undefined ? "–" : percent(value));
    const values = { noise: share(Math.round(100 * level)), seen: part(noisePart), picture: part(picturePart) };
    const key = level === 0 ? "said-none" : level === 1 ? "said-all" : "said";
    return t(`spot-the-noise.${key}`, values);
  }

  /** A few pictures that are at hand. */
  private ready(): Content {
    const { gallery, host } = this;
    if (!gallery || !host.shows("picture")) return nothing;
    const options = READY.map((name) => gallery.find(name))
      .filter((index) => index >= 0)
      .map((index) => [index, picture(gallery.pixels(index), gallery.items[index]!.name, "thumb")] as const);
    const chosen = this.own ? -1 : this.index;
    return choices("strip", "spot-the-noise-ready", t("picture-input.gallery"), options, chosen, (index) => {
      this.own = undefined;
      host.set({ picture: index });
    });
  }

  below(): TemplateResult {
    return html`<div class="spot-below">${this.score()} ${this.jump()}</div>`;
  }

  /** Every picture there is, and the drawing board. */
  input(): Content {
    const onPicked = ({ detail: { data, name, index } }: CustomEvent<Picked>) => {
      this.own = index === undefined ? { name, pixels: pixels(data) } : undefined;
      this.host.set({ picture: index ?? this.host.state.picture });
    };
    return html`<bz-picture-input .gallery=${this.gallery} .selected=${this.own ? -1 : this.index}
      @picked=${onPicked}></bz-picture-input>
      ${this.own ? html`<p class="hint">${t("spot-the-noise.own-stays")}</p>` : nothing}`;
  }

  /** The marks by the level of noise: as measured, and the reader's own tries. */
  private score(): Content {
    const { measured, host } = this;
    if (!measured || !host.shows("score")) return nothing;
    const curve = (name: "picture" | "noise"): Point[] =>
      measured.rows.map((row) => ({ x: 100 * row.t, y: 100 * Math.max(0, row[name].median) }));
    const tried = [...this.tries.values()];
    const dots = (part: "picturePart" | "noisePart"): Point[] =>
      tried.flatMap((one) => (one[part] === undefined ? [] : [{ x: 100 * one.t, y: 100 * one[part] }]));
    const series: Series[] = [
      { name: t("spot-the-noise.of-noise"), points: curve("noise") },
      { name: t("spot-the-noise.of-picture"), points: curve("picture") },
      { name: t("spot-the-noise.you-noise"), points: dots("noisePart") },
      { name: t("spot-the-noise.you-picture"), points: dots("picturePart") },
    ];
    const format = (value: number) => number(value);
    const x = { label: t("spot-the-noise.axis-noise"), ticks: ticks(0, 100), format };
    const y = { label: t("spot-the-noise.axis-found"), ticks: ticks(0, 100), format };
    return html`<section class="spot-score">
      <h3>${t("spot-the-noise.score")}</h3>
      ${chart(
        t("spot-the-noise.score"),
        series.filter(({ points }) => points.length),
        x,
        y,
      )}
      <p class="hint">${t("spot-the-noise.score-means", { n: measured.n })}</p>
    </section>`;
  }

  private jump(): Content {
    const { host, walked } = this;
    const { seed, label } = host.state;
    if (!host.shows("jump")) return nothing;
    const there = walked?.about === JSON.stringify([seed, label]) ? walked : undefined;
    const shot = (what: Pixels | null | undefined, text: string) =>
      html`<div class="shot">${what ? picture(what, text) : html`<span class="unseen"></span>`} <span>${text}</span></div>`;
    return html`<section class="spot-jump">
      <h3>${t("spot-the-noise.jump")}</h3>
      <p>${t("spot-the-noise.jump-why")}</p>
      <div class="spot-ways">
        ${shot(seenNoise(this.noise), t("spot-the-noise.jump-from"))}
        ${shot(there?.jump ?? null, t("spot-the-noise.jump-one"))}
        ${this.mean ? shot(solid(this.mean), t("spot-the-noise.jump-mean")) : nothing}
        ${shot(there?.steps ?? null, t("spot-the-noise.jump-many", { steps: STEPS }))}
      </div>
      ${button(t("spot-the-noise.jump-run"), () => this.walk(), "", Boolean(there) || !this.open)}
    </section>`;
  }

  alternative(): Alternative {
    const rows = [...this.tries.values()].reverse().map(({ t: level, noisePart, picturePart }) => {
      const part = (value: number | undefined) => (value === undefined ? "–" : percent(value));
      return [share(Math.round(100 * level)), part(noisePart), part(picturePart)];
    });
    const head = ["axis-noise", "of-noise", "of-picture"].map((key) => t(`spot-the-noise.${key}`));
    const name = this.shown?.name ?? "";
    const sentence = this.answered ? `${t("spot-the-noise.shown", { name })} ${this.said()}` : this.said();
    return { sentence, table: { head, rows } };
  }
}
