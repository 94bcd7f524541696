// <bz-read-the-picture>: build a scene, see it as a row of patches and words, ask, and see where each word looked.
import { html, nothing, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { Runtime, type Tokens, type Word } from "../../runtime/client.js";
import { picture, type Pixels, pixels } from "../../ui/canvas.js";
import { type Code, python, shellWord } from "../../ui/code.js";
import { BzFigure } from "../../ui/figure.js";
import { type Alternative, type BadgeFacts, cardUrl, choices, type Content } from "../../ui/figure-parts.js";
import { Gallery } from "../../ui/gallery.js";
import "../../ui/picture-input.js";
import type { Picked } from "../../ui/picture-input.js";
import { t } from "../../ui/strings.js";
import { type Answer, Answers } from "./answers.js";
import { openPapers, type Paper } from "./papers.js";
import { FIELDS, type Host, Pictures, SOURCES, type State } from "./pictures.js";
import { parse, questions } from "./scene.js";
import { SceneEditor } from "./scene-editor.js";
import { tiles, tokenRow } from "./token-row.js";

const MODELS = ["vlm", "vlm/look.onnx"] as const;

@customElement("bz-read-the-picture")
export class ReadThePicture extends BzFigure<State> implements Host {
  protected readonly fields = FIELDS;

  private gallery: Gallery | undefined;
  private papers: Paper[] = [];
  own: Pixels | undefined;
  private tokens: { question: string; read: Tokens } | undefined;
  private milliseconds: number | undefined;
  private readonly pictures = new Pictures(this);
  private readonly editor = new SceneEditor(this, this.pictures);
  private readonly answerList = new Answers(this, this.pictures);

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
    this.answerList.all = [];
    super.reset();
  }

  // ---------------------------------------------------------------- what is asked

  private get question(): string {
    return this.state.question.trim();
  }

  get paper(): Paper | undefined {
    return this.state.source === "paper" ? this.papers[this.state.paper % this.papers.length] : undefined;
  }

  private get asked(): string {
    return `${this.pictures.key} ${this.state.blind} ${this.question}`;
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
      const seenAs = this.pictures.seen(this.gallery).data;
      const answer: Answer = { asked, question, blind, picture: seenAs, words: [], complete: false };
      this.answerList.begin(answer);
      const began = performance.now();
      const seen = await Runtime.get().look({ picture: seenAs, seen: !blind }, { signal });
      const onWord = (word: Word) => {
        answer.words.push(word);
        this.requestUpdate();
      };
      await Runtime.get().answer({ seen, question }, { signal, onWord });
      this.milliseconds = (performance.now() - began) / (1 + answer.words.length);
      this.answerList.end(answer);
      this.requestUpdate();
    });
  }

  /** The question as tokens; before the model is there, nobody knows them. */
  private async read(): Promise<void> {
    const { question } = this;
    const read = await Runtime.get()
      .tokens(question)
      .catch(() => undefined);
    if (read && question === this.question) this.tokens = { question, read };
    this.requestUpdate();
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const { gallery, question, tokens } = this;
    if (!gallery) return html`<p class="hint opening">${t("picture-input.opening")}</p>`;
    const known = tokens?.question === question ? tokens.read : undefined;
    return html`<div class="reading">
      ${this.sources()}
      <div class="build">${this.editor.frame(gallery)} ${this.sourcePart(gallery)}</div>
      <div class="asking">${this.questionPart()} ${this.answerList.draw(this.asked)}</div>
      <div class="row">${tokenRow(this, this.pictures, gallery, question, known)}</div>
    </div>`;
  }

  /** What makes it harder to see, and the scene in numbers. */
  protected override more(): Content {
    const { gallery } = this;
    if (!gallery) return nothing;
    return html`<div class="harder">
      ${tiles(this, this.pictures, gallery, this.field("blind"))}
      ${this.state.source === "scene" ? html`<div>${this.editor.more()}</div>` : nothing}
    </div>`;
  }

  protected override below(): TemplateResult {
    return html`<p class="hint">
      ${t("read-the-picture.learned")}
      <a href=${cardUrl("vlm")}>${t("shell.card")}</a>
    </p>`;
  }

  private sources(): TemplateResult {
    const options = SOURCES.map((source) => [source, t(`read-the-picture.source-${source}`)] as const);
    // Another kind of picture is asked another question.
    const choose = (source: State["source"]) =>
      this.set({ source, covered: 0, shuffle: 0, question: this.suggested(source)[0]! });
    return choices("tabs", "read-the-picture-source", this.label("source"), options, this.state.source, choose);
  }

  private ownPart(gallery: Gallery): TemplateResult {
    const onPicked = ({ detail: { data, index } }: CustomEvent<Picked>) => {
      if (index === undefined) this.own = pixels(data);
      this.pictures.forget();
      this.set({ picture: index ?? -1 });
    };
    return html`<bz-picture-input .gallery=${gallery} .selected=${this.state.picture}
      @picked=${onPicked}></bz-picture-input>`;
  }

  /** Chosen, a paper is asked its first question. */
  private paperPart(): TemplateResult {
    const options = this.papers.map(
      (paper, index) => [paper, picture(paper.pixels, this.paperLabel(paper, index), "thumb")] as const,
    );
    const choose = (paper: Paper) =>
      this.set({ paper: this.papers.indexOf(paper), covered: 0, shuffle: 0, question: paper.questions[0]! });
    return choices("strip", "read-the-picture-paper", this.label("paper"), options, this.paper!, choose);
  }

  private paperLabel({ kind }: Paper, index: number): string {
    return t("read-the-picture.paper-item", { kind: t(`read-the-picture.paper-${kind}`), number: index + 1 });
  }

  private sourcePart(gallery: Gallery): TemplateResult {
    const { source } = this.state;
    return source === "own"
      ? this.ownPart(gallery)
      : source === "paper"
        ? this.paperPart()
        : this.editor.tools(gallery);
  }

  private suggested(source: State["source"]): string[] {
    const paper = source === "paper" ? this.papers[this.state.paper % this.papers.length] : undefined;
    return paper?.questions ?? questions(source === "scene" ? parse(this.state.scene) : undefined);
  }

  private questionPart(): TemplateResult {
    const suggested = this.suggested(this.state.source);
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

  protected override alternative(): Alternative {
    return this.answerList.alternative();
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
