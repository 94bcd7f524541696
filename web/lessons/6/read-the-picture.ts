// <bz-read-the-picture>: build a scene, see it as a row of patches and words, ask, and see where each word looked.
import { html, nothing, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { once } from "../../core/cache.js";
import { conceptOf } from "../../core/words.js";
import { Runtime, type Tokens, type Word } from "../../runtime/client.js";
import { FRAME, LIMITS, PALETTE } from "../../runtime/generated.js";
import { picture, type Pixels, pixels } from "../../ui/canvas.js";
import { type Code, python, shellWord } from "../../ui/code.js";
import { BzFigure } from "../../ui/figure.js";
import { type Alternative, type BadgeFacts, button } from "../../ui/figure-parts.js";
import { Gallery } from "../../ui/gallery.js";
import "../../ui/picture-input.js";
import type { Picked } from "../../ui/picture-input.js";
import { siteUrl } from "../../ui/site.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { percent, t } from "../../ui/strings.js";
import { openPapers, type Paper } from "./papers.js";
import {
  add, arrange, cell, change, covers, FORM, lit, MOST, mostLooked, order, parse, PATCHES, questions,
  READY, type Scene, SMALLEST, squareOf, type Thing, thingAt, TILES, TRAY, write,
} from "./scene.js";

const MODELS = ["vlm", "vlm/look.onnx"] as const;
const SOURCES = ["scene", "paper", "own"] as const;
const ARROWS: Record<string, Partial<Thing>> = {
  ArrowLeft: { x: -1 },
  ArrowRight: { x: 1 },
  ArrowUp: { y: -1 },
  ArrowDown: { y: 1 },
};

/** An answer, and what it is about. */
interface Answer {
  /** All of the state that it depends on. */
  asked: string;
  question: string;
  blind: boolean;
  picture: Uint8ClampedArray; // as the model got it
  words: Word[];
  complete: boolean;
}

const FIELDS = defineFields({
  source: { kind: "choice", default: "scene", options: SOURCES },
  scene: { kind: "text", default: READY["pair"]!, max: 120, form: FORM },
  paper: { kind: "int", default: 0, min: 0, max: 99 },
  picture: { kind: "int", default: 0, min: -1, max: 99_999 },
  question: { kind: "text", default: "describe the picture.", max: LIMITS.question },
  covered: { kind: "int", default: 0, min: 0, max: 2 ** TILES - 1 },
  shuffle: { kind: "int", default: 0, min: 0, max: 999_999 },
  blind: { kind: "flag", default: false },
});
type State = StateOf<typeof FIELDS>;

@customElement("bz-read-the-picture")
export class ReadThePicture extends BzFigure<State> {
  protected readonly fields = FIELDS;

  private gallery: Gallery | undefined;
  private papers: Paper[] = [];
  private own: Pixels | undefined;
  private tokens: { question: string; read: Tokens } | undefined;
  /** This answer, and the one before it. */
  private answers: Answer[] = [];
  /** The word that is looked at: which answer, which word. */
  private focused: readonly [number, number] = [0, 0];
  private held = 0; // the thing that the arrow keys move
  private dragging: { x: number; y: number } | undefined; // where in the thing it is held
  private milliseconds: number | undefined;
  private made = new Map<string, Pixels>();

  override connectedCallback(): void {
    super.connectedCallback();
    this.ask();
  }

  protected override changed(changes: Partial<State>): void {
    // A link, or a reset: then all is new.
    if (Object.keys(changes).length === Object.keys(FIELDS).length) this.ask();
    else void this.read();
  }

  override reset(): void {
    this.own = undefined;
    this.answers = [];
    super.reset();
  }

  // ---------------------------------------------------------------- what is asked

  private get scene(): Scene {
    return parse(this.state.scene);
  }

  private get question(): string {
    return this.state.question.trim();
  }

  private get paper(): Paper | undefined {
    return this.state.source === "paper" ? this.papers[this.state.paper % this.papers.length] : undefined;
  }

  private set things(scene: Scene) {
    this.held = Math.min(this.held, Math.max(0, scene.things.length - 1));
    this.set({ scene: write(scene) });
  }

  /** Kept under all that it was made of, so that a canvas is painted only when there is something new. */
  private once(key: string, make: () => Uint8ClampedArray, width: number = FRAME): Pixels {
    if (this.made.size > 500) this.made.clear();
    return once(this.made, key, () => pixels(make(), width));
  }

  /** The picture itself. */
  private shown(gallery: Gallery): Pixels {
    if (this.state.source === "own") {
      const index = this.state.picture;
      return index >= 0 || !this.own ? gallery.pixels(Math.max(0, index) % gallery.items.length) : this.own;
    }
    if (this.paper) return this.paper.pixels;
    return this.once(this.state.scene, () => {
      const context = new OffscreenCanvas(FRAME, FRAME).getContext("2d", { willReadFrequently: true })!;
      const { ground, things } = this.scene;
      context.fillStyle = PALETTE[ground as keyof typeof PALETTE];
      context.fillRect(0, 0, FRAME, FRAME);
      context.imageSmoothingQuality = "high";
      for (const { name, x, y, size } of things) gallery.draw(context, gallery.find(conceptOf(name)), x, y, size);
      return context.getImageData(0, 0, FRAME, FRAME).data;
    });
  }

  private get pictureKey(): string {
    const { source, scene, paper, picture, covered, shuffle } = this.state;
    const other = source === "paper" ? paper : Number(picture) < 0 && this.own ? "own" : picture;
    return `${source} ${source === "scene" ? scene : other} ${covered} ${shuffle}`;
  }

  /** As the model gets it. */
  private seen(gallery: Gallery): Pixels {
    const { data } = this.shown(gallery);
    const [covered, shuffle] = [this.state.covered, this.state.shuffle];
    return this.once(`seen ${this.pictureKey}`, () => arrange(data, covered, shuffle));
  }

  private get asked(): string {
    return `${this.pictureKey} ${this.state.blind} ${this.question}`;
  }

  // ---------------------------------------------------------------- what is answered

  private ask(): void {
    if (!this.question) return;
    void this.work.run(async (signal) => {
      this.gallery ??= await Gallery.get();
      if (!this.papers.length) this.papers = await openPapers();
      this.requestUpdate();
      await this.work.load(MODELS, signal);
      await this.read();
      const { question, asked } = this;
      const blind = this.state.blind;
      const seenAs = this.seen(this.gallery).data;
      const answer: Answer = { asked, question, blind, picture: seenAs, words: [], complete: false };
      const before = this.answers.find((one) => one.complete && one.asked !== asked);
      this.answers = [answer, ...(before ? [before] : [])];
      this.focused = [0, 0];
      const began = performance.now();
      const seen = await Runtime.get().look({ picture: seenAs, seen: !blind }, { signal });
      const onWord = (word: Word) => {
        answer.words.push(word);
        this.requestUpdate();
      };
      await Runtime.get().answer({ seen, question }, { signal, onWord });
      this.milliseconds = (performance.now() - began) / (1 + answer.words.length);
      answer.complete = true;
      this.requestUpdate();
    });
  }

  /** The question as tokens; before the model is there, nobody knows them. */
  private async read(): Promise<void> {
    const { question } = this;
    const read = await Runtime.get().tokens(question).catch(() => undefined);
    if (read && question === this.question) this.tokens = { question, read };
    this.requestUpdate();
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const { gallery } = this;
    if (!gallery) return html`<p class="hint">${t("picture-input.opening")}</p>`;
    return html`<div class="reading">
      ${this.framePart(gallery)}
      <div class="build">${this.sources()} ${this.sourcePart(gallery)}</div>
      ${this.tilePart(gallery)}
      <div class="asking">${this.rowPart(gallery)} ${this.questionPart()} ${this.answersPart()}</div>
    </div>`;
  }

  protected override controls(): TemplateResult {
    return html`<p class="hint">
      ${t("read-the-picture.learned")}
      <a href=${siteUrl("models/vlm/README.md")}>${t("shell.card", { name: "vlm" })}</a>
    </p>`;
  }

  private framePart(gallery: Gallery): TemplateResult {
    const { things } = this.scene;
    const build = this.state.source === "scene";
    const held = things[this.held];
    const label = t(build ? "read-the-picture.frame" : "read-the-picture.picture");
    return html`<div class="shot frame">
      <div class="sheet" tabindex=${build ? 0 : nothing} role=${build ? "application" : "presentation"}
        aria-label=${label} @keydown=${this.onFrameKey} @pointerdown=${this.onDown} @pointermove=${this.onMove}
        @pointerup=${() => (this.dragging = undefined)} @pointercancel=${() => (this.dragging = undefined)}>
        ${picture(this.shown(gallery), label)}
        ${build && held
          ? html`<i class="held" .style=${`--x: ${held.x}; --y: ${held.y}; --size: ${held.size}`}></i>`
          : nothing}
      </div>
      <span>${build ? t("read-the-picture.drag") : label}</span>
    </div>`;
  }

  private buildPart(gallery: Gallery): TemplateResult {
    const { scene } = this;
    const full = scene.things.length >= MOST;
    // Dragged into the frame it stays where it is dropped; a click or a key puts it where there is room.
    const drop = (name: string) => (event: MouseEvent) => {
      const { x, y } = this.at(event);
      const within = event.detail > 0 && Math.min(x, y) >= 0 && Math.max(x, y) < FRAME;
      this.held = scene.things.length;
      this.things = add(scene, name, within ? { x, y } : undefined);
    };
    const hold = (event: PointerEvent) => (event.currentTarget as Element).setPointerCapture(event.pointerId);
    return html`<div class="pager">
        ${Object.entries(READY).map(([name, text]) =>
          button(t(`read-the-picture.ready-${name}`), () => this.set({ scene: text, covered: 0, shuffle: 0 })),
        )}
      </div>
      <div class="tray" role="group" aria-label=${t("read-the-picture.tray")}>
        ${TRAY.map(
          (name) => html`<button type="button" ?disabled=${full} aria-label=${name} title=${name}
            @pointerdown=${hold} @click=${drop(name)}>
            ${picture(gallery.pixels(gallery.find(conceptOf(name))), "", "thumb")}
          </button>`,
        )}
      </div>
      ${full ? html`<p class="hint">${t("read-the-picture.full", { most: MOST })}</p>` : nothing}
      <div class="things">${scene.things.map((thing, index) => this.thingRow(scene, thing, index))}</div>
      <label class="field">${t("read-the-picture.ground")}
        <select @change=${(e: Event) => (this.things = { ...scene, ground: (e.target as HTMLSelectElement).value })}>
          ${Object.keys(PALETTE).map((name) => html`<option value=${name} ?selected=${name === scene.ground}>
            ${t(`read-the-picture.${name}`)}
          </option>`)}
        </select>
      </label>`;
  }

  private thingRow(scene: Scene, thing: Thing, index: number): TemplateResult {
    const box = (key: "x" | "y" | "size") => {
      const set = (event: Event) => {
        const value = Number((event.target as HTMLInputElement).value);
        this.held = index;
        if (Number.isFinite(value)) this.things = change(scene, index, { [key]: value });
        this.requestUpdate();
      };
      const most = key === "size" ? FRAME : FRAME - thing.size;
      return html`<label>${t(`read-the-picture.${key}`)}
        <input type="number" min=${key === "size" ? SMALLEST : 0} max=${most} .value=${String(thing[key])}
          @focus=${() => this.hold(index)} @change=${set} />
      </label>`;
    };
    const remove = () => (this.things = { ...scene, things: scene.things.filter((_, i) => i !== index) });
    return html`<div class="thing" role="group" aria-label=${thing.name}>
      <b>${thing.name}</b> ${box("x")} ${box("y")} ${box("size")}
      <button type="button" class="button quiet" aria-label=${t("read-the-picture.remove", { name: thing.name })}
        @click=${remove}>✕</button>
    </div>`;
  }

  private sources(): TemplateResult {
    return html`<fieldset class="picks tabs">
      <legend class="visually-hidden">${this.label("source")}</legend>
      ${SOURCES.map((source) => html`<label class="pick">
        <input type="radio" name="read-the-picture-source" .checked=${this.state.source === source}
          @change=${() => this.set({ source, covered: 0, shuffle: 0 })} />
        <span>${t(`read-the-picture.source-${source}`)}</span>
      </label>`)}
    </fieldset>`;
  }

  private ownPart(gallery: Gallery): TemplateResult {
    const onPicked = ({ detail: { data, index } }: CustomEvent<Picked>) => {
      if (index === undefined) this.own = pixels(data);
      this.made.clear();
      this.set({ picture: index ?? -1 });
    };
    return html`<bz-picture-input .gallery=${gallery} .selected=${this.state.picture}
      @picked=${onPicked}></bz-picture-input>`;
  }

  /** Chosen, a paper is asked its first question. */
  private paperPart(): TemplateResult {
    return html`<fieldset class="picks strip">
      <legend>${this.label("paper")}</legend>
      ${this.papers.map((paper, index) => html`<label class="pick">
        <input type="radio" name="read-the-picture-paper" .checked=${paper === this.paper}
          @change=${() => this.set({ paper: index, covered: 0, shuffle: 0, question: paper.questions[0]! })} />
        <span>
          ${picture(paper.pixels, t("read-the-picture.paper-item", { kind: this.kindOf(paper), number: index + 1 }), "thumb")}
        </span>
      </label>`)}
    </fieldset>`;
  }

  private kindOf({ kind }: Paper): string {
    return t(`read-the-picture.paper-${kind}`);
  }

  private sourcePart(gallery: Gallery): TemplateResult {
    const { source } = this.state;
    return source === "own" ? this.ownPart(gallery) : source === "paper" ? this.paperPart() : this.buildPart(gallery);
  }

  /** The picture cut into tiles, each a button that covers it. */
  private tilePart(gallery: Gallery): TemplateResult {
    const covered = this.state.covered;
    const mixed = this.state.shuffle !== 0;
    const shuffle = () => this.set({ shuffle: mixed ? 0 : 1 + Math.floor(999_998 * Math.random()) });
    return html`<div class="shot">
      <div class="tiles" role="group" aria-label=${t("read-the-picture.tiles")}>
        ${order(this.state.shuffle).map((tile, place) => {
          const { row, column } = cell(place, TILES);
          return html`<button type="button" aria-pressed=${covers(covered, tile)}
            aria-label=${t("read-the-picture.tile", { row: row + 1, column: column + 1 })}
            @click=${() => this.set({ covered: covered ^ (1 << tile) })}>
            ${this.square(gallery, place, TILES)}
          </button>`;
        })}
      </div>
      <span>${t("read-the-picture.cover")}</span>
      <div class="pager">
        ${button(t(`read-the-picture.${mixed ? "unshuffle" : "shuffle"}`), shuffle)}
        ${covered ? button(t("read-the-picture.uncover"), () => this.set({ covered: 0 })) : nothing}
        ${this.field("blind")}
      </div>
    </div>`;
  }

  private square(gallery: Gallery, place: number, count: number): TemplateResult {
    const { data } = this.seen(gallery);
    const key = `square ${place} of ${count} ${this.pictureKey}`;
    return picture(this.once(key, () => squareOf(data, place, count), FRAME / Math.sqrt(count)), "", "patch");
  }

  /** What stands in the model's row: the patches, then the words of the question. */
  private rowPart(gallery: Gallery): TemplateResult {
    const { question, tokens } = this;
    const known = tokens?.question === question ? tokens.read : undefined;
    const pieces = known?.pieces ?? question.split(/\s+/).filter(Boolean);
    const unknown = known?.unknown.join(", ");
    const words = pieces.map((piece) => {
      const odd = known && (piece === "[unk]" || piece.startsWith("##"));
      return html`<bdi class="chip ${odd ? "unknown" : ""}">${piece}</bdi>`;
    });
    return html`<div class="token-row ${this.state.blind ? "blind" : ""}" role="group"
        aria-label=${t("read-the-picture.row")}>
        ${Array.from({ length: PATCHES }, (_, place) => this.square(gallery, place, PATCHES))} ${words}
      </div>
      <p class="hint">
        ${t(this.state.blind ? "read-the-picture.blind-means" : "read-the-picture.row-means", { words: pieces.length })}
        ${unknown ? t("read-the-picture.unknown", { words: unknown, pieces: pieces.join(" · ") }) : nothing}
      </p>`;
  }

  private questionPart(): TemplateResult {
    const suggested = this.paper?.questions ?? questions(this.state.source === "scene" ? this.scene : undefined);
    const choose = (event: Event) => {
      const { value } = event.target as HTMLSelectElement;
      if (value) this.set({ question: value });
    };
    const submit = (event: Event) => {
      event.preventDefault();
      this.ask();
    };
    return html`<form class="ask" @submit=${submit}>
      ${this.field("question")}
      <label class="field">${t("read-the-picture.suggested")}
        <select @change=${choose}>
          <option value="" ?selected=${!suggested.includes(this.question)}>…</option>
          ${suggested.map((each) => html`<option value=${each} ?selected=${each === this.question}>${each}</option>`)}
        </select>
      </label>
      <button type="submit" class="button primary" ?disabled=${!this.question}>${t("read-the-picture.ask")}</button>
    </form>`;
  }

  private answersPart(): TemplateResult {
    const [now] = this.answers;
    if (!now) return html`<p class="hint">${t("read-the-picture.waiting")}</p>`;
    const word = this.answers[this.focused[0]]?.words[this.focused[1]];
    return html`${now.complete && now.asked !== this.asked
        ? html`<p class="note">${t("read-the-picture.stale")}</p>`
        : nothing}
      <div class="answers">${this.answers.map((answer, index) => this.answerPart(answer, index))}</div>
      ${word ? this.wordPart(word) : nothing}`;
  }

  private answerPart(answer: Answer, index: number): TemplateResult {
    const [which, at] = this.focused;
    const word = which === index && !answer.blind ? answer.words[at] : undefined;
    const key = `lit ${answer.asked} ${word ? at : ""}`;
    const shown = this.once(key, () => (word ? lit(answer.picture, word.looked) : answer.picture));
    const focus = (place: number) => () => {
      this.focused = [index, place];
      this.requestUpdate();
    };
    const title = t(`read-the-picture.${index ? "before" : "now"}`);
    return html`<section class="answer" aria-label=${title}>
      <h3><span class="chip">${title}</span> <bdi>${answer.question}</bdi></h3>
      ${answer.blind
        ? html`<span class="unseen">${t("read-the-picture.eyes-closed")}</span>`
        : picture(shown, t("read-the-picture.looked-picture"))}
      <div class="said">
        ${answer.words.map(
          ({ text, probability }, place) => html`<button type="button" class="said-word"
            aria-pressed=${which === index && at === place}
            @click=${focus(place)} @focus=${focus(place)} @pointerenter=${focus(place)}>
            <bdi>${text.trim()}</bdi> <small>${percent(probability)}</small>
          </button>`,
        )}
        ${answer.complete && !answer.words.length ? t("read-the-picture.nothing") : nothing}
      </div>
    </section>`;
  }

  /** What else the word could have been. */
  private wordPart({ text, looked, alternatives }: Word): TemplateResult {
    return html`<div class="alternatives">
      <h3>${t("read-the-picture.instead", { word: text.trim() })}</h3>
      <ul>
        ${alternatives.map((guess) => html`<li>
          <bdi>${guess.text.trim() || t("read-the-picture.end")}</bdi>
          <span class="match-bar" aria-hidden="true"><i .style=${`width: ${100 * guess.probability}%`}></i></span>
          <span class="match-number">${percent(guess.probability)}</span>
        </li>`)}
      </ul>
      <p class="hint">
        ${this.answers[this.focused[0]]!.blind ? nothing : t("read-the-picture.looked", { ...mostLooked(looked) })}
      </p>
    </div>`;
  }

  // ---------------------------------------------------------------- moving things

  /** Where an event is, in pixels of the picture. */
  private at({ clientX, clientY }: MouseEvent): { x: number; y: number } {
    const { left, top, width } = this.querySelector(".sheet")!.getBoundingClientRect();
    return { x: (FRAME * (clientX - left)) / width, y: (FRAME * (clientY - top)) / width };
  }

  private hold(index: number): void {
    this.held = index;
    this.requestUpdate();
  }

  private onDown(event: PointerEvent): void {
    if (this.state.source !== "scene" || event.button !== 0) return;
    const { x, y } = this.at(event);
    const index = thingAt(this.scene, x, y);
    const thing = this.scene.things[index];
    if (!thing) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.dragging = { x: x - thing.x, y: y - thing.y };
    this.hold(index);
  }

  private onMove(event: PointerEvent): void {
    if (!this.dragging) return;
    const { x, y } = this.at(event);
    this.things = change(this.scene, this.held, { x: x - this.dragging.x, y: y - this.dragging.y });
  }

  private onFrameKey(event: KeyboardEvent): void {
    const { scene } = this;
    const held = scene.things[this.held];
    const by = ARROWS[event.key];
    if (this.state.source !== "scene" || !held) return;
    const far = event.shiftKey ? 8 : 1;
    if (by) this.things = change(scene, this.held, { x: held.x + far * (by.x ?? 0), y: held.y + far * (by.y ?? 0) });
    else if (event.key === " ") this.hold((this.held + 1) % scene.things.length);
    else if (event.key === "Delete") this.things = { ...scene, things: scene.things.filter((one) => one !== held) };
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // ---------------------------------------------------------------- what is said

  protected override alternative(): Alternative {
    const [now, before] = this.answers;
    const said = (answer: Answer) => answer.words.map(({ text }) => text).join("");
    const head = ["word", "probability", "most"].map((key) => t(`read-the-picture.${key}`));
    const rows = (now?.words ?? []).map(({ text, probability, looked }) => [
      text.trim(),
      percent(probability),
      now!.blind ? t("read-the-picture.eyes-closed") : t("read-the-picture.place", { ...mostLooked(looked) }),
    ]);
    if (!now?.complete) return { sentence: t("read-the-picture.waiting"), table: { head, rows } };
    const sure = percent(now.words.reduce((product, { probability }) => product * probability, 1));
    const values = { question: now.question, answer: said(now), sure };
    const sentence = t(now.blind ? "read-the-picture.said-blind" : "read-the-picture.said", values);
    const old = before ? ` ${t("read-the-picture.said-before", { answer: said(before) })}` : "";
    return { sentence: sentence + old, table: { head, rows } };
  }

  protected override badge(): BadgeFacts {
    return { models: ["vlm"], recorded: false, milliseconds: this.milliseconds };
  }

  protected override code(): Code {
    const question = python(this.question);
    if (this.state.blind) {
      return {
        python: `import numpy as np
from bozzetto.runtime import ask, store

model = ask.load(store.weights_folder())
nothing = ask.see(model, np.zeros((1, 64, 64, 3), np.uint8), seen=False)
for word in ask.answer(model, nothing, ${question}):
    print(word.text, word.probability)`,
      };
    }
    return {
      python: `import bozzetto

for word in bozzetto.ask("picture.png", ${question}):
    print(word.text, word.probability, word.looked)`,
      shell: `bozzetto ask picture.png ${shellWord(this.question)}`,
    };
  }
}
