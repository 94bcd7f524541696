// A figure that runs a sampler in front of the learner: it streams the run as a film, plays it, and steps through it.
import { html, nothing, type TemplateResult } from "lit";
import { state as reactive } from "lit/decorators.js";
import type { ModelName, StepEvent, Stepped } from "../runtime/client.js";
import { normal } from "../runtime/noise.js";
import { SAMPLERS, type SamplerName } from "../runtime/samplers.js";
import { flow } from "../runtime/schedule.js";
import { beats } from "./beat.js";
import { cut, type Pixels } from "./canvas.js";
import { BzFigure } from "./figure.js";
import { type BadgeFacts, button, type Content } from "./figure-parts.js";
import { Film, type Frame, type View } from "./film.js";
import { optionalFile, optionalJson } from "./site.js";
import { defaults, defineFields, type State } from "./state.js";
import { number, percent, t } from "./strings.js";

export const SAMPLER_NAMES = Object.keys(SAMPLERS) as SamplerName[];

/** What makes the picture of a run, all of it, has at least this. */
export type FilmRun = State & {
  readonly seed: number;
  readonly num_inference_steps: number;
  readonly guidance_scale: number;
  readonly sampler: string;
};

/** "at" is the step that is looked at. */
export type FilmState = FilmRun & { readonly at: number };

/** data/recorded/<figure>.json, with the settings of the run and the times of its steps. <figure>.avif has a column a
 * step, and in it a picture of each view that `rows` names; <figure>.bin the numbers that are denoised, as they are after
 * each step, in units of `scale`. */
export type Recorded = State & {
  readonly steps: number;
  readonly times: readonly number[];
  readonly size: number;
  readonly rows: readonly View[];
  readonly scale: number;
};

export const FILM_FIELDS = defineFields({
  seed: { kind: "int", default: 7, min: 0, max: Number.MAX_SAFE_INTEGER },
  num_inference_steps: { kind: "int", default: 20, min: 1, max: 50 },
  at: { kind: "int", default: 50, min: 0, max: 50 },
});

export abstract class FilmFigure<S extends FilmState & Run, Run extends FilmRun> extends BzFigure<S> {
  /** The runs that are shown, side by side. */
  @reactive() protected films: Film[] = [];
  private recording: Film | undefined;
  private endBeats: (() => void) | undefined;
  private shift = 1; // of the times of the steps, as the model wants it
  private drawing: { runs: string; done: Promise<void>; signal: AbortSignal | undefined } | undefined;

  /** The models that the figure needs now. */
  protected abstract get models(): readonly ModelName[];
  /** The fields that make the picture of a run. */
  protected abstract names: readonly (keyof Run & string)[];
  /** How many numbers are denoised. */
  protected abstract size: number;
  /** These numbers as a picture. */
  protected abstract decode(values: Float32Array): Promise<Pixels>;
  /** Runs the sampler. */
  protected abstract make(run: Run, o: Stepped): Promise<unknown>;

  /** The views that are decoded once a run is done, the first ones first. */
  protected abstract views: readonly View[];

  /** The share of the recorded run at which it is met: where most can be seen at one glance. */
  protected readonly opening: number = 1 / 3;

  /** The runs that the state asks for. */
  protected runs(): Run[] {
    return [this.runOf({})];
  }

  protected runOf(changes: Partial<Run>): Run {
    const all: Run = { ...this.state, ...changes };
    return Object.fromEntries(this.names.map((name) => [name, all[name]])) as unknown as Run;
  }

  protected get film(): Film | undefined {
    return this.films[0];
  }

  /** The frame that is looked at. */
  protected get at(): number {
    const { film } = this;
    const at = Math.min(this.state.at, this.newest);
    return film ? Math.max(film.first, film.kept(at)) : at;
  }

  /** The newest frame of all films. */
  private get newest(): number {
    return Math.max(...this.films.map(({ last }) => last));
  }

  /** Whether what is shown is all of what the state asks for. */
  protected get current(): boolean {
    const runs = this.runs().map((run) => JSON.stringify(run));
    const same = this.films.every((film, i) => film.complete && film.settings === runs[i]);
    return same && runs.length === this.films.length;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (!this.film) void this.showRecording().then(() => this.answerLink());
  }

  protected override opened(): void {
    this.pause();
    this.work.cancel();
    this.films = [];
    if (!this.askedForOther) this.link.begin(this.recordedState());
    this.showRecorded();
    super.opened();
    this.answerLink();
  }

  /** A link that asks for more than was recorded is answered with a run. */
  private answerLink(): void {
    if (this.askedForOther && !this.film && !this.busy && this.ready) void this.draw();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.pause();
    for (const film of this.films) film.close();
  }

  private async showRecording(): Promise<void> {
    const path = `data/recorded/${this.figureName}`;
    const recorded = await optionalJson<Recorded>(`${path}.json`);
    if (!recorded) return;
    const { steps, times, size, rows, scale } = recorded;
    const run = this.runOf({ ...defaults<S>(this.fields), ...recorded, num_inference_steps: steps });
    const [sprite, numbers] = await Promise.all([optionalFile(`${path}.avif`), optionalFile(`${path}.bin`)]);
    const image = sprite && (await createImageBitmap(await sprite.blob()).catch(() => undefined));
    const bytes = await numbers?.arrayBuffer();
    if (!image || bytes?.byteLength !== 2 * steps * this.size) return; // the still stays, and the figure runs without
    const film = (this.recording = new Film(JSON.stringify(run), times, true));
    const all = new Int16Array(bytes);
    film.frames.push({});
    for (let k = 1; k <= steps; k++) {
      film.frames.push({
        noisy: Float32Array.from(all.subarray((k - 1) * this.size, k * this.size), (n) => n * scale),
      });
      rows.forEach((view, row) => film.keep(k, view, cut(image, k - 1, row, size)));
    }
    this.learnRecorded(recorded);
    // A link that asks for something else is not answered with this.
    if (!this.askedForOther) this.link.begin(this.recordedState());
    this.showRecorded();
  }

  /** What else is known of the recorded run. */
  protected learnRecorded(_recorded: Recorded): void {}

  private get askedForOther(): boolean {
    return this.names.some((name) => this.link.fromLink.includes(name));
  }

  /** The recorded run's settings, and a step at which the picture is on its way. */
  private recordedState(): Partial<S> {
    if (!this.recording) return {};
    const { settings, steps } = this.recording;
    const at = this.link.fromLink.includes("at") ? this.state.at : Math.round(this.opening * steps);
    return { ...(JSON.parse(settings) as Partial<S>), at };
  }

  private showRecorded(): void {
    const wanted = JSON.stringify(this.runs()[0]);
    if (!this.films.length && this.recording?.settings === wanted) this.films = [this.recording];
  }

  // ---------------------------------------------------------------- running and playing

  /** What can be shown before the models of the run are here. */
  protected first(_signal: AbortSignal): Promise<void> | void {}

  /** What there is to do before a run and after it. */
  protected async prepare(signal: AbortSignal): Promise<void> {
    const configs = await this.work.load(this.models, signal);
    this.shift = Object.values(configs).find(({ defaults }) => defaults?.shift)?.defaults?.shift ?? 1;
  }
  protected finish(_signal: AbortSignal): Promise<void> | void {}

  /** Whether what is asked for can be run. */
  protected get ready(): boolean {
    return this.invalid === undefined;
  }

  /** Runs what the state asks for, keeping what is there already. Asked twice for one thing, it goes on with it: begun
   * anew, it would wait until the worker has opened the models for nobody. */
  protected draw(): Promise<void> {
    const runs = JSON.stringify(this.runs());
    const { drawing } = this;
    if (drawing?.runs === runs && drawing.signal === this.work.signal) return drawing.done;
    const done = this.work.run(async (signal) => {
      await this.first(signal);
      await this.prepare(signal);
      this.go(0);
      this.start();
      const old = this.films.filter((film) => film.complete && !film.recorded);
      const wanted = this.runs();
      this.films = wanted.map((run) => {
        const settings = JSON.stringify(run);
        return old.find((film) => film.settings === settings) ?? this.begin(settings, run);
      });
      // The worker takes their steps in turn.
      const streams = this.films.flatMap((film, i) => (film.complete ? [] : [this.stream(film, wanted[i]!, signal)]));
      await Promise.all(streams);
      if (this.still) this.go(this.newest);
      await this.finish(signal);
      for (const film of this.films) film.decodeAll(this.views);
    });
    this.drawing = { runs, done, signal: this.work.signal };
    return done;
  }

  private begin(settings: string, { seed, num_inference_steps }: Run): Film {
    const decode = (values: Float32Array) => this.decode(values);
    const times = flow(num_inference_steps, this.shift).map(({ t }) => t);
    const film = new Film(settings, times, false, decode, () => this.requestUpdate());
    film.frames.push({ noisy: normal(seed, this.size) });
    return film;
  }

  private async stream(film: Film, run: Run, signal: AbortSignal): Promise<void> {
    const onStep = ({ step, steps, noisy, clean, withPrompt, withoutPrompt, milliseconds }: StepEvent) => {
      const frame: Frame = { noisy, clean, milliseconds };
      if (withPrompt && withoutPrompt) Object.assign(frame, { withPrompt, withoutPrompt });
      film.add(frame);
      this.work.report(t("shell.running", { step: step + 1, steps }), step + 1, steps);
    };
    await this.make(run, { onStep, signal });
  }

  /** To a step, by a person. */
  private seek(at: number): void {
    this.set({ at } as Partial<S>);
  }

  /** To a step, as the film goes on. */
  private go(at: number): void {
    this.follow({ at } as Partial<S>);
  }

  private start(): void {
    this.playing = true;
    this.endBeats?.();
    this.endBeats = beats(() => this.beat());
  }

  private beat(): void {
    const newest = this.films.at(-1)?.last ?? 0;
    const whole = () => Math.min(...this.films.map((film) => film.newestWhole(["clean", "noisy"])));
    if (this.busy && !this.still) this.go(whole());
    else if (this.busy) return;
    else if (this.at < newest) this.go(this.still ? newest : (this.film?.after(this.at) ?? newest));
    else this.pause();
  }

  override play(): void {
    if (!this.current) {
      if (this.ready) void this.draw();
      return;
    }
    if (this.at === this.film?.last) this.seek(0);
    this.start();
  }

  override pause(): void {
    this.playing = false;
    this.endBeats?.();
  }

  override step(): void {
    this.pause();
    this.seek(this.film?.after(this.at) ?? 0);
  }

  override back(): void {
    this.pause();
    this.seek(this.film?.kept(Math.max(0, this.at - 1)) ?? 0);
  }

  override reset(): void {
    this.pause();
    super.reset();
    this.films = [];
    this.follow(this.recordedState());
    this.showRecorded();
  }

  // ---------------------------------------------------------------- parts that such figures share

  /** The steps to look through, and what plays them. */
  protected scrubber(): TemplateResult {
    const film = this.film;
    const [at, steps, stride] = [this.at, film?.steps ?? 1, film?.stride ?? 1];
    const words = this.atWords();
    const onInput = (event: Event) => {
      this.pause();
      this.seek(Number((event.target as HTMLInputElement).value));
    };
    return html`<div class="scrubber">
      ${this.transport("play", this.current ? "primary" : "")}
      <input type="range" min=${film?.first ?? 0} max=${stride * Math.ceil(steps / stride)} step=${stride} .value=${String(at)} ?disabled=${!film}
        aria-label=${t("shell.scrub")} aria-valuetext=${words} @input=${onInput} />
      <span>${words}</span>
    </div>
    ${this.filmNote()}`;
  }

  protected atWords(): string {
    const film = this.film;
    if (!film) return t(this.busy ? "shell.starting" : "shell.no-run");
    return t("shell.at", { step: this.at, steps: film.steps, noise: percent(film.noise(this.at)) });
  }

  /** What is shown before there is a run: the page's own picture, unless the link asks for another one. */
  protected beforeRun(): unknown {
    const nothingYet = t(this.busy ? "shell.starting" : "shell.no-run");
    return this.askedForOther ? html`<p class="hint">${nothingYet}</p>` : this.stillImage;
  }

  /** It leads until what is asked for is there; from then on Play does. */
  protected runButton(): TemplateResult {
    const again = this.current && this.film?.recorded;
    const text = t(again ? "shell.recompute" : "shell.run");
    return button(text, () => void this.draw(), this.current ? "" : "primary", !this.ready || (this.current && !again));
  }

  /** What the shown run is: recorded or live, and whether the settings have moved on since. */
  private filmNote(): Content {
    const film = this.film;
    if (!film) return nothing;
    const { recorded, milliseconds } = film;
    const time = milliseconds ? t("shell.step-time", { ms: number(milliseconds, 0) }) : "";
    return html`<p class="film-note">
      <span class="chip">${t(recorded ? "shell.recorded" : "shell.live")}</span>
      ${this.busy || this.current ? time : t("shell.moved")}
    </p>`;
  }

  protected override badge(): BadgeFacts {
    const { recorded = false, milliseconds } = this.film ?? {};
    return { models: this.models, recorded, milliseconds };
  }
}
