// "Words steer noise": from a prompt to a picture, every step shown with and without the words.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state as reactive } from "lit/decorators.js";
import { Recent } from "../../core/cache.js";
import { dot } from "../../core/vectors.js";
import { count } from "../../runtime/arrays.js";
import { type ModelConfig, type ModelName, Runtime, type Stepped } from "../../runtime/client.js";
import { GUIDANCE, LATENT_SHAPE, LIMITS, STYLES } from "../../runtime/generated.js";
import { inLayers, read } from "../../runtime/layers.js";
import { Reader } from "../../runtime/reading.js";
import { Tokenizer } from "../../runtime/tokenizer.js";
import { type Pixels, pixels } from "../../ui/canvas.js";
import { chart, ticks } from "../../ui/chart.js";
import { type Code, python, shellWord } from "../../ui/code.js";
import { enlarged } from "../../ui/enlarge.js";
import { type Alternative, button, type Content } from "../../ui/figure-parts.js";
import { FILM_FIELDS, FilmFigure, type Recorded, SAMPLER_NAMES } from "../../ui/film-figure.js";
import type { Film } from "../../ui/film.js";
import { optionalFile, optionalJson, siteUrl } from "../../ui/site.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { megabytes, number, percent, t } from "../../ui/strings.js";
import { asked } from "./asked.js";
import { findObjects, marks } from "./composition.js";
import { type Ladder, ladderPart } from "./ladder.js";
import { chips, filmPart, pipelinePart, type Sketch, sketchPart } from "./shots.js";
import { openNaming, openScorer, SKETCH_STEPS, type Trial, trialPart } from "./trial.js";
import { weakPart, type WeakSpot } from "./weak-spots.js";
import { added, prefixes, seedsFrom } from "./words.js";

const SEEDS = 16;
const KEPT = 50; // of each: what was asked last

const STUDENT = "text_few_steps";
const SKETCHER = ["clip/text", STUDENT, "autoencoder/decoder", "enlarger"] as const; // all that a first answer takes
const SCORERS = ["clip/order", "clip/image"] as const; // beside the text tower

const FIELDS = defineFields({
  prompt: { kind: "text", default: "a red apple", max: LIMITS.prompt },
  ...FILM_FIELDS,
  guidance_scale: { kind: "float", default: GUIDANCE.text_to_image, min: 0, max: 10 },
  sampler: { kind: "choice", default: "dpmpp_2m", options: SAMPLER_NAMES },
  style: { kind: "choice", default: "any", options: ["any", ...STYLES] },
  prompt_b: { kind: "text", default: "", max: LIMITS.prompt },
  match: { kind: "flag", default: false },
});
type State = StateOf<typeof FIELDS>;

/** What makes the picture of a run. */
const NAMES = ["prompt", "seed", "num_inference_steps", "guidance_scale", "sampler", "style"] as const;
type Run = Pick<State, (typeof NAMES)[number]>;

const LETTERS = ["A", "B"];

/** What makes the student's picture of a run. */
function sketchOf({ prompt, seed, style }: Run): string {
  return JSON.stringify([prompt, seed, style]);
}

@customElement("bz-words-steer")
export class WordsSteer extends FilmFigure<State, Run> {
  protected readonly fields = FIELDS;

  protected names = NAMES;
  protected views = ["clean", "noisy", "withPrompt", "withoutPrompt"] as const;
  protected size = count(LATENT_SHAPE);
  protected override readonly opening = 0.2; // what the words do is done early
  @reactive() private tokenizer: Tokenizer | undefined;
  private readonly reader = new Reader(new URL(siteUrl("data/emoji.tsv")));
  @reactive() private trial: Trial | undefined;
  @reactive() private weakSpots: WeakSpot[] = [];
  @reactive() private ladder: Ladder | undefined;
  @reactive() private clipBytes = 0;
  /** Text embeddings by prompt, and match scores of the clean guesses by run. */
  private readonly vectors = new Recent<string, Float32Array>(KEPT); // by the prompt, what the denoiser is told of it
  private readonly targets = new Recent<string, Float32Array>(KEPT); // and what a picture is compared with
  private readonly scores = new Recent<string, number[]>(KEPT);
  private whole = false; // the models of the full run, which a load without them would release
  private readonly sketches = new Recent<string, Sketch>(KEPT);
  private readonly finer = new WeakSet<Film>(); // those whose last picture is enlarged

  override connectedCallback(): void {
    super.connectedCallback();
    void this.learn();
    void this.learnEmoji();
  }

  /** What the page can know before any model is here. */
  private async learn(): Promise<void> {
    this.weakSpots = (await optionalJson<WeakSpot[]>("data/weak-spots.json")) ?? [];
    this.ladder = await optionalJson<Ladder>("data/ladder.json");
    const scorers = await Promise.all(SCORERS.map((name) => optionalJson<ModelConfig>(`models/${name}/config.json`)));
    const files = scorers.flatMap((config) => Object.values(config?.files ?? {}));
    this.clipBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const words = await optionalFile("models/clip/text/vocabulary.txt");
    if (words) this.tokenizer = Tokenizer.read(new Uint8Array(await words.arrayBuffer()));
  }

  protected override learnRecorded({ prompt, vector }: Recorded & { vector?: number[] }): void {
    if (vector) this.vectors.set(String(prompt), Float32Array.from(vector));
  }

  /** The names of emoji, once a prompt holds one. */
  private async learnEmoji(): Promise<void> {
    await this.reader.learn([this.state.prompt, this.state.prompt_b]);
    this.requestUpdate();
  }

  protected get models(): readonly ModelName[] {
    const models = [...SKETCHER, "text_to_image"] as const;
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
    const wrong = ({ prompt }: Run) => (tokenizer ? tokenizer.problem(this.reader.read(prompt)) : !prompt.trim());
    return super.ready && !this.runs().some(wrong);
  }

  protected override changed(changes: Partial<State>): void {
    void this.learnEmoji();
    if (changes.match === true && this.film && !this.busy) void this.work.run((signal) => this.finish(signal));
  }

  override reset(): void {
    super.reset();
    this.trial = undefined;
  }

  // ---------------------------------------------------------------- what is computed beside the runs

  /** The student draws at once what its teacher takes many steps for. */
  protected override async first(signal: AbortSignal): Promise<void> {
    const runs = this.runs().filter((run) => !this.sketches.has(sketchOf(run)));
    if (!runs.length) return;
    const configs = await this.work.load<ModelName>(this.whole ? this.models : SKETCHER, signal);
    const { num_inference_steps: steps = 1 } = configs[STUDENT].defaults ?? {};
    for (const run of runs) {
      const { prompt, seed, style } = run;
      const began = performance.now();
      const wanted = { model: STUDENT, prompt, seed, ...(style !== "any" && { style }) } as const;
      const { picture } = await Runtime.get().generate(wanted, { signal });
      const milliseconds = performance.now() - began;
      this.sketches.set(sketchOf(run), { pixels: await enlarged(picture, signal), steps, milliseconds });
      this.requestUpdate();
    }
  }

  protected override async prepare(signal: AbortSignal): Promise<void> {
    await super.prepare(signal);
    this.whole = true;
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

  /** The last pictures at twice the size; and lesson 7's match score of every clean guess with the run's own words. */
  protected override async finish(signal: AbortSignal): Promise<void> {
    for (const film of this.films) {
      const { clean } = film.frames[film.last]!;
      if (!clean || this.finer.has(film)) continue;
      film.keep(film.last, "clean", await enlarged(await Runtime.get().decode(clean), signal));
      this.finer.add(film);
    }
    this.requestUpdate();
    if (!this.state.match) return;
    await this.prepare(signal);
    for (const film of this.films) {
      const text = this.targets.get(promptOf(film));
      if (!text || this.scores.has(film.settings)) continue;
      const scores: number[] = [];
      for (let k = 1; k <= film.last; k++) {
        const shown = await Runtime.get().decode(film.frames[k]!.clean!);
        const [vector] = await Runtime.get().encodeImage([shown], { signal });
        scores.push(dot(text, vector!));
        this.work.report(t("words-steer.matching", { step: k, steps: film.last }), k, film.last);
      }
      this.scores.set(film.settings, scores);
      this.requestUpdate();
    }
  }

  private grow(): void {
    const read = (prompt: string) => !this.tokenizer?.problem(this.reader.read(prompt));
    const prompts = prefixes(this.runOf({}).prompt).filter(read);
    const runs = prompts.map((prompt) => this.runOf({ prompt }));
    void this.sketch(
      "grow",
      runs,
      prompts.map((prompt, i) => added(prompt, prompts[i - 1])),
    );
  }

  private manySeeds(kind: "seeds" | "layers"): void {
    const seeds = seedsFrom(this.runOf({}).seed, SEEDS);
    void this.sketch(
      kind,
      seeds.map((seed) => this.runOf({ seed })),
      seeds.map(String),
    );
  }

  /** Draws quick pictures of several runs, one after the other; with CLIP at hand it scores each. */
  private sketch(kind: Trial["kind"], runs: Run[], names: string[]): Promise<void> {
    return this.work.run(async (signal) => {
      const { prompt } = this.runOf({});
      const trial: Trial = (this.trial = { kind, prompt, rivals: 0, tiles: names.map((name) => ({ name })) });
      await this.prepare(signal);
      const wanted = kind === "grow" ? undefined : asked(prompt);
      const naming = wanted && wanted.names.length > 1 ? await openNaming(wanted.names) : undefined;
      if (naming) await this.work.load([...this.models, ...SCORERS], signal);
      // Two things that nobody can tell apart cannot be checked.
      const scene = (trial.scene = naming || wanted?.names.length === 1 ? wanted : undefined);
      const scorer =
        kind !== "grow" && !scene && this.state.match ? await openScorer(prompt, this.targets.get(prompt)!) : undefined;
      trial.rivals = scorer?.rivals ?? 0;
      for (const [i, run] of runs.entries()) {
        this.work.report(t("words-steer.sketching", { i: i + 1, n: runs.length }), i, runs.length);
        const draw = async (prompt: string) =>
          (await this.make({ ...run, prompt, num_inference_steps: SKETCH_STEPS }, { signal })).picture;
        const picture = await (kind === "layers" ? inLayers(prompt, draw) : draw(run.prompt));
        trial.tiles[i]!.pixels = pixels(picture);
        if (scene) {
          const found = findObjects(picture);
          const named = found.length === 2 ? await naming?.(picture, found) : undefined;
          trial.tiles[i]!.marks = marks(picture, found, scene, named);
        }
        if (scorer) {
          const [vector] = await Runtime.get().encodeImage([picture], { signal });
          trial.tiles[i]!.seen = scorer.sees(vector!);
        }
        this.requestUpdate();
      }
    });
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const { films, film, at } = this;
    const { prompt } = this.runOf({});
    const vector = this.vectors.get(film ? promptOf(film) : "");
    const runs = this.runs();
    const letter = (i: number) => (runs.length > 1 ? LETTERS[i]! : "");
    const sketch = (run: Run) => this.sketches.get(sketchOf(run));
    // While the models of the full run are on their way there is the student's picture.
    const waiting =
      this.busy &&
      runs.some((run) => sketch(run)) &&
      !this.films.some(({ settings }) => settings === JSON.stringify(runs[0]));
    const shown = waiting
      ? runs.map((run, i) => sketchPart(sketch(run), run.prompt, letter(i)))
      : films.map((film, i) =>
          filmPart(
            film,
            at,
            promptOf(film),
            films.length > 1 ? LETTERS[i]! : "",
            sketch(JSON.parse(film.settings) as Run),
          ),
        );
    return html`<div class="prompts">
        ${this.field("prompt")} ${this.field("guidance_scale")} ${this.runButton()} ${this.promptNotes()}
      </div>
      ${shown.length ? html`<div class="films">${shown}</div>${this.scrubber()}` : this.beforeRun()}
      ${pipelinePart(chips(this.reader.read(prompt), this.tokenizer), vector, film, at)} ${this.matchChart()}`;
  }

  private matchChart(): Content {
    const series = this.films.flatMap((film, i) => {
      const points = this.scores.get(film.settings)?.map((y, i) => ({ x: i + 1, y }));
      return points ? [{ name: LETTERS[i]!, points }] : [];
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

  protected override more(): TemplateResult {
    const some = this.ready;
    const { prompt } = this.runOf({});
    return html`${this.field("prompt_b")}
      <div class="controls">
        ${(["style", "num_inference_steps", "sampler"] as const).map((name) => this.field(name))}
      </div>
      <div class="controls">
        ${button(t("words-steer.grow"), () => this.grow(), "", !some)}
        ${button(t("words-steer.many"), () => this.manySeeds("seeds"), "", !some)}
        ${button(t("words-steer.layers"), () => this.manySeeds("layers"), "", !some || !read(prompt))}
        ${some && !read(prompt) ? html`<span class="hint">${t("words-steer.layers-for")}</span>` : nothing}
        ${this.field("match")}
        ${
          this.clipBytes
            ? html`<span class="hint">${t("words-steer.match-cost", { size: megabytes(this.clipBytes) })}</span>`
            : nothing
        }
      </div>`;
  }

  protected override below(): TemplateResult {
    return html`${trialPart(this.trial, this.weakSpots)} ${weakPart(this.weakSpots)} ${ladderPart(this.ladder)}`;
  }

  /** One message about a prompt: empty, unknown, or which words are read in pieces, not at all, or no more. */
  private promptNotes(): Content {
    const { tokenizer } = this;
    if (!tokenizer || this.invalid) return nothing;
    const notes = this.runs().flatMap(({ prompt }) => {
      const read = this.reader.read(prompt);
      const wrong = tokenizer.problem(read);
      if (wrong) return [t(`words-steer.${wrong}`)];
      const unknown = tokenizer.unknownWords(read);
      const skipped = unknown.filter((word) => tokenizer.pieces(word)[0] === "[unk]");
      const notes = {
        "in-pieces": unknown
          .filter((word) => !skipped.includes(word))
          .slice(0, 8)
          .join(", "),
        skipped: skipped.slice(0, 8).join(" "),
        unread: tokenizer.unreadWords(read).slice(0, 8).join(" "),
      };
      return Object.entries(notes).flatMap(([key, words]) => (words ? [t(`words-steer.${key}`, { words })] : []));
    });
    return notes.length ? html`<p class="note" role="status" dir="auto">${notes.join(" ")}</p>` : nothing;
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
