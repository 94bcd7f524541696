// An answer and the one before it, word by word: how sure each word is, where it looked, what else it could have been.
import { html, nothing, type TemplateResult } from "lit";
import type { Word } from "../../runtime/client.js";
import { picture } from "../../ui/canvas.js";
import { type Alternative, bar } from "../../ui/figure-parts.js";
import { percent, t } from "../../ui/strings.js";
import type { Host, Pictures } from "./pictures.js";
import { lit, mostLooked } from "./scene.js";

/** An answer, and what it is about. */
export interface Answer {
  /** All of the state that it depends on. */
  asked: string;
  question: string;
  blind: boolean;
  picture: Uint8ClampedArray; // as the model got it
  words: Word[];
  complete: boolean;
}

export class Answers {
  /** This answer, and the one before it. */
  all: Answer[] = [];
  /** The word that is looked at: which answer, which word. */
  private focused: readonly [number, number] = [0, 0];

  constructor(
    private readonly host: Host,
    private readonly pictures: Pictures,
  ) {}

  /** Puts a new answer before the last one to something else. */
  begin(answer: Answer): void {
    const before = this.all.find((one) => one.complete && one.asked !== answer.asked);
    this.all = [answer, ...(before ? [before] : [])];
    this.focused = [0, 0];
  }

  /** All is said: light falls where the word that answers is first said, "penguin" of "a tree above a penguin: penguin",
   * for the words before it ("a") look everywhere. */
  end(answer: Answer): void {
    answer.complete = true;
    const said = answer.words.map(({ text }) => text.trim());
    if (this.focused.every((at) => at === 0)) this.focused = [0, Math.max(0, said.indexOf(said.at(-1) ?? ""))];
  }

  /** `asked` is what would be asked now. */
  draw(asked: string): TemplateResult {
    const [now] = this.all;
    if (!now) return html`<p class="hint">${t("read-the-picture.waiting")}</p>`;
    const word = this.all[this.focused[0]]?.words[this.focused[1]];
    return html`${
      now.complete && now.asked !== asked ? html`<p class="note">${t("read-the-picture.stale")}</p>` : nothing
    }
      <div class="answers">${this.all.map((answer, index) => this.answerPart(answer, index))}</div>
      ${word ? this.wordPart(word) : nothing}`;
  }

  private answerPart(answer: Answer, index: number): TemplateResult {
    const [which, at] = this.focused;
    const word = which === index && !answer.blind ? answer.words[at] : undefined;
    const key = `lit ${answer.asked} ${word ? at : ""}`;
    const shown = this.pictures.once(key, () => (word ? lit(answer.picture, word.looked) : answer.picture));
    const focus = (place: number) => () => {
      this.focused = [index, place];
      this.host.requestUpdate();
    };
    const title = t(`read-the-picture.${index ? "before" : "now"}`);
    return html`<section class="answer" aria-label=${title}>
      <h3><span class="chip">${title}</span> <bdi>${answer.question}</bdi></h3>
      ${
        answer.blind
          ? html`<span class="unseen">${t("read-the-picture.eyes-closed")}</span>`
          : picture(shown, t("read-the-picture.looked-picture"))
      }
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
        ${alternatives.map(
          (guess) => html`<li>
          <bdi>${guess.text.trim() || t("read-the-picture.end")}</bdi>
          ${bar(guess.probability)}
          <span class="match-number">${percent(guess.probability)}</span>
        </li>`,
        )}
      </ul>
      <p class="hint">
        ${this.all[this.focused[0]]!.blind ? nothing : t("read-the-picture.looked", { ...mostLooked(looked) })}
      </p>
    </div>`;
  }

  alternative(): Alternative {
    const [now, before] = this.all;
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
}
