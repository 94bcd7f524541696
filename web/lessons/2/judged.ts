// Judge it yourself: real pictures and fakes, what a person says of them, and what the discriminator says.
import { html, nothing, type TemplateResult } from "lit";
import { picture, type Pixels } from "../../ui/canvas.js";
import { button, type Content } from "../../ui/figure-parts.js";
import { t } from "../../ui/strings.js";

/** Pictures to be judged by a person; what the person says, and the verdicts. */
export interface Trial {
  pictures: Pixels[];
  verdicts: number[];
  fake: boolean[];
  said: boolean[];
  told: boolean;
}

/** What a verdict comes to, as its percents are shown: 50 % says neither. */
export function verdictWord(verdict: number): "passes" | "caught" | "undecided" {
  const shown = Math.round(100 * verdict);
  return shown > 50 ? "passes" : shown < 50 ? "caught" : "undecided";
}

export function judgedPart(trial: Trial, again: Content, onChange: (trial: Trial) => void): TemplateResult {
  const { pictures, verdicts, fake, said, told } = trial;
  const count = pictures.length;
  const say = (i: number) => (event: Event) => {
    const yes = (event.target as HTMLInputElement).checked;
    onChange({ ...trial, said: said.map((one, j) => (i === j ? yes : one)) });
  };
  const compare = () => onChange({ ...trial, told: true });
  const right = { you: 0, detective: 0 };
  fake.forEach((is, i) => {
    right.you += Number(said[i] === is);
    right.detective += Number(verdicts[i]! <= 0.5 === is);
  });
  const mark = (key: string, yes: boolean) => html`<span class=${yes ? "yes" : "no"}>
    ${yes ? "✓" : "✗"} ${t(`step-the-game.${key}`)}</span>`;
  return html`<section class="judged" aria-label=${t("step-the-game.judge", { count })}>
    <p>${t("step-the-game.judge-how")}</p>
    <ol class="fakes">
      ${pictures.map(
        (one, i) => html`<li>
        ${picture(one, t("step-the-game.judged", { index: i + 1 }))}
        <label class="tick"><input type="checkbox" .checked=${said[i]!} ?disabled=${told} @change=${say(i)} />
          ${t("step-the-game.fake")}</label>
        ${
          told
            ? html`<b>${t(`step-the-game.is-${fake[i] ? "fake" : "real"}`)}</b>
              ${mark("you", said[i] === fake[i])} ${mark("detective", verdicts[i]! <= 0.5 === fake[i])}`
            : nothing
        }
      </li>`,
      )}
    </ol>
    <div class="pager">
      ${told ? again : button(t("step-the-game.compare"), compare, "primary")}
      <b role="status">${told ? t("step-the-game.score", { ...right, count }) : ""}</b>
    </div>
  </section>`;
}
