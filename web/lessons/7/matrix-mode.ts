// Six pictures and six captions, each with each.
import { html, type TemplateResult } from "lit";
import { top } from "../../runtime/arrays.js";
import { picture } from "../../ui/canvas.js";
import { readsEnglish } from "../../ui/field-control.js";
import type { Alternative } from "../../ui/figure-parts.js";
import { percent, t } from "../../ui/strings.js";
import { captionOf, type Compared, heads, type Host, LONGEST, type Mode, SIDE, six, star, two } from "./mode.js";
import type { Entry, Space } from "./space.js";

const ARROWS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -SIDE, ArrowDown: SIDE };

export class MatrixMode implements Mode {
  constructor(private readonly host: Host) {}

  compared(space: Space): Compared {
    const { shown } = six(this.host, space);
    return { texts: this.captions(shown), entries: shown };
  }

  /** The captions of the table: a picture's name until something else is typed. */
  private captions(shown: Entry[]): string[] {
    const typed = this.host.state.captions.split("|");
    return shown.map((entry, i) => typed[i]?.trim() || captionOf(entry));
  }

  draw(space: Space): TemplateResult {
    const { shown } = six(this.host, space);
    const captions = this.captions(shown);
    const type = (index: number, event: Event) => {
      const text = (event.target as HTMLTextAreaElement).value.replace(/[|\n]/g, " ").slice(0, LONGEST);
      this.host.set({ captions: captions.map((caption, i) => (i === index ? text : caption)).join("|") });
    };
    const row = (entry: Entry, r: number) => {
      const scores = space.compare(entry, captions);
      return html`<tr>
        <th scope="row">${picture(entry.pixels, entry.name, "thumb")} <span aria-hidden="true">${entry.name}</span></th>
        ${captions.map((_, c) => {
          const index = r * SIDE + c;
          const pressed = index === this.host.state.cell;
          const shade = Math.min(1, Math.max(0, (scores?.cosines[c] ?? 0) / 0.6));
          return html`<td>
            <button type="button" class="match-cell ${scores?.best === c ? "best" : ""}" .style=${`--shade: ${shade}`}
              aria-pressed=${pressed} tabindex=${pressed ? 0 : -1} @click=${() => this.host.set({ cell: index })}>
              ${two(scores?.cosines[c])} ${star(scores?.best === c)}
            </button>
          </td>`;
        })}
      </tr>`;
    };
    return html`<p class="hint">${t("match-score.matrix-how")}</p>
      ${readsEnglish()}
      <div class="scroller" role="region" tabindex="0" aria-label=${t("match-score.mode-matrix")}>
        <table class="matrix" @keydown=${this.onKey}>
          <thead><tr>
            <th scope="col">${t("match-score.picture")}</th>
            ${captions.map(
              (caption, i) => html`<th scope="col">
              <textarea rows="2" aria-label=${t("match-score.caption-of", { index: i + 1, caption })} .value=${caption}
                @change=${(event: Event) => type(i, event)}></textarea>
            </th>`,
            )}
          </tr></thead>
          <tbody>${shown.map(row)}</tbody>
        </table>
      </div>
      <p class="match-said">${this.sentence(space)}</p>`;
  }

  private readonly onKey = (event: KeyboardEvent): void => {
    const by = ARROWS[event.key];
    if (by === undefined || !(event.target as HTMLElement).matches(".match-cell")) return;
    event.preventDefault();
    const cell = this.host.state.cell;
    const column = (cell % SIDE) + (Math.abs(by) === 1 ? by : 0);
    if (column < 0 || column >= SIDE || cell + by < 0 || cell + by >= SIDE * SIDE) return;
    this.host.set({ cell: cell + by });
    void this.host.updateComplete.then(() =>
      this.host.querySelector<HTMLElement>(".match-cell[aria-pressed=true]")?.focus(),
    );
  };

  private sentence(space: Space): string {
    const { shown } = six(this.host, space);
    const [r, c] = [Math.floor(this.host.state.cell / SIDE), this.host.state.cell % SIDE];
    const captions = this.captions(shown);
    const scores = space.compare(shown[r], captions);
    if (!scores) return t("match-score.waiting");
    const rank = top(scores.cosines).indexOf(c) + 1;
    const values = { name: shown[r]!.name, caption: captions[c]!, rank, count: SIDE };
    return t("match-score.cell", { ...values, value: two(scores.cosines[c]), share: percent(scores.shares[c]!) });
  }

  alternative(space: Space): Alternative {
    const { texts, entries } = this.compared(space);
    const rows = entries.map((entry) => [entry.name, ...(space.compare(entry, texts)?.cosines ?? []).map(two)]);
    return { sentence: this.sentence(space), table: { head: [...heads("picture"), ...texts], rows } };
  }
}
