// A cloud of points, and a network that learns in the page where they come from. Its arrows point from a noisy point to
// the clean ones that it can imagine; points of pure noise that follow them arrive in the shape.
import { html, nothing, svg, type TemplateResult } from "lit";
import { SAMPLERS } from "../../runtime/samplers.js";
import { flow } from "../../runtime/schedule.js";
import { toSmall } from "../../runtime/pixels.js";
import { chart, type Point, ticks } from "../../ui/chart.js";
import { type Alternative, button, choices, type Content } from "../../ui/figure-parts.js";
import { Gallery } from "../../ui/gallery.js";
import "../../ui/picture-input.js";
import type { Picked } from "../../ui/picture-input.js";
import { fixed, number, t } from "../../ui/strings.js";
import { inked, mask, points, SHAPES } from "./shapes.js";
import { gaussian, Learner, PARAMETERS, random, STEPS, velocity } from "./toy.js";
import { type Host, MOST, share, slider, type View } from "./view.js";

const SLICE = 10; // milliseconds of work between two breaths of the page
const SHOW = 120; // milliseconds from one set of arrows to the next
const FLOWING = 400; // points
const EDGE = 2.5; // of the picture, to all sides of the middle
const SPACING = 0.3; // of arrows
const GRID = Float64Array.from(
  Array.from({ length: 16 }, (_, row) => Array.from({ length: 16 }, (_, column) => [column, row])).flat(2),
  (place) => SPACING * (place - 7.5),
);
const ASKED = [100, 75, 50, 25, 0]; // levels of noise in the table

function breath(): Promise<void> {
  return new Promise((resume) => setTimeout(resume));
}

/** The mean distance of points [n, 2] to the nearest one of a shape [m, 2]. */
export function distance(from: ArrayLike<number>, shape: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < from.length; i += 2) {
    let least = Infinity;
    for (let j = 0; j < shape.length; j += 2) {
      least = Math.min(least, (from[i]! - shape[j]!) ** 2 + (from[i + 1]! - shape[j + 1]!) ** 2);
    }
    sum += Math.sqrt(least);
  }
  return (2 * sum) / from.length;
}

/** Points as dots of a path with round ends. */
function dots(places: ArrayLike<number>): string {
  let path = "";
  for (let i = 0; i < places.length; i += 2) path += `M${places[i]!.toFixed(2)} ${places[i + 1]!.toFixed(2)}h0`;
  return path;
}

/** An arrow at each place of the grid against the direction in which noise grows; the longer, the faster it shrinks. */
function arrows(growing: ArrayLike<number>): string {
  let path = "";
  for (let i = 0; i < GRID.length; i += 2) {
    const [x, y, dx, dy] = [GRID[i]!, GRID[i + 1]!, -growing[i]!, -growing[i + 1]!];
    const size = Math.hypot(dx, dy);
    const length = 0.27 * Math.tanh(size / 1.6);
    if (length < 0.01) continue;
    const [ux, uy] = [dx / size, dy / size];
    const [endX, endY] = [x + (length * ux) / 2, y + (length * uy) / 2];
    const head = Math.min(0.07, length / 2);
    const wing = (side: number) =>
      `${(endX - head * (ux - side * 0.6 * uy)).toFixed(3)} ${(endY - head * (uy + side * 0.6 * ux)).toFixed(3)}`;
    path +=
      `M${(x - (length * ux) / 2).toFixed(3)} ${(y - (length * uy) / 2).toFixed(3)}` +
      `L${endX.toFixed(3)} ${endY.toFixed(3)}M${wing(1)}L${endX.toFixed(3)} ${endY.toFixed(3)}L${wing(-1)}`;
  }
  return path;
}

export class CloudView implements View {
  readonly pace = { by: -1, every: 40 };
  private gallery: Gallery | undefined;
  /** What is being learned, or has been. */
  private about = "";
  private shape: Float64Array = new Float64Array(0);
  private noise: Float64Array = new Float64Array(0); // for as many of its points as are shown
  private learner: Learner | undefined;
  private losses: Point[] = [];
  /** Where the flowing points are, by the per cent of noise that is left. */
  private flowing: Float32Array[] = [];
  private distances: number[] = [];
  private seconds = 0;
  private empty = false; // what was drawn last had nothing in it

  constructor(private readonly host: Host) {}

  answer(): void {
    const { shape, drawn, seed } = this.host.state;
    const about = JSON.stringify([shape, shape === "drawn" ? drawn : "", seed]);
    if (about === this.about) return;
    this.about = about;
    this.learn();
  }

  /** What is not learned to its end is learned anew. */
  leave(): void {
    if (!this.flowing.length) this.about = "";
  }

  forget(): void {
    this.about = "";
    this.empty = false;
  }

  private learn(): void {
    const { shape, drawn, seed } = this.host.state;
    this.shape = points(shape, drawn, seed);
    [this.flowing, this.losses, this.distances, this.seconds] = [[], [], [], 0];
    const next = random(seed);
    this.noise = Float64Array.from({ length: 2 * FLOWING }, () => gaussian(next));
    this.learner = this.shape.length ? new Learner(this.shape, seed) : undefined;
    if (this.learner) void this.host.work.run((signal) => this.train(this.learner!, signal));
    this.host.requestUpdate();
  }

  private async train(learner: Learner, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    let shown = began;
    this.report(learner);
    while (!learner.done) {
      const until = performance.now() + SLICE;
      while (!learner.done && performance.now() < until) learner.step();
      this.seconds = (performance.now() - began) / 1000;
      if (learner.done || performance.now() - shown > SHOW) {
        shown = performance.now();
        this.report(learner);
      }
      await breath();
      signal.throwIfAborted();
    }
    await this.flow(learner, signal);
  }

  private report({ steps, loss }: Learner): void {
    if (steps) this.losses.push({ x: steps, y: loss });
    this.host.work.report(t("spot-the-noise.learning", { step: number(steps), steps: number(STEPS) }), steps, STEPS);
  }

  /** Pure noise along the arrows, by the very sampler that makes pictures. */
  private async flow({ parameters }: Learner, signal: AbortSignal): Promise<void> {
    const start = Float32Array.from(this.noise);
    const flowing: Float32Array[] = [start];
    const clean = (x: Float32Array, t: number) => {
      const growing = velocity(parameters, x, t);
      return Promise.resolve(x.map((value, i) => value - t * growing[i]!));
    };
    await SAMPLERS.euler(clean, start, flow(MOST), async (_, x) => {
      flowing.push(x);
      await breath();
      signal.throwIfAborted();
    });
    this.flowing = flowing.reverse(); // by per cent: none first
    this.distances = ASKED.map((level) => distance(this.flowing[level]!, this.shape.subarray(0, 2 * FLOWING)));
    this.host.requestUpdate();
  }

  // ---------------------------------------------------------------- what is drawn

  draw(): TemplateResult {
    const { host, learner, shape, flowing } = this;
    const { state } = host;
    const level = state.noise / MOST;
    const shown = shape.subarray(0, 2 * FLOWING);
    const mixed = shown.map((value, i) => (1 - level) * value + level * this.noise[i]!);
    const moving = host.still && !learner?.done ? undefined : learner;
    const options = SHAPES.filter((one) => one !== "drawn" || state.drawn).map(
      (one) => [one, t(`spot-the-noise.shape-${one}`)] as const,
    );
    const choose = (one: (typeof SHAPES)[number]) => host.set({ shape: one });
    return html`<div class="cloud">
      <div class="cloud-frame">
        <svg class="cloud-picture" viewBox="${-EDGE} ${-EDGE} ${2 * EDGE} ${2 * EDGE}" role="img"
          aria-label=${t("spot-the-noise.cloud-picture", { shape: t(`spot-the-noise.shape-${state.shape}`) })}>
          <path class="cloud-shape" d=${dots(shown)}></path>
          ${moving ? svg`<path class="cloud-arrows" d=${arrows(velocity(moving.parameters, GRID, level))}></path>` : nothing}
          <path class="cloud-points" d=${dots(flowing[state.noise] ?? mixed)}></path>
        </svg>
        ${slider(host)}
      </div>
      <div class="cloud-words">
        ${host.shows("shape") ? choices("shapes", "spot-the-noise-shape", t("spot-the-noise.shape"), options, state.shape as (typeof SHAPES)[number], choose) : nothing}
        <p class="spot-said">${this.said()}</p>
        <ul class="cloud-legend">
          <li class="of-arrows">${t("spot-the-noise.legend-arrows")}</li>
          <li class="of-points">${t(`spot-the-noise.legend-${flowing.length ? "flowing" : "mixed"}`, { noise: share(state.noise) })}</li>
          <li class="of-shape">${t("spot-the-noise.legend-shape")}</li>
        </ul>
        ${button(t("spot-the-noise.learn-again"), () => this.learn(), "", !shape.length)}
      </div>
    </div>`;
  }

  private said(): string {
    const { learner, flowing, host } = this;
    const { noise } = host.state;
    if (!learner) return t("spot-the-noise.cloud-empty");
    const values = {
      step: number(learner.steps),
      steps: number(STEPS),
      numbers: number(PARAMETERS),
      noise: share(noise),
      seconds: fixed(this.seconds, 1),
      distance: fixed(this.distances.at(-1) ?? 0, 2),
    };
    if (!flowing.length) return t("spot-the-noise.cloud-learning", values);
    const key = noise === MOST ? "all" : noise === 0 ? "none" : "some";
    return `${t("spot-the-noise.cloud-learned", values)} ${t(`spot-the-noise.cloud-${key}`, values)}`;
  }

  /** A shape of one's own: whatever is not white in a drawing. */
  input(): Content {
    if (!this.gallery) {
      void Gallery.get().then(
        (gallery) => {
          this.gallery = gallery;
          this.host.requestUpdate();
        },
        () => undefined, // it can still be drawn
      );
    }
    const onPicked = ({ detail }: CustomEvent<Picked>) => {
      const drawn = mask(toSmall(detail.data));
      this.empty = !inked(drawn).length;
      if (this.empty) this.host.requestUpdate();
      else this.host.set({ shape: "drawn", drawn });
    };
    return html`<p class="hint">${t("spot-the-noise.draw-shape")}</p>
      <bz-picture-input .gallery=${this.gallery} @picked=${onPicked}></bz-picture-input>
      ${this.empty ? html`<p class="error" role="alert">${t("spot-the-noise.nothing-drawn")}</p>` : nothing}`;
  }

  below(): TemplateResult {
    const { losses } = this;
    if (losses.length < 2 || !this.host.shows("score")) return html``;
    const series = [{ name: "", points: losses }];
    const x = { label: t("spot-the-noise.axis-steps"), ticks: ticks(0, STEPS), format: (value: number) => number(value) };
    const heights = losses.map(({ y }) => y);
    const y = {
      label: t("spot-the-noise.axis-loss"),
      ticks: ticks(Math.min(...heights), Math.max(...heights)),
      format: (value: number) => number(value, 1),
    };
    return html`<div class="spot-below"><section class="spot-score">
      <h3>${t("spot-the-noise.loss")}</h3>
      ${chart(t("spot-the-noise.loss"), series, x, y)}
      <p class="hint">${t("spot-the-noise.loss-means")}</p>
    </section></div>`;
  }

  alternative(): Alternative {
    const rows = this.distances.map((value, i) => [share(ASKED[i]!), fixed(value, 2)]);
    const head = ["axis-noise", "distance"].map((key) => t(`spot-the-noise.${key}`));
    return { sentence: this.said(), table: { head, rows } };
  }
}
