// A cloud of points, and a network that learns in the page where they come from. Its arrows point from a noisy point to
// the clean ones that it can imagine; points of pure noise that follow them arrive in the shape.
import { html, nothing, svg, type TemplateResult } from "lit";
import { type CloudStep, Runtime } from "../../runtime/client.js";
import { gaussian, PARAMETERS, random, STEPS, velocity } from "../../runtime/cloud.js";
import { toSmall } from "../../runtime/pixels.js";
import { chart, type Point, ticks } from "../../ui/chart.js";
import { type Alternative, button, choices, type Content } from "../../ui/figure-parts.js";
import { Gallery } from "../../ui/gallery.js";
import "../../ui/picture-input.js";
import type { Picked } from "../../ui/picture-input.js";
import { fixed, number, t } from "../../ui/strings.js";
import { distance, inked, mask, points, SHAPES } from "./shapes.js";
import { type Host, MOST, share, slider, type View } from "./view.js";

const FLOWING = 400; // points
const [EDGE, FOOT] = [2.5, 0.55]; // of the picture, to all sides of the middle; room for the slider
const SPACING = 0.3; // of arrows
const GRID = Float64Array.from(
  Array.from({ length: 16 }, (_, row) => Array.from({ length: 16 }, (_, column) => [column, row])).flat(2),
  (place) => SPACING * (place - 7.5),
);
const ASKED = [100, 75, 50, 25, 0]; // levels of noise in the table

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
  private learned: CloudStep | undefined;
  private losses: Point[] = [];
  /** Where the flowing points are, by the per cent of noise that is left. */
  private flowing: Float32Array[] = [];
  private distances: number[] = [];
  private seconds = 0;
  private empty = false; // what was drawn last had nothing in it

  constructor(private readonly host: Host) {}

  /** Whether noise has flowed into the shape. */
  get ready(): boolean {
    return this.flowing.length > 0;
  }

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
    [this.learned, this.flowing, this.losses, this.distances] = [undefined, [], [], []];
    const next = random(seed);
    this.noise = Float64Array.from({ length: 2 * FLOWING }, () => gaussian(next));
    if (this.shape.length) void this.host.work.run((signal) => this.train(signal));
    this.host.requestUpdate();
  }

  private async train(signal: AbortSignal): Promise<void> {
    const { shape, noise, host } = this;
    const began = performance.now();
    const report = (steps: number) =>
      host.work.report(t("spot-the-noise.learning", { step: number(steps), steps: number(STEPS) }), steps, STEPS);
    report(0);
    const onStep = (step: CloudStep) => {
      this.learned = step;
      if (step.steps - (this.losses.at(-1)?.x ?? 0) >= 20) this.losses.push({ x: step.steps, y: step.loss });
      this.seconds = (performance.now() - began) / 1000;
      report(step.steps);
    };
    const { flowing } = await Runtime.get().learnCloud(
      { points: shape, noise, seed: host.state.seed },
      { signal, onStep },
    );
    this.flowing = flowing.reverse(); // by per cent: none first
    this.distances = ASKED.map((level) => distance(this.flowing[level]!, shape.subarray(0, 2 * FLOWING)));
    host.requestUpdate();
  }

  // ---------------------------------------------------------------- what is drawn

  draw(): TemplateResult {
    const { host, learned, shape, flowing } = this;
    const { state } = host;
    const level = state.noise / MOST;
    const shown = shape.subarray(0, 2 * FLOWING);
    const mixed = shown.map((value, i) => (1 - level) * value + level * this.noise[i]!);
    const seen = host.still && !flowing.length ? undefined : learned; // nothing moves where less motion is wished
    const options = SHAPES.filter((one) => one !== "drawn" || state.drawn).map(
      (one) => [one, t(`spot-the-noise.shape-${one}`)] as const,
    );
    const choose = (one: (typeof SHAPES)[number]) => host.set({ shape: one });
    return html`<div class="cloud">
      <div class="cloud-frame">
        <svg class="cloud-picture" viewBox="${-EDGE} ${-EDGE} ${2 * EDGE} ${2 * EDGE + FOOT}" role="img"
          aria-label=${t("spot-the-noise.cloud-picture", { shape: t(`spot-the-noise.shape-${state.shape}`) })}>
          <path class="cloud-shape" d=${dots(shown)}></path>
          ${seen ? svg`<path class="cloud-arrows" d=${arrows(velocity(seen.parameters, GRID, level))}></path>` : nothing}
          <path class="cloud-points" d=${dots(flowing[state.noise] ?? mixed)}></path>
        </svg>
        ${slider(host)}
      </div>
      ${host.buttons()}
      <div class="cloud-words">
        ${host.shows("shape") ? choices("shapes", "spot-the-noise-shape", t("spot-the-noise.shape"), options, state.shape, choose) : nothing}
        <p class="spot-said">${this.said()}</p>
        <ul class="cloud-legend">
          <li class="of-arrows">${t("spot-the-noise.legend-arrows")}</li>
          <li class="of-points">${t(`spot-the-noise.legend-${flowing.length ? "flowing" : "mixed"}`, { noise: share(state.noise) })}</li>
          <li class="of-shape">${t("spot-the-noise.legend-shape")}</li>
        </ul>
        ${this.loss()} ${button(t("spot-the-noise.learn-again"), () => this.learn(), "", !shape.length)}
      </div>
    </div>`;
  }

  private said(): string {
    const { learned, shape, flowing, host } = this;
    const { noise } = host.state;
    if (!shape.length) return t("spot-the-noise.cloud-empty");
    const values = {
      step: number(learned?.steps ?? 0),
      steps: number(STEPS),
      numbers: number(PARAMETERS),
      noise: share(noise),
      seconds: fixed(this.seconds, 1),
      distance: fixed(this.distances.at(-1) ?? 0, 2),
    };
    if (!flowing.length) return t(`spot-the-noise.cloud-${host.work.busy ? "learning" : "stopped"}`, values);
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

  below(): Content {
    return nothing;
  }

  private loss(): Content {
    const { losses } = this;
    if (losses.length < 2 || !this.host.shows("score")) return nothing;
    const series = [{ name: "", points: losses }];
    const x = {
      label: t("spot-the-noise.axis-steps"),
      ticks: ticks(0, STEPS),
      format: (value: number) => number(value),
    };
    const heights = losses.map(({ y }) => y);
    const y = {
      label: t("spot-the-noise.axis-loss"),
      ticks: ticks(Math.min(...heights), Math.max(...heights)),
      format: (value: number) => number(value, 1),
    };
    return html`<section class="cloud-loss">
      <h3>${t("spot-the-noise.loss")}</h3>
      ${chart(t("spot-the-noise.loss"), series, x, y)}
      <p class="hint">${t("spot-the-noise.loss-means")}</p>
    </section>`;
  }

  alternative(): Alternative {
    const rows = this.distances.map((value, i) => [share(ASKED[i]!), fixed(value, 2)]);
    const head = ["axis-noise", "distance"].map((key) => t(`spot-the-noise.${key}`));
    return { sentence: this.said(), table: { head, rows } };
  }
}
