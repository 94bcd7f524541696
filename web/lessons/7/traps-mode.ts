// Where closeness misleads: trials of a trap, one shown and forty counted.
import { html, nothing, type TemplateResult } from "lit";
import { picture } from "../../ui/canvas.js";
import { type Alternative, button } from "../../ui/figure-parts.js";
import { percent, t } from "../../ui/strings.js";
import { captionTable, type Compared, type Host, listHead, type Mode, numbers, radios, star } from "./mode.js";
import { BOTH, type Comparison, type Space } from "./space.js";
import { pairs, type Trial, trial, TRAPS } from "./traps.js";

const TRIALS = 40;
const BATCH = 8; // trials between two looks at the cancel button
const TRUTH = { true: "✓", false: "✗" };

export class TrapsMode implements Mode {
  /** Of trials by trap and seed, how many were read rightly. */
  private measured = new Map<string, number>();

  constructor(private readonly host: Host) {}

  compared(space: Space): Compared {
    const now = this.trial(space);
    return { texts: now.captions, entries: [space.scene(now)] };
  }

  private trial(space: Space, index = 0): Trial {
    const chosen = pairs(space.things, this.host.state.seed, index + 1)[index]!;
    return trial(this.host.state.trap, ...chosen);
  }

  private get key(): string {
    return `${this.host.state.trap} ${this.host.state.seed}`;
  }

  private async measure(space: Space, signal: AbortSignal): Promise<void> {
    const key = this.key;
    const trials = Array.from({ length: TRIALS }, (_, i) => this.trial(space, i));
    await this.host.work.load(BOTH, signal);
    let right = 0;
    for (let i = 0; i < TRIALS; i += BATCH) {
      this.host.work.report(t("match-score.measuring", { done: i, count: TRIALS }), i, TRIALS);
      const batch = trials.slice(i, i + BATCH);
      await space.read(
        batch.flatMap(({ captions }) => captions),
        batch.map((one) => space.scene(one)),
        signal,
      );
      right += batch.filter((one) => one.right.includes(space.compare(space.scene(one), one.captions)!.best)).length;
    }
    this.measured.set(key, right);
  }

  draw(space: Space): TemplateResult {
    const now = this.trial(space);
    const shown = space.scene(now);
    const scores = space.compare(shown, now.captions);
    const right = this.measured.get(this.key);
    const measure = () => void this.host.work.run((signal) => this.measure(space, signal));
    const counts = { right: right ?? 0, count: TRIALS, chance: Math.round(TRIALS / now.captions.length) };
    return html`${radios(this.host, "trap", TRAPS)}
      <p>${t(`match-score.trap-${this.host.state.trap}-means`)}</p>
      <div class="trap">
        ${picture(shown.pixels, shown.name, "picture hero")}
        <div class="match-list">
          ${listHead()}
          ${now.captions.map((caption, i) => {
            const truth = now.right.includes(i) ? "true" : "false";
            return html`<div class="match-row">
              <span class="truth ${truth}" role="img" aria-label=${t(`match-score.${truth}`)}>${TRUTH[truth]}</span>
              <span>${caption} ${star(scores?.best === i)}</span> ${numbers(scores, i)}
            </div>`;
          })}
          <p class="hint">${t("match-score.marks")}</p>
        </div>
      </div>
      <p class="match-said">${sentence(now, scores)}</p>
      ${
        now.right.length
          ? html`<div class="pager">
            ${button(t("match-score.measure", { count: TRIALS }), measure, "primary")}
            <span role="status">${right === undefined ? "" : t("match-score.measured", counts)}</span>
          </div>`
          : nothing
      }`;
  }

  alternative(space: Space): Alternative {
    const now = this.trial(space);
    const scores = space.compare(space.scene(now), now.captions);
    return captionTable(sentence(now, scores), now.captions, scores);
  }
}

function sentence({ right, captions }: Trial, scores: Comparison | undefined): string {
  if (!scores) return t("match-score.waiting");
  const verdict = !right.length ? "nothing-right" : right.includes(scores.best) ? "read-right" : "read-wrong";
  const share = percent(scores.shares[scores.best]!);
  return t(`match-score.${verdict}`, { caption: captions[scores.best]!, share });
}
