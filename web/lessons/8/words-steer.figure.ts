// "Words steer noise": from a prompt to a picture, every step shown with and without the words.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state as reactive } from "lit/decorators.js";
import { once } from "../../core/cache.js";
import { cosines, dequantise, dot } from "../../core/vectors.js";
import { count } from "../../runtime/arrays.js";
import { type ModelConfig, type ModelName, Runtime, type Stepped } from "../../runtime/client.js";
import { CONTEXT_LENGTH, LATENT_SHAPE, LIMITS, STYLES } from "../../runtime/generated.js";
import { Tokenizer } from "../../runtime/tokenizer.js";
import { cells, difference, heat, mosaic, picture, type Pixels, pixels } from "../../ui/canvas.js";
import { chart, ticks } from "../../ui/chart.js";
import { type Code, python, shellWord } from "../../ui/code.js";
import { type Alternative, button, type Content, dataTable } from "../../ui/figure-parts.js";
import { FILM_FIELDS, FilmFigure, SAMPLER_NAMES } from "../../ui/film-figure.js";
import type { Film } from "../../ui/film.js";
import { optionalJson, siteUrl } from "../../ui/site.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { megabytes, number, percent, t } from "../../ui/strings.js";
import { added, prefixes, problem, rivals, seedsFrom, seenInstead } from "./words.js";

const SKETCH_STEPS = 8; // enough to see where a picture goes
const SEEDS = 16;

/** data/weak-spots.json: how often our model gets something right. */
interface WeakSpot {
  what: string;
  rate: number;
  low: number;
  high: number;
  n: number;
}

interface Tile {
  name: string;
  pixels?: Pixels;
  /** With a scorer: what CLIP sees in it, "" for the words that were asked for. */
  seen?: string;
}

/** data/labels.json and labels.embeddings.bin: the names of the picture world as CLIP's text half encodes them. */
interface Labels {
  names: string[];
  embedding_scale: number;
}

/** Several quick pictures: a prompt growing word by word, or neighbouring seeds. */
interface Trial {
  kind: "grow" | "seeds";
  prompt: string;
  /** How many names the words had to beat. */
  rivals: number;
  tiles: Tile[];
}

const SCORERS = ["clip/order", "clip/image"] as const; // beside the text tower

const FIELDS = defineFields({
  prompt: { kind: "text", default: "a red apple", max: LIMITS.prompt },
  ...FILM_FIELDS,
  guidance_scale: { kind: "float", default: 5, min: 0, max: 10 },
  sampler: { kind: "choice", default: "dpmpp_2m", options: SAMPLER_NAMES },
  style: { kind: "choice", default: "any", options: ["any", ...STYLES] },
  prompt_b: { kind: "text", default: "", max: LIMITS.prompt },
  match: { kind: "flag", default: false },
});
type State = StateOf<typeof FIELDS>;

const NAMES = ["prompt", "seed", "num_inference_steps", "guidance_scale", "sampler", "style"] as const; // what makes the picture of a run
type Run = Pick<State, (typeof NAMES)[number]>;

@customElement("bz-words-steer")
export class WordsSteer extends FilmFigure<State, Run> {
  protected readonly fields = FIELDS;

  protected names = NAMES;
  protected views = ["clean", "noisy", "withPrompt", "withoutPrompt"] as const;
  protected size = count(LATENT_SHAPE);
  @reactive() private tokenizer: Tokenizer | undefined;
  @reactive() private trial: Trial | undefined;
  @reactive() private weakSpots: WeakSpot[] = [];
  @reactive() private clipBytes = 0;
  /** Text embeddings by prompt, and match scores of the clean guesses by run. */
  private vectors = new Map<string, Float32Array>(); // by the prompt, what the denoiser is told of it
  private targets = new Map<string, Float32Array>(); // and what a picture is compared with
  private scores = new Map<string, number[]>();

  override connectedCallback(): void {
    super.connectedCallback();
    void this.learn();
  }

  /** What the page can know before any model is here. */
  private async learn(): Promise<void> {
    this.weakSpots = (await optionalJson<WeakSpot[]>("data/weak-spots.json")) ?? [];
    const scorers = await Promise.all(SCORERS.map((name) => optionalJson<ModelConfig>(`models/${name}/config.json`)));
    const files = scorers.flatMap((config) => Object.values(config?.files ?? {}));
    this.clipBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const words = await fetch(siteUrl("models/clip/text/vocabulary.txt")).catch(() => undefined);
    if (words?.ok) this.tokenizer = Tokenizer.read(new Uint8Array(await words.arrayBuffer()));
  }

  protected get models(): readonly ModelName[] {
    const models = ["clip/text", "text_to_image", "autoencoder/decoder"] as const;
    return this.state.match ? [...models, ...SCORERS] : models;
  }

  protected async decode(latents: Float32Array): Promise<Pixels> {
    return pixels(await Runtime.get().decode(latents));
  }

  protected make({ style, ...run }: Run, o: Stepped) {
    return Runtime.get().generate(style === "any" ? run : { ...run, style }, o);
  }

  protected override runs(): Run[] {
    const prompt = this.state.prompt_b.trim();
    return prompt ? [this.runOf({}), this.runOf({ prompt })] : [this.runOf({})];
  }

  protected override get ready(): boolean {
    const { tokenizer } = this;
    const empty = ({ prompt }: Run) => (tokenizer ? problem(prompt, tokenizer) === "empty" : !prompt.trim());
    return super.ready && !this.runs().some(empty);
  }

  protected override changed(changes: Partial<State>): void {
    if (changes.match === true && this.film && !this.busy) void this.work.run((signal) => this.finish(signal));
  }

  override reset(): void {
    super.reset();
    this.trial = undefined;
  }

  // ---------------------------------------------------------------- what is computed beside the runs

  protected override async prepare(signal: AbortSignal): Promise<void> {
    await this.work.load(this.models, signal);
    for (const { prompt } of this.runs()) {
      if (!this.vectors.has(prompt)) {
        const [vector] = await Runtime.get().summarise([prompt], { signal });
        this.vectors.set(prompt, vector!);
      }
      if (this.state.match && !this.targets.has(prompt)) {
        const [target] = await Runtime.get().encodeText([prompt], { signal });
        this.targets.set(prompt, target!);
      }
    }
  }

  /** Lesson 7's match score of every clean guess with the run's own words. */
  protected override async finish(signal: AbortSignal): Promise<void> {
    if (!this.state.match) return;
    await this.prepare(signal);
    for (const film of this.films) {
      const text = this.targets.get(promptOf(film));
      if (!text || this.scores.has(film.settings)) continue;
      const scores: number[] = [];
      for (let k = 1; k <= film.last; k++) {
        const shown = film.picture(k, "clean")?.data ?? (await Runtime.get().decode(film.frames[k]!.clean!));
        const [vector] = await Runtime.get().encodeImage([shown], { signal });
        scores.push(dot(text, vector!));
        this.work.report(t("words-steer.matching", { step: k, steps: film.last }), k, film.last);
      }
      this.scores.set(film.settings, scores);
      this.requestUpdate();
    }
  }

  private grow(): void {
    const prompts = prefixes(this.runOf({}).prompt);
    const runs = prompts.map((prompt) => this.runOf({ prompt }));
    void this.sketch("grow", runs, prompts.map((prompt, i) => added(prompt, prompts[i - 1])));
  }

  private manySeeds(): void {
    const seeds = seedsFrom(this.runOf({}).seed, SEEDS);
    void this.sketch("seeds", seeds.map((seed) => this.runOf({ seed })), seeds.map((seed) => number(seed)));
  }

  /** Draws quick pictures of several runs, one after the other; with CLIP at hand it scores each. */
  private sketch(kind: Trial["kind"], runs: Run[], names: string[]): Promise<void> {
    return this.work.run(async (signal) => {
      const { prompt } = this.runOf({});
      const trial: Trial = (this.trial = { kind, prompt, rivals: 0, tiles: names.map((name) => ({ name })) });
      await this.prepare(signal);
      const scorer = kind === "seeds" && this.state.match ? await this.scorer(prompt) : undefined;
      trial.rivals = scorer?.rivals ?? 0;
      for (const [i, run] of runs.entries()) {
        this.work.report(t("words-steer.sketching", { i: i + 1, n: runs.length }), i, runs.length);
        const made = await this.make({ ...run, num_inference_steps: SKETCH_STEPS }, { signal });
        trial.tiles[i]!.pixels = pixels(made.picture);
        if (scorer) {
          const [vector] = await Runtime.get().encodeImage([made.picture], { signal });
          trial.tiles[i]!.seen = scorer.sees(vector!);
        }
        this.requestUpdate();
      }
    });
  }

  /** CLIP as a scorer: are the words of the prompt nearer to a picture than every name that has none of them? */
  private async scorer(prompt: string) {
    const labels = await optionalJson<Labels>("data/labels.json");
    const file = await fetch(siteUrl("data/labels.embeddings.bin"));
    if (!labels || !file.ok) return undefined;
    const table = dequantise(new Int8Array(await file.arrayBuffer()), labels.embedding_scale, labels.names.length);
    const places = rivals(prompt, labels.names);
    const sees = (vector: Float32Array): string => {
      const other = seenInstead(dot(this.targets.get(prompt)!, vector), cosines(vector, table), places);
      return other === undefined ? "" : labels.names[other]!;
    };
    return { rivals: places.length, sees };
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const { films } = this;
    return html`<div class="prompts">
        ${this.field("prompt")} ${this.field("prompt_b")} ${this.runButton()} ${this.promptNotes()}
      </div>
      ${this.pipeline()} ${this.filmNote()}
      ${films.length
        ? html`<div class="films">${films.map((film) => this.filmPart(film))}</div>${this.scrubber()}`
        : this.beforeRun()}
      ${this.matchChart()}`;
  }

  /** Words, vector, latent, picture: each with its size in numbers. */
  private pipeline(): TemplateResult {
    const { film, at } = this;
    const vector = this.vectors.get(film ? promptOf(film) : "");
    const latents = film?.frames[at]?.noisy;
    const stage = (name: string, content: unknown) => html`<li>
      <strong>${t(`words-steer.${name}`)}</strong> ${content} <span>${t(`words-steer.${name}-size`)}</span>
    </li>`;
    const unseen = html`<span class="unseen">${t("words-steer.unseen")}</span>`;
    return html`<ol class="pipeline">
      ${stage("tokens", html`<span class="chips">${this.chips()}</span>`)}
      ${stage("vector", vector ? picture(this.vectorPixels(vector), t("words-steer.vector"), "numbers") : unseen)}
      ${stage("latent", latents ? picture(this.latentPixels(latents), t("words-steer.latent"), "numbers") : unseen)}
      ${stage("decoded", film ? picture(film.picture(at, "noisy"), t("words-steer.noisy"), "small picture") : unseen)}
    </ol>`;
  }

  // One array, one picture, so that a canvas is painted only when there is something new.
  private drawn = new WeakMap<Float32Array, Pixels>();
  private vectorPixels(vector: Float32Array): Pixels {
    return once(this.drawn, vector, () => cells(vector, 16, 0.15));
  }
  private latentPixels(latents: Float32Array): Pixels {
    return once(this.drawn, latents, () => mosaic(latents));
  }

  private chips(): unknown {
    const { prompt } = this.runOf({});
    if (!this.tokenizer) return html`<bdi class="chip">${prompt}</bdi>`;
    const pieces = this.tokenizer.tokenize(prompt);
    return pieces.slice(0, 40).map((piece, i) => {
      const kind = i >= CONTEXT_LENGTH - 1 ? "unread" : piece === "[unk]" || piece.startsWith("##") ? "unknown" : "";
      return html`<bdi class="chip ${kind}">${piece}</bdi>`;
    });
  }

  private letter(film: Film): string {
    return "AB"[this.films.indexOf(film)] ?? "";
  }

  private filmPart(film: Film): TemplateResult {
    const k = Math.min(this.at, film.last);
    const show = (view: (typeof this.views)[number]) =>
      html`<div class="shot">
        ${picture(film.picture(k, view), t(`words-steer.${view}`))} <span>${t(`words-steer.${view}`)}</span>
      </div>`;
    const frame = film.frames[k];
    const why = film.recorded ? "recorded" : k === 0 ? "noise" : "guidance";
    return html`<section class="film">
      <h3>
        ${this.films.length > 1 ? html`<span class="chip">${this.letter(film)}</span>` : nothing}
        <bdi>${promptOf(film)}</bdi>
      </h3>
      <div class="shots">${show("noisy")} ${show("clean")}</div>
      ${frame?.withPrompt
        ? html`<div class="shots thirds">
            ${show("withoutPrompt")} ${show("withPrompt")} ${this.differenceShot(film, k)}
          </div>`
        : html`<p class="hint">${t(`words-steer.no-pair-${why}`)}</p>`}
    </section>`;
  }

  private differenceShot(film: Film, k: number): TemplateResult {
    const [one, other] = [film.picture(k, "withPrompt"), film.picture(k, "withoutPrompt")];
    const frame = film.frames[k]!.withPrompt!;
    const draw = (a: Pixels, b: Pixels) => heat(difference(a, b).map((value) => 2 * value), 64);
    const map = one && other ? once(this.drawn, frame, () => draw(one, other)) : undefined;
    return html`<div class="shot">
      ${picture(map, t("words-steer.difference"))} <span>${t("words-steer.difference")}</span>
    </div>`;
  }

  private matchChart(): Content {
    const series = this.films.flatMap((film) => {
      const points = this.scores.get(film.settings)?.map((y, i) => ({ x: i + 1, y }));
      return points ? [{ name: this.letter(film), points }] : [];
    });
    if (!this.state.match || !series.length) return nothing;
    const values = series.flatMap(({ points }) => points.map(({ y }) => y));
    const format = (value: number) => number(value);
    const x = { label: t("words-steer.step"), ticks: ticks(1, this.film!.steps), format };
    const y = { label: t("words-steer.match-axis"), ticks: ticks(Math.min(0, ...values), Math.max(...values)), format };
    const marks = this.at > 0 ? [{ x: this.at, label: t("words-steer.here") }] : [];
    return html`${chart(t("words-steer.match-title"), series, x, y, marks)}
      <p class="hint">${t("words-steer.match-means")}</p>`;
  }

  protected override controls(): TemplateResult {
    const some = this.ready;
    return html`<div class="controls">
        ${(["num_inference_steps", "guidance_scale", "sampler", "style"] as const).map((name) => this.field(name))}
      </div>
      <div class="controls">
        ${button(t("words-steer.grow"), () => this.grow(), "", !some)}
        ${button(t("words-steer.many"), () => this.manySeeds(), "", !some)} ${this.field("match")}
        <span class="hint">${t("words-steer.match-cost", { size: megabytes(this.clipBytes) })}</span>
      </div>
      ${this.trialPart()} ${this.weakPart()}`;
  }

  /** One message about a prompt: empty, unknown, or which words are read in pieces or not at all. */
  private promptNotes(): Content {
    const { tokenizer } = this;
    if (!tokenizer || this.invalid) return nothing;
    const notes = this.runs().flatMap(({ prompt }) => {
      const wrong = problem(prompt, tokenizer);
      if (wrong) return [t(`words-steer.${wrong}`)];
      const [unknown, unread] = [tokenizer.unknownWords(prompt), tokenizer.unreadWords(prompt)];
      return [
        ...(unknown.length ? [t("words-steer.in-pieces", { words: unknown.slice(0, 8).join(", ") })] : []),
        ...(unread.length ? [t("words-steer.unread", { words: unread.slice(0, 8).join(" ") })] : []),
      ];
    });
    return notes.length ? html`<p class="note" role="status" dir="auto">${notes.join(" ")}</p>` : nothing;
  }

  private trialPart(): Content {
    const { trial } = this;
    if (!trial) return nothing;
    const judged = trial.tiles.filter(({ seen }) => seen !== undefined);
    const right = judged.filter(({ seen }) => seen === "").length;
    const values = { right, n: judged.length, names: trial.rivals };
    const card = siteUrl("models/clip/image/README.md");
    return html`<section class="trial ${trial.kind}">
      <h3>${t(`words-steer.${trial.kind}-title`, { prompt: trial.prompt, steps: SKETCH_STEPS })}</h3>
      <ol>
        ${trial.tiles.map(({ name, pixels, seen }) => html`<li class="shot">
          ${picture(pixels ?? null, t("words-steer.tile", { name }))} <bdi>${name}</bdi>
          ${seen === undefined ? nothing : html`<span class=${seen ? "no" : "yes"}>
            ${seen ? t("words-steer.disagrees", { seen }) : t("words-steer.agrees")}
          </span>`}
        </li>`)}
      </ol>
      ${trial.kind === "grow" ? nothing : html`<p class="hint">
        ${judged.length ? t("words-steer.count", values) : t("words-steer.no-judge")}
        ${judged.length ? html`<a href=${card}>${t("words-steer.judge-card")}</a>` : nothing}
      </p>`}
    </section>`;
  }

  private weakPart(): Content {
    if (!this.weakSpots.length) return nothing;
    const head = ["what", "rate", "interval", "n"].map((name) => t(`words-steer.weak-${name}`));
    const rows = this.weakSpots.map(({ what, rate, low, high, n }) => {
      return [what, percent(rate), `${percent(low)} – ${percent(high)}`, number(n)];
    });
    return html`<details class="weak">
      <summary>${t("words-steer.weak")}</summary>
      ${dataTable({ head, rows })}
    </details>`;
  }

  protected override code(): Code {
    const { prompt, seed, num_inference_steps, guidance_scale, sampler, style } = this.runOf({});
    const any = style === "any";
    return {
      python: `import bozzetto

[picture] = bozzetto.generate(
    ${python(prompt)}, seed=${seed}, num_inference_steps=${num_inference_steps},
    guidance_scale=${guidance_scale}, sampler="${sampler}"${any ? "" : `, style="${style}"`},
)
picture.save("picture.png")`,
      shell:
        `bozzetto generate ${shellWord(prompt)} -o picture.png --seed ${seed} --steps ${num_inference_steps} ` +
        `--guidance ${guidance_scale} --sampler ${sampler}${any ? "" : ` --style ${style}`}`,
    };
  }

  protected override alternative(): Alternative {
    const { seed } = this.runOf({});
    const rows = this.films.map((film) => {
      const k = Math.min(this.at, film.last);
      const score = this.scores.get(film.settings)?.[k - 1];
      return [promptOf(film), String(k), percent(film.noise(k)), score === undefined ? "–" : number(score)];
    });
    const head = ["prompt", "step", "noise", "match-short"].map((name) => t(`words-steer.col-${name}`));
    const done = this.trial?.tiles.filter(({ pixels }) => pixels).length ?? 0;
    const trial = this.trial ? t("words-steer.trial-says", { done, n: this.trial.tiles.length }) : "";
    const { film } = this;
    const at = this.atWords();
    const shown = film ? t("words-steer.says", { prompt: promptOf(film), seed: String(seed), at }) : at;
    return { sentence: `${shown} ${trial}`.trim(), table: { head, rows } };
  }
}

function promptOf(film: Film): string {
  return (JSON.parse(film.settings) as Run).prompt;
}
