// <bz-same-blocks>: choose a job, and the same few blocks join into its chain, light up as they work, and do it.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state as reactive } from "lit/decorators.js";
import { top } from "../../runtime/arrays.js";
import type { ModelConfig } from "../../runtime/client.js";
import { cut, picture, type Pixels, pixels } from "../../ui/canvas.js";
import type { Code } from "../../ui/code.js";
import { Clip } from "../../ui/clip.js";
import { BzFigure } from "../../ui/figure.js";
import { type Alternative, type BadgeFacts, button, choices, type Content } from "../../ui/figure-parts.js";
import { Gallery } from "../../ui/gallery.js";
import { soundPart } from "../../ui/heard.js";
import "../../ui/picture-input.js";
import type { Picked } from "../../ui/picture-input.js";
import { optionalFile, optionalJson } from "../../ui/site.js";
import { fixed, megabytes, percent, t } from "../../ui/strings.js";
import { Chain, chainPart, took } from "./blocks.js";
import { codeOf } from "./code.js";
import {
  ASKED,
  CAPTION,
  CHAINS,
  DRAWN,
  ends,
  FIELDS,
  IDEAS,
  isEmpty,
  type Job,
  JOBS,
  KNOWN,
  type Mask,
  maskPixels,
  MODELS,
  parseMask,
  scenes,
  type State,
  takesPicture,
  writeMask,
} from "./jobs.js";
import { MaskBoard } from "./mask-board.js";
import { type Result, RUNS } from "./runs.js";
import { saveMask, savePicture } from "./save.js";

/** Jobs whose pictures tell something together: all from one seed. */
const SERIES: readonly Job[] = ["story", "tale"];

@customElement("bz-same-blocks")
export class SameBlocks extends BzFigure<State> {
  protected readonly fields = FIELDS;

  @reactive() private gallery: Gallery | undefined;
  /** A picture of one's own, which no link can hold. */
  private own: Pixels | undefined;
  private readonly owns = new WeakMap<Pixels, number>(); // their numbers
  private owned = 0;
  private readonly results = new Map<Job, Result>();
  /** What each model weighs, and which ones are here. */
  private bytes: Record<string, number> = {};
  private readonly here = new Set<string>();
  private readonly board = new MaskBoard(this);
  private readonly clip = new Clip(this);
  /** What the first job made earlier of what it is met with. */
  @reactive() private recording: Pixels[] | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.weigh();
    void this.openRecording();
    if (this.link.fromLink.length) this.run();
    else void this.work.run(async () => void (this.gallery = await Gallery.get()));
  }

  private async weigh(): Promise<void> {
    const names = [...new Set(Object.values(MODELS).flat())].filter((name) => !name.endsWith(".onnx"));
    const configs = await Promise.all(names.map((name) => optionalJson<ModelConfig>(`models/${name}/config.json`)));
    configs.forEach((config, i) => {
      const files = Object.entries(config?.files ?? {}).filter(([file]) => file !== "steer.onnx"); // of lesson 7
      this.bytes[names[i]!] = files.reduce((sum, [, { bytes }]) => sum + bytes, 0);
    });
    this.requestUpdate();
  }

  private async openRecording(): Promise<void> {
    const file = await optionalFile("data/recorded/same-blocks.avif");
    const strip = file && (await createImageBitmap(await file.blob()).catch(() => undefined));
    if (strip) this.recording = Array.from({ length: DRAWN.vary }, (_, i) => cut(strip, i, 0, strip.height));
  }

  /** What was made earlier, as long as nothing has been run and nothing else is asked. */
  private get recorded(): Pixels[] | undefined {
    const { job, own, result, state } = this;
    const met = job === "vary" && !own && ASKED.vary.every((name) => state[name] === FIELDS[name].default);
    return met && !result ? this.recording : undefined;
  }

  protected override changed(changes: Partial<State>): void {
    if (this.busy && (changes.job || this.result?.asked !== this.asked)) this.work.cancel();
    if (Object.keys(changes).length < Object.keys(FIELDS).length) return;
    this.own = undefined; // another link has been followed
    this.run();
  }

  override reset(): void {
    super.reset();
    this.work.cancel();
    this.own = undefined;
    this.results.clear();
    this.requestUpdate();
  }

  // ---------------------------------------------------------------- what is asked

  private get job(): Job {
    return this.state.job;
  }

  private get result(): Result | undefined {
    return this.results.get(this.job);
  }

  private get given(): Pixels | undefined {
    const { gallery, index } = this;
    return this.own ?? (gallery && gallery.pixels(index));
  }

  /** The gallery's picture that is chosen, or the one that the job begins with. */
  private get index(): number {
    const chosen = this.state.picture;
    if (this.gallery && chosen >= 0 && chosen < this.gallery.items.length) return chosen;
    return Math.max(0, this.gallery?.find(t(`same-blocks.first-${this.job}`)) ?? 0);
  }

  private get givenName(): string {
    return this.own ? t("picture-input.yours") : (this.gallery?.items[this.index]?.name ?? "");
  }

  private get asked(): string {
    const own = this.own && takesPicture(this.job) ? this.owns.get(this.own) : 0;
    return JSON.stringify([own, ...ASKED[this.job].map((name) => this.state[name])]);
  }

  get mask(): Mask {
    return parseMask(this.state.mask);
  }

  paint(mask: Mask): void {
    this.set({ mask: writeMask(mask) });
  }

  /** The sentences that go in. */
  private get sentences(): string[] {
    return this.job === "story" ? scenes(this.state) : [this.state[this.job].trim()];
  }

  /** Why the job cannot be run as it is. */
  private get problem(): string | undefined {
    if (this.sentences.some((sentence) => !sentence) || (this.job === "story" && !this.state.who.trim()))
      return t("same-blocks.no-words");
    if (this.job === "repaint" && !this.mask.includes(true)) return t("same-blocks.no-mask");
    if (takesPicture(this.job) && this.given && isEmpty(this.given.data)) return t("same-blocks.no-picture");
    return undefined;
  }

  // ---------------------------------------------------------------- what is run

  private readonly run = (): void => {
    void this.work.run(async (signal) => {
      this.gallery ??= await Gallery.get();
      if (this.problem || this.invalid) return;
      const { job, asked, gallery } = this;
      await this.work.load(MODELS[job], signal);
      for (const name of MODELS[job]) this.here.add(name);
      const tell = () => this.requestUpdate();
      const given = takesPicture(job) ? this.given : undefined;
      const chain = new Chain(tell);
      const result: Result = {
        asked,
        words: this.sentences.join(" · "),
        chain,
        given,
        pictures: [],
        scores: [],
        found: [],
        tale: "",
        said: "",
        steps: 0,
        complete: false,
      };
      this.results.set(job, result);
      const report = (values: Record<string, number>, done: number, all: number) =>
        this.work.report(t("same-blocks.drawing", values), done, all);
      try {
        await RUNS[job]({ state: this.state, result, gallery, signal, tell, report });
        result.complete = true;
        if (job === "clip") this.clip.show(result.pictures, result.words);
      } finally {
        result.imagined = undefined;
        chain.light(undefined);
      }
    });
  };

  /** Only noise has a seed. */
  override shows(name: string): boolean {
    return super.shows(name) && (name !== "seed" || CHAINS[this.job].includes("noise"));
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const { job, result } = this;
    const jobs = JOBS.map((one) => [one, t(`same-blocks.job-${one}`)] as const);
    const choose = (one: Job) => this.set({ job: one });
    const moved = result?.complete && result.asked !== this.asked;
    return html`<div class="same-blocks">
      ${this.shows("job") ? choices("tabs", "same-blocks-job", this.label("job"), jobs, job, choose) : nothing}
      <p class="job-means">${t(`same-blocks.means-${job}`)}</p>
      ${chainPart(CHAINS[job], result?.chain, job === "find" ? ["see"] : [])}
      <div class="bench ${job}">
        <section class="in" aria-label=${t("same-blocks.in")}>${this.inPart()}</section>
        <section class="out" aria-label=${t("same-blocks.out")}>
          ${this.runPart()} ${result?.note ? html`<p class="note" role="status">${result.note}</p>` : nothing}
          ${this.outPart()} ${moved ? html`<p class="note">${t("shell.moved")}</p>` : nothing}
        </section>
      </div>
    </div>`;
  }

  private inPart(): Content {
    const { job, given, givenName } = this;
    switch (job) {
      case "vary":
        return html`<div class="on-picture">
            ${picture(given, givenName)}
            ${this.shows("strength") ? this.strength() : nothing}
          </div>
          ${this.field("vary")} ${this.another()}`;
      case "repaint":
        return html`${this.board.draw(given, givenName)} ${this.field("repaint")} ${this.another()}`;
      case "ask":
        return html`${picture(given, givenName)} ${this.field("ask")} ${this.ideas()} ${this.another()}`;
      case "story":
        return html`${this.field("who")} ${this.field("scene_1")} ${this.field("scene_2")} ${this.field("scene_3")}`;
      default:
        return html`${this.field(job)} ${this.knownPart()} ${this.ideas()}`;
    }
  }

  private knownPart(): Content {
    const words = KNOWN[this.job]?.join(", ");
    return words ? html`<p class="hint">${t(`same-blocks.known-${this.job}`, { words })}</p>` : nothing;
  }

  private ideas(): TemplateResult {
    const choose = (words: string) => () => {
      this.set({ [this.job]: words });
      this.run();
    };
    return html`<div class="ideas">${IDEAS[this.job]?.map((words) => button(words, choose(words), "quiet"))}</div>`;
  }

  /** The slider lies on the foot of the picture. */
  private strength(): TemplateResult {
    const { strength } = this.state;
    const input = (event: Event) => this.set({ strength: Number((event.target as HTMLInputElement).value) });
    return html`<label class="strength">
      <span>${this.label("strength")} <b>${percent(strength)}</b></span>
      <input type="range" min="0" max="1" step="0.05" .value=${String(strength)} @input=${input}
        aria-valuetext=${percent(strength)} />
      <span class="ends"><span>${t("same-blocks.little")}</span> <span>${t("same-blocks.all")}</span></span>
    </label>`;
  }

  private another(): Content {
    if (!this.shows("picture")) return nothing;
    const onPicked = ({ detail: { data, index } }: CustomEvent<Picked>) => {
      this.own = index === undefined ? pixels(data) : undefined;
      if (this.own) this.owns.set(this.own, ++this.owned);
      this.set({ picture: index ?? this.state.picture });
    };
    return html`<details class="another">
      <summary>${t("same-blocks.another")}</summary>
      <bz-picture-input .gallery=${this.gallery} .selected=${this.own ? -1 : this.index}
        @picked=${onPicked}></bz-picture-input>
    </details>`;
  }

  private runPart(): TemplateResult {
    const { job, problem, result } = this;
    const missing = MODELS[job].filter((name) => !this.here.has(name) && this.bytes[name]);
    const size = missing.reduce((sum, name) => sum + this.bytes[name]!, 0);
    const again = result?.complete && result.asked === this.asked;
    const words = size
      ? t("same-blocks.run-load", { size: megabytes(size) })
      : t(`same-blocks.${again ? "run-again" : "run"}`);
    const whole = job === "repaint" && !this.mask.includes(false);
    return html`<div class="run">
      ${button(words, this.run, "primary", this.busy || problem !== undefined || this.invalid !== undefined)}
      ${problem || whole ? html`<p class="note" role="status">${problem ?? t("same-blocks.whole")}</p>` : nothing}
    </div>`;
  }

  private outPart(): Content {
    const { job, result } = this;
    if (job === "find") return this.foundPart(result);
    if (job === "ask") return this.saidPart(result);
    if (job === "sound") return this.heardPart(result);
    if (job === "clip") return this.clipPart(result);
    const best = result?.scores.length ? top(result.scores) : undefined;
    const order = best ?? Array.from({ length: DRAWN[job] }, (_, i) => i);
    const { recorded } = this;
    const told = job === "tale" && result;
    const from = takesPicture(job) ? this.given : undefined; // pale, where nothing has been made of it yet
    return html`${told ? html`<p class="tale"><bdi>${told.tale}</bdi></p>` : nothing}
    <ol class="drawn-pictures ${best ? "ranked" : ""}">
      ${order.map((i, place) => {
        const drawn = (result?.pictures ?? recorded)?.[i];
        const next = result?.pictures.length === i && !result.complete ? result.imagined : undefined;
        const label = t("same-blocks.drawn", { words: this.drawnWords(i), seed: String(this.seedOf(i)) });
        return html`<li class=${best && place === 0 ? "best" : ""}>
          ${
            (drawn ?? next)
              ? picture(drawn ?? next, label)
              : from
                ? picture(from, "", "picture waiting")
                : html`<span class="unseen">${place || this.busy ? "" : t("same-blocks.unseen")}</span>`
          }
          ${this.under(i, place, best !== undefined)}
        </li>`;
      })}
    </ol>
    ${told && told.said ? this.quote(told) : nothing}
    ${recorded ? html`<p class="hint">${t("same-blocks.recorded")}</p>` : nothing}`;
  }

  private under(i: number, place: number, ranked: boolean): Content {
    const { job, result } = this;
    if (SERIES.includes(job)) return html`<p class="caption"><bdi>${this.drawnWords(i)}</bdi></p>`;
    if (!ranked) return nothing;
    const score = fixed(result!.scores[i]!, 2);
    return html`<p class="caption">
      ${place === 0 ? html`<b>${t("same-blocks.best")}</b>` : nothing}
      <span class="match-number">${t("same-blocks.score", { score })}</span>
    </p>`;
  }

  private drawnWords(i: number): string {
    const words = this.job === "tale" ? ends(this.result?.tale ?? "") : this.sentences;
    return words[i] ?? words[0] ?? "";
  }

  private seedOf(i: number): number {
    return this.state.seed + (SERIES.includes(this.job) ? 0 : i);
  }

  private foundPart(result: Result | undefined): TemplateResult {
    const { gallery } = this;
    const [first, ...others] = result?.found ?? [];
    const shown = (index: number, kind: string) => {
      const item = gallery!.items[index]!;
      return picture(gallery!.pixels(index), t("picture-input.item", { ...item }), kind);
    };
    if (!first || !gallery) return this.unseen();
    return html`<div class="answer-card">
        ${shown(first.index, "picture")} ${this.quote(result!)}
      </div>
      <h3>${t("same-blocks.runners-up")}</h3>
      <ol class="runners-up">
        ${others.map(({ index, score }) => html`<li>${shown(index, "thumb")} <span class="match-number">${fixed(score, 2)}</span></li>`)}
      </ol>`;
  }

  private unseen(): TemplateResult {
    return html`<div class="answer-card"><span class="unseen">${t("same-blocks.unseen")}</span></div>`;
  }

  private heardPart(result: Result | undefined): TemplateResult {
    if (!result?.heard) return this.unseen();
    const { picture: values, sound } = result.heard;
    return soundPart(values, result.words, sound, this.work);
  }

  private clipPart(result: Result | undefined): TemplateResult {
    if (!result?.pictures.length) return this.unseen();
    return this.clip.part();
  }

  private quote(result: Result): TemplateResult {
    const score = result.found[0] && t("same-blocks.score", { score: fixed(result.found[0].score, 2) });
    return html`<blockquote>
      ${score ? nothing : html`<p class="asked"><bdi>${this.job === "tale" ? CAPTION : result.words}</bdi></p>`}
      <p><bdi>${result.said.trim() || (result.complete ? t("same-blocks.silent") : "…")}</bdi></p>
      <footer>${score ?? t("same-blocks.says")}</footer>
    </blockquote>`;
  }

  private saidPart(result: Result | undefined): TemplateResult {
    if (!result) return this.unseen();
    return html`<div class="answer-card alone">${this.quote(result)}</div>`;
  }

  protected override more(): Content {
    const { job, given } = this;
    if (!(ASKED[job] as readonly string[]).includes("num_inference_steps")) return nothing;
    const files = takesPicture(job) && given;
    return html`<div class="controls">
      ${this.field("num_inference_steps")} ${this.field("guidance_scale")}
      ${files ? button(t("same-blocks.save-picture"), () => void savePicture(given)) : nothing}
      ${files && job === "repaint" ? button(t("same-blocks.save-mask"), () => void saveMask(maskPixels(this.mask))) : nothing}
    </div>`;
  }

  // ---------------------------------------------------------------- what the shell shows

  protected override alternative(): Alternative {
    const { job, result } = this;
    const head = [t("same-blocks.col-block"), t("same-blocks.col-time")];
    const chain = CHAINS[job].map((block) => {
      const time = result?.chain.times.get(block);
      return [t(`same-blocks.block-${block}`), time === undefined ? "–" : took(time)];
    });
    const blocks = CHAINS[job].map((block) => t(`same-blocks.block-${block}`)).join(", ");
    const first = t("same-blocks.said-chain", { job: t(`same-blocks.job-${job}`), blocks });
    if (this.recorded) return { sentence: `${first} ${t("same-blocks.recorded")}`, table: { head, rows: chain } };
    if (!result?.complete) return { sentence: first, table: { head, rows: chain } };
    const scores = result.scores.map((score, i) => [t("same-blocks.picture-number", { i: i + 1 }), fixed(score, 2)]);
    const found = result.found.map(({ index, score }) => [this.gallery!.items[index]!.name, fixed(score, 2)]);
    const total = [...result.chain.times.values()].reduce((a, b) => a + b, 0);
    const values = {
      n: result.pictures.length,
      picture: this.givenName,
      words: result.words,
      strength: percent(this.state.strength),
      best: result.scores.length ? top(result.scores)[0]! + 1 : "",
      found: found[0]?.[0] ?? "",
      answer: result.said.trim(),
      total: took(total),
    };
    return {
      sentence: `${first} ${t(`same-blocks.said-${job}`, values)}`,
      table: { head, rows: [...chain, ...scores, ...found] },
    };
  }

  protected override badge(): BadgeFacts {
    const { job, result } = this;
    const models = MODELS[job].filter((name) => !name.endsWith(".onnx"));
    const [time, steps] = [result?.chain.times.get(job === "clip" ? "film" : "denoise"), result?.steps];
    return { models, recorded: this.recorded !== undefined, milliseconds: time && steps ? time / steps : undefined };
  }

  protected override code(): Code {
    return codeOf(this.state);
  }
}
