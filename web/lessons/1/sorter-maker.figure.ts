// <bz-sorter-maker>: a sorter names a picture, a maker draws new ones, and a check tells whether they are copies.
import { html, nothing, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { cosines, dequantise } from "../../core/vectors.js";
import { softmax, top } from "../../runtime/arrays.js";
import { type ModelName, Runtime, type TextHidden } from "../../runtime/client.js";
import { cut, picture, type Pixels, pixels } from "../../ui/canvas.js";
import { type Code, python, shellWord } from "../../ui/code.js";
import { BzFigure } from "../../ui/figure.js";
import { type Alternative, type BadgeFacts, bar, button, type Content } from "../../ui/figure-parts.js";
import { Gallery } from "../../ui/gallery.js";
import { paced } from "../../ui/pace.js";
import "../../ui/picture-input.js";
import type { Picked } from "../../ui/picture-input.js";
import { optionalFile, optionalJson, siteFile, siteJson } from "../../ui/site.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { fixed, percent, t } from "../../ui/strings.js";
import { copiesPart, MARKS, verdictValues } from "./copies.js";
import { type Idea, textHidden } from "./ideas.js";
import { Kinds, MAKERS } from "./kinds.js";
import { nearest, type Neighbour, shrink, verdict } from "../../ui/likeness.js";
import { Training } from "../../ui/training.js";

const MADE = 12;
const STEPS = 8;
const SAMPLER = "dpmpp_2m";
const TOP = 5;
const UNSURE = 0.15; // of the gallery's pictures whose best name has less, one in nine is named right

const FIELDS = defineFields({
  picture: { kind: "int", default: -1, min: -1, max: 99_999 },
  idea: { kind: "text", default: "rocket", max: 60 },
  memoriser: { kind: "flag", default: false },
  seed: { kind: "int", default: 7, min: 0, max: 2 ** 31 - 1 },
});
type State = StateOf<typeof FIELDS>;

/** What the maker drew earlier, so that its half is never met empty: data/recorded/sorter-maker.json, and a strip. */
interface Recording {
  idea: string;
  seed: number;
  made: readonly Pixels[];
}

@customElement("bz-sorter-maker")
export class SorterMaker extends BzFigure<State> {
  protected readonly fields = FIELDS;

  private gallery: Gallery | undefined;
  private names: string[] = [];
  private namable: ReadonlySet<string> | undefined; // of the others no answer could be right
  private labels: Float32Array[] = [];
  private logitScale = 1;
  private own: { name: string; pixels: Pixels } | undefined;
  private ideas: Idea[] = [];
  /** The empty prompt, which guidance compares with. */
  private nothing: TextHidden | undefined;
  private sorted: { of: Pixels; shares: number[]; best: number[] } | undefined;
  private recording: Recording | undefined;
  /** What the maker has drawn here for what is chosen; undefined before it has begun. */
  private drawn: Pixels[] | undefined;
  private training: Training | undefined;
  private taught: number[] = [];
  private neighbours = new WeakMap<Pixels, Neighbour[]>();
  private asked = -1;
  private milliseconds: number | undefined;
  private readonly kinds = new Kinds(this);

  override connectedCallback(): void {
    super.connectedCallback();
    void this.openRecording();
    this.sort();
  }

  protected override changed(changes: Partial<State>): void {
    if ("picture" in changes && this.sorted?.of !== this.shown?.pixels) this.sort();
    if ("idea" in changes || "memoriser" in changes || "seed" in changes) this.forget();
    if ("seed" in changes) this.kinds.forget(...MAKERS);
    else if ("idea" in changes) this.kinds.forget("text", "video");
  }

  override reset(): void {
    this.own = undefined;
    super.reset();
  }

  private forget(): void {
    if (this.drawn && !this.kinds.at) this.work.cancel();
    this.drawn = undefined;
    this.asked = -1;
  }

  private get shown(): { name: string; pixels: Pixels } | undefined {
    const { gallery, index } = this;
    return this.own ?? (gallery && { name: gallery.items[index]!.name, pixels: gallery.pixels(index) });
  }

  /** The gallery's picture that is chosen, or the one that the course begins with. */
  private get index(): number {
    const chosen = this.state.picture;
    const there = this.gallery && chosen >= 0 && chosen < this.gallery.items.length;
    return there ? chosen : Math.max(0, this.gallery?.find(t("sorter-maker.first-picture")) ?? 0);
  }

  private get recorded(): boolean {
    const { drawn, recording, state } = this;
    const wanted = recording?.idea === state.idea && recording.seed === state.seed && !state.memoriser;
    return !drawn && wanted;
  }

  private get made(): readonly Pixels[] {
    return this.drawn ?? (this.recorded ? this.recording!.made : []);
  }

  private get idea(): Idea | undefined {
    return this.ideas.find(({ name }) => name === this.state.idea) ?? this.ideas[0];
  }

  private get model(): ModelName {
    return this.state.memoriser ? "memoriser" : "text_to_image";
  }

  // ---------------------------------------------------------------- sort

  private sort(): void {
    const quick = this.sorted && this.shown;
    const slow = () => this.work.run((signal) => this.open(signal));
    void (quick ? this.sortNow().catch(slow) : slow());
  }

  private async open(signal: AbortSignal): Promise<void> {
    const [gallery, names, labels, ideas] = await Promise.all([
      Gallery.get(),
      siteJson<{ names: string[]; embedding_scale: number }>("labels.json"),
      siteFile("labels.embeddings.bin"),
      siteJson<{ ideas: Idea[]; nothing: Idea }>("ideas.json"),
    ]);
    this.gallery = gallery;
    this.names = names.names;
    this.namable = new Set(this.names);
    const bytes = new Int8Array(await labels.arrayBuffer());
    this.labels = dequantise(bytes, names.embedding_scale, names.names.length);
    this.ideas = ideas.ideas;
    this.nothing = textHidden(ideas.nothing);
    this.requestUpdate();
    const configs = await this.work.load(["clip/image"], signal);
    this.logitScale = configs["clip/image"].logit_scale!;
    await this.sortNow();
    if (this.asked >= 0) await this.openTraining(signal);
  }

  private async sortNow(): Promise<void> {
    const of = this.shown!.pixels;
    const [vector] = await Runtime.get().encodeImage([of.data]);
    if (of !== this.shown?.pixels) return; // another one was chosen meanwhile, and asked for
    const scores = cosines(vector!, this.labels);
    this.sorted = { of, shares: softmax(scores, this.logitScale), best: top(scores, TOP) };
    this.requestUpdate();
  }

  // ---------------------------------------------------------------- make

  private async openRecording(): Promise<void> {
    const [facts, strip] = await Promise.all([
      optionalJson<Omit<Recording, "made">>("data/recorded/sorter-maker.json"),
      optionalFile("data/recorded/sorter-maker.avif").then(
        async (file) => file && createImageBitmap(await file.blob()),
      ),
    ]).catch(() => []);
    if (!facts || !strip) return; // the frames wait for Make
    this.recording = { ...facts, made: Array.from({ length: MADE }, (_, i) => cut(strip, i, 0, strip.height)) };
    this.requestUpdate();
  }

  private async make(signal: AbortSignal): Promise<void> {
    const made: Pixels[] = (this.drawn = []);
    this.asked = -1;
    try {
      await this.draw(made, signal);
      if (this.asked >= 0) await this.openTraining(signal);
    } finally {
      if (this.drawn === made && !made.length) this.drawn = undefined; // ended before there was anything to see
    }
  }

  private async draw(made: Pixels[], signal: AbortSignal): Promise<void> {
    const words = { prompt: textHidden(this.idea!), negative_prompt: this.nothing };
    const how = { ...words, num_inference_steps: STEPS, sampler: SAMPLER, model: this.model } as const;
    const seed = this.state.seed;
    const configs = await this.work.load(["clip/image", this.model, "autoencoder/decoder"], signal);
    this.logitScale = configs["clip/image"].logit_scale!;
    if (!this.sorted) await this.sortNow(); // Make was pressed before the sorter had answered
    for (let i = 0; i < MADE; i++) {
      const { picture } = await Runtime.get().generate(
        { ...how, seed: seed + i },
        {
          signal,
          onStep: ({ step, steps, milliseconds }) => {
            this.milliseconds = milliseconds;
            const text = t("sorter-maker.making", { picture: i + 1, count: MADE, step: step + 1, steps });
            this.work.report(text, i * steps + step + 1, MADE * steps);
          },
        },
      );
      made.push(pixels(picture));
      this.check(made[i]!);
      this.requestUpdate();
    }
  }

  // ---------------------------------------------------------------- is it memorised?

  /** What does the sorter see in a made picture? */
  private giveToSorter(made: Pixels): void {
    this.own = { name: t("sorter-maker.made-picture"), pixels: made };
    this.sort();
  }

  private ask(index: number): void {
    this.asked = index;
    this.requestUpdate();
    if (!this.training && !this.busy) void this.work.run((signal) => this.openTraining(signal)); // else after the work
  }

  private async openTraining(signal: AbortSignal): Promise<void> {
    if (this.state.memoriser) this.taught = (await siteJson<{ trained_on: number[] }>("memoriser.json")).trained_on;
    this.training ??= await Training.open(signal, (value, max) => {
      this.work.report(t("sorter-maker.fetching"), value, max);
    });
    const pause = paced();
    for (const one of this.made) {
      this.check(one);
      this.requestUpdate();
      await pause();
    }
  }

  private check(made: Pixels): void {
    if (!this.training || this.neighbours.has(made)) return;
    this.neighbours.set(made, nearest(shrink(made.data, made.width), this.training.table));
  }

  private verdictOf(made: Pixels | undefined) {
    const distance = made && this.neighbours.get(made)?.[0]?.distance;
    return distance === undefined ? undefined : verdict(distance, this.training!.typical);
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    return html`<div class="sorter-maker">
      <section aria-label=${t("sorter-maker.sorter")}>${this.sorter()}</section>
      <section aria-label=${t("sorter-maker.maker")}>${this.maker()} ${this.memorised()}</section>
    </div>
    ${this.kinds.part(this.idea?.prompt, this.state.seed)}`;
  }

  private readonly onPicked = (event: CustomEvent<Picked>): void => {
    const { data, name, index } = event.detail;
    this.own = index === undefined ? { name, pixels: pixels(data) } : undefined;
    this.set({ picture: index ?? this.state.picture });
  };

  private sorter(): TemplateResult {
    const { shown, sorted } = this;
    return html`<h3>${t("sorter-maker.sorter")}</h3>
      <p>${t("sorter-maker.sorter-how", { count: this.names.length || "…" })}</p>
      <div class="sorted">
        ${picture(shown?.pixels, shown?.name ?? "", "picture hero")}
        <ol class="sorted-bars">
          ${(sorted?.best ?? []).map((index) => {
            const share = sorted!.shares[index]!;
            return html`<li>
              <span>${this.names[index]}</span> <b>${percent(share)}</b>
              ${bar(share)}
            </li>`;
          })}
        </ol>
      </div>
      ${
        sorted && sorted.shares[sorted.best[0]!]! < UNSURE
          ? html`<p class="hint">${t("sorter-maker.unsure", { share: percent(UNSURE) })}</p>`
          : nothing
      }
      <bz-picture-input .gallery=${this.gallery} .only=${this.namable} .selected=${this.own ? -1 : this.index}
        @picked=${this.onPicked}></bz-picture-input>`;
  }

  private maker(): TemplateResult {
    const idea = this.idea?.name ?? "";
    const make = () => void this.work.run((signal) => this.make(signal));
    const onIdea = (event: Event) => this.set({ idea: (event.target as HTMLSelectElement).value });
    return html`<h3>${t("sorter-maker.maker")}</h3>
      <p>${t("sorter-maker.maker-how", { count: MADE })}</p>
      <div class="maker ${this.made.length || this.drawn ? "" : "empty"}">
      <div class="maker-controls">
        <label class="field">${t("sorter-maker.idea")}
          <select @change=${onIdea}>
            ${this.ideas.map(({ name }) => html`<option ?selected=${name === idea}>${name}</option>`)}
          </select>
        </label>
        ${button(t("sorter-maker.make"), make, "primary", !this.idea || (this.busy && this.sorted !== undefined))}
      </div>
      <ol class="made">
        ${Array.from({ length: MADE }, (_, i) => {
          const made = this.made[i];
          const told = this.verdictOf(made);
          const label = t("sorter-maker.made", { idea, seed: String(this.state.seed + i) });
          return html`<li>
            <button type="button" class="made-one" ?disabled=${!made} aria-pressed=${i === this.asked}
              @click=${() => this.ask(i)}>
              ${picture(made ?? null, label, "thumb")}
              ${
                told
                  ? html`<span class="verdict ${told}">${MARKS[told]} ${t(`sorter-maker.mark-${told}`)}</span>`
                  : nothing
              }
            </button>
          </li>`;
        })}
      </ol>
      </div>
      ${this.recorded ? html`<p class="hint">${t("sorter-maker.recorded")}</p>` : nothing}`;
  }

  protected override more(): Content {
    return this.field("memoriser");
  }

  private memorised(): Content {
    const made = this.made[this.asked];
    const found = made && this.neighbours.get(made);
    if (!made) return this.made.length ? html`<p class="hint">${t("sorter-maker.click")}</p>` : nothing;
    const told = this.verdictOf(made);
    const { training } = this;
    if (!found || !training || !told) return nothing;
    const give = button(t("sorter-maker.give"), () => this.giveToSorter(made));
    const copies = this.made.filter((one) => this.verdictOf(one) === "copy").length;
    const taught = this.state.memoriser ? this.taught : [];
    return copiesPart({ made, found, told, training, count: this.made.length, copies, taught, give });
  }

  // ---------------------------------------------------------------- what the shell shows

  protected override alternative(): Alternative {
    const { shown, sorted } = this;
    const rows = (sorted?.best ?? []).map((index) => [this.names[index]!, percent(sorted!.shares[index]!)]);
    const sentences = [
      rows[0] && shown
        ? t("sorter-maker.sorted-said", { picture: shown.name, name: rows[0][0]!, share: rows[0][1]! })
        : t("sorter-maker.waiting"),
    ];
    const made = this.made[this.asked];
    const count = this.made.length;
    if (this.recorded) sentences.push(t("sorter-maker.recorded"));
    else if (count) sentences.push(t("sorter-maker.made-said", { count, idea: this.idea!.name }));
    const found = made && this.neighbours.get(made);
    if (found) sentences.push(t(`sorter-maker.verdict-${this.verdictOf(made)}`, verdictValues(found, this.training!)));
    if (this.kinds.says) sentences.push(this.kinds.says);
    for (const { index, distance } of found ?? []) rows.push([this.training!.name(index), fixed(distance, 3)]);
    const head = [t("sorter-maker.name"), t("sorter-maker.share-or-distance")];
    return { sentence: sentences.join(" "), table: { head, rows } };
  }

  protected override badge(): BadgeFacts {
    const { kinds, recorded, milliseconds } = this;
    const models = [...new Set<ModelName>(["clip/image", this.model, "autoencoder/decoder", ...kinds.models])];
    return { models, recorded: recorded && kinds.models.length ? "partly" : recorded, milliseconds };
  }

  protected override code(): Code | undefined {
    const prompt = this.idea?.prompt;
    if (!prompt || this.state.memoriser) return undefined; // the memorising model ships with the course alone
    const { seed } = this.state;
    return {
      python: `import bozzetto

pictures = bozzetto.generate(
    ${python(prompt)}, seed=${seed}, n=${MADE}, num_inference_steps=${STEPS}, sampler="${SAMPLER}"
)`,
      shell: `bozzetto generate ${shellWord(prompt)} --seed ${seed} --n ${MADE} --steps ${STEPS} --sampler ${SAMPLER}`,
    };
  }
}
