// CLIP steers the maker of small pictures, which reads no words: two runs from one noise, one of them left alone.
import { html, nothing, type TemplateResult } from "lit";
import { dot } from "../../core/vectors.js";
import { type ModelName, Runtime, type SampleOptions, type StepEvent } from "../../runtime/client.js";
import { SMALL_SHAPE, STEERED } from "../../runtime/generated.js";
import { normal } from "../../runtime/noise.js";
import { beats } from "../../ui/beat.js";
import { doubled, picture, type Pixels, solid } from "../../ui/canvas.js";
import { chart, ticks } from "../../ui/chart.js";
import { type Code, python, shellWord } from "../../ui/code.js";
import { type Alternative, button, type Content } from "../../ui/figure-parts.js";
import { number, t } from "../../ui/strings.js";
import { type Compared, heads, type Host, type Mode, textBox, two } from "./mode.js";
import { BOTH } from "./space.js";

const MODELS: readonly ModelName[] = [...BOTH, "clip/image/steer.onnx", "diffusion"];
const { sampler, num_inference_steps: STEPS } = STEERED;
const WAYS = ["alone", "steered"] as const;
type Way = (typeof WAYS)[number];

/** After a step: the noisy picture, the clean one that it was made by, and how close that one is to the words. */
interface Frame {
  noisy: Pixels;
  clean: Pixels;
  score: number;
}

interface Run extends Record<Way, Frame[]> {
  words: string;
  seed: number;
}

export class SteerMode implements Mode {
  private run: Run | undefined;
  private done = 0; // steps of it that are there to see
  private begin: { seed: number; noise: Pixels } | undefined;

  constructor(private readonly host: Host) {}

  get models(): readonly ModelName[] {
    return this.run ? MODELS : [];
  }

  private get words(): string {
    return this.host.state.words.trim() || t("match-score.words-first");
  }

  compared(): Compared {
    return { texts: [this.words], entries: [], typed: this.words };
  }

  // ---------------------------------------------------------------- what is run

  private async start(signal: AbortSignal): Promise<void> {
    const { words } = this;
    const { seed } = this.host.state;
    await this.host.work.load(MODELS, signal);
    const [target] = await Runtime.get().encodeText([words], { signal });
    const run: Run = (this.run = { words, seed, alone: [], steered: [] });
    this.done = 0;
    this.host.set({ at: STEPS });
    const endBeats = beats(() => !this.host.still && this.show(run));
    try {
      const plain = { seed, sampler, num_inference_steps: STEPS };
      await Promise.all([
        this.sample(run.alone, plain, target!, signal),
        this.sample(run.steered, { ...plain, prompt: words }, target!, signal),
      ]);
    } finally {
      endBeats();
      this.show(run);
    }
  }

  private async sample(frames: Frame[], options: SampleOptions, target: Float32Array, signal: AbortSignal) {
    let scored = Promise.resolve();
    const onStep = ({ noisy, clean }: StepEvent): void => {
      const seen = solid(clean);
      scored = scored.then(async () => {
        const [vector] = await Runtime.get().encodeImage([doubled(seen).data], { signal });
        frames.push({ noisy: solid(noisy), clean: seen, score: dot(target, vector!) });
      });
      scored.catch(() => undefined); // the run ends with the same fault
    };
    await Runtime.get().sample(options, { onStep, signal });
    await scored;
  }

  /** Shows as many steps as both runs have. */
  private show(run: Run): void {
    if (run !== this.run) return;
    this.done = Math.min(...WAYS.map((way) => run[way].length));
    if (this.host.work.busy)
      this.host.work.report(t("shell.running", { step: this.done, steps: STEPS }), this.done, STEPS);
    this.host.requestUpdate();
  }

  // ---------------------------------------------------------------- what is drawn

  /** The noise that both runs begin with, which is all there is to see before the first step. */
  private get noise(): Pixels {
    const { seed } = this.run ?? this.host.state;
    if (this.begin?.seed !== seed) {
      const [planes, height, width] = SMALL_SHAPE;
      this.begin = { seed, noise: solid(normal(seed, planes * height * width)) };
    }
    return this.begin.noise;
  }

  /** The step that is looked at, from 1. */
  private get at(): number {
    return Math.min(this.host.state.at, this.done);
  }

  draw(): TemplateResult {
    const { host, run } = this;
    const start = () => void host.work.run((signal) => this.start(signal));
    const ideas = t("match-score.words-ideas").split(", ");
    return html`<div class="steer-words">
        ${textBox(host, "words", this.words)}
        ${button(t("match-score.steer"), start, "primary", host.work.busy)}
      </div>
      <div class="pager">
        <span>${t("match-score.words-try")}</span>
        ${ideas.map((idea) => button(idea, () => host.set({ words: idea }), "quiet"))}
      </div>
      <div class="shots steer-shots">${WAYS.map((way) => this.way(way))}</div>
      ${run ? html`${this.scrubber()} ${this.rise(run)}` : nothing}
      <p class="match-said" role="status">${this.sentence()}</p>
      <p class="hint">${t("match-score.steer-means")}</p>`;
  }

  private way(way: Way): TemplateResult {
    const frame = this.run?.[way][this.at - 1];
    const words = this.run?.words ?? this.words;
    const name = t(`match-score.${way}`, { words });
    if (!frame) {
      return html`<section class="steer-way">
        <h3>${name}</h3>
        ${picture(this.noise, t("match-score.noisy", { name }))}
      </section>`;
    }
    return html`<section class="steer-way">
      <h3>${name}</h3>
      ${picture(frame.clean, t("match-score.imagined", { name }))}
      <p>${t("match-score.steer-score", { value: two(frame.score) })}</p>
      <div class="shot steer-noisy">
        ${picture(frame.noisy, t("match-score.noisy", { name }))} <span>${t("match-score.noisy-short")}</span>
      </div>
    </section>`;
  }

  private scrubber(): TemplateResult {
    const words = t("match-score.steer-at", { step: this.at, steps: STEPS });
    const onInput = (event: Event) => this.host.set({ at: Number((event.target as HTMLInputElement).value) });
    return html`<div class="scrubber">
      <input type="range" min="1" max=${STEPS} .value=${String(this.at)} aria-label=${t("shell.scrub")}
        aria-valuetext=${words} @input=${onInput} />
      <span>${words}</span>
    </div>`;
  }

  /** Both match scores by step. */
  private rise(run: Run): Content {
    if (this.done < 2) return nothing;
    const series = WAYS.map((way) => ({
      name: t(`match-score.${way}-short`),
      points: run[way].slice(0, this.done).map(({ score }, i) => ({ x: i + 1, y: score })),
    }));
    const values = series.flatMap(({ points }) => points.map(({ y }) => y));
    const format = (value: number) => number(value);
    const x = { label: t("match-score.step"), ticks: ticks(0, STEPS), format };
    const y = { label: t("match-score.steer-axis"), ticks: ticks(Math.min(0, ...values), Math.max(...values)), format };
    return html`<div class="steer-chart">
      ${chart(t("match-score.steer-chart"), series, x, y, [{ x: this.at, label: t("match-score.here") }])}
    </div>`;
  }

  private sentence(): string {
    const { run, at } = this;
    if (!run || !at) return t("match-score.steer-first");
    const [alone, steered] = WAYS.map((way) => run[way][at - 1]!.score) as [number, number];
    const ended = at === STEPS ? (steered > alone ? "steer-rose" : "steer-fell") : "steer-now";
    return t(`match-score.${ended}`, { words: run.words, step: at, alone: two(alone), steered: two(steered) });
  }

  code(): Code {
    const { words } = this;
    const { seed } = this.host.state;
    return {
      python: `import bozzetto

[picture] = bozzetto.sample("diffusion", prompt=${python(words)}, seed=${seed})
picture.save("picture.png")`,
      shell: `bozzetto sample diffusion --towards ${shellWord(words)} --seed ${seed} -n 1 -o picture.png`,
    };
  }

  alternative(): Alternative {
    const { run, done } = this;
    const rows = Array.from({ length: done }, (_, i) => [
      String(i + 1),
      ...WAYS.map((way) => two(run![way][i]!.score)),
    ]);
    return { sentence: this.sentence(), table: { head: heads("step", "alone-short", "steered-short"), rows } };
  }
}
