// The pictures that are closest to a text.
import { html, nothing, type TemplateResult } from "lit";
import { telling } from "../../core/words.js";
import { splitWords } from "../../runtime/tokenizer.js";
import { picture } from "../../ui/canvas.js";
import { type Alternative, button, type Content } from "../../ui/figure-parts.js";
import { t } from "../../ui/strings.js";
import { type Compared, heads, type Host, type Mode, textBox, two } from "./mode.js";
import type { Space } from "./space.js";

const FOUND = 12;

export class SearchMode implements Mode {
  private searched = "";
  private anyway = ""; // a query whose pictures are wanted though the model knows no word of it

  constructor(private readonly host: Host) {}

  private get query(): string {
    return this.host.state.query.trim() || t("match-score.query-first");
  }

  compared(): Compared {
    return { texts: [this.query], entries: [], typed: this.query };
  }

  answered(): void {
    this.searched = this.query;
  }

  /** Words of the query that the model has never learned, and whether it knows any other. */
  private strange(): { words: string[]; all: boolean } {
    const words = this.host.words.get(this.searched)?.unknown ?? [];
    return {
      words,
      all: words.length > 0 && !telling(splitWords(this.searched)).some((word) => !words.includes(word)),
    };
  }

  draw(space: Space): TemplateResult {
    const { gallery } = space;
    const hint = this.host.state.query ? "" : t("match-score.query-hint", { text: this.query });
    return html`${textBox(this.host, "query", this.query)}
      <p class="hint">${hint} ${t("match-score.search-how", { found: FOUND, count: gallery.items.length })}</p>
      ${this.warning()}
      <ol class="results">
        ${this.found(space).map(({ index, cosine }) => {
          const { name, style } = gallery.items[index]!;
          const use = () => this.host.set({ picture: index, mode: "score", caption: this.query });
          return html`<li>
            <button type="button" class="result" @click=${use}>
              ${picture(gallery.pixels(index), t("picture-input.item", { name, style }), "thumb")}
              <span aria-hidden="true">${name}</span> <span class="match-number">${two(cosine)}</span>
            </button>
          </li>`;
        })}
      </ol>`;
  }

  private found(space: Space): { index: number; cosine: number }[] {
    return this.strange().all && this.anyway !== this.searched ? [] : space.search(this.searched, FOUND);
  }

  /** Said before any picture is shown: a search always finds something. */
  private warning(): Content {
    const { words, all } = this.strange();
    if (!words.length) return nothing;
    const show = () => {
      this.anyway = this.searched;
      this.host.requestUpdate();
    };
    return html`<p class="note" role="status">
      ${t(`match-score.search-${all ? "strange" : "part-strange"}`, { words: words.join(", ") })}
      ${all && this.anyway !== this.searched ? button(t("match-score.search-anyway"), show) : nothing}
    </p>`;
  }

  alternative(space: Space): Alternative {
    const found = this.found(space);
    const rows = found.map(({ index, cosine }) => [space.gallery.items[index]!.name, two(cosine)]);
    const names = rows
      .slice(0, 3)
      .map(([name]) => name)
      .join(", ");
    const { words } = this.strange();
    const strange = t("match-score.search-strange", { words: words.join(", ") });
    const sentence = found.length ? t("match-score.search-said", { text: this.searched, names }) : strange;
    return { sentence, table: { head: heads("picture", "cosine-head"), rows } };
  }
}
