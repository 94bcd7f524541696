// The pictures that are closest to a text.
import { html, type TemplateResult } from "lit";
import { picture } from "../../ui/canvas.js";
import type { Alternative } from "../../ui/figure-parts.js";
import { t } from "../../ui/strings.js";
import { type Compared, heads, type Host, type Mode, textBox, two } from "./mode.js";
import type { Space } from "./space.js";

const FOUND = 24;

export class SearchMode implements Mode {
  private searched = "";

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

  draw(space: Space): TemplateResult {
    const { gallery } = space;
    const hint = this.host.state.query ? "" : t("match-score.query-hint", { text: this.query });
    return html`${textBox(this.host, "query", this.query)}
      <p class="hint">${hint} ${t("match-score.search-how", { found: FOUND, count: gallery.items.length })}</p>
      <ol class="results">
        ${space.search(this.searched, FOUND).map(({ index, cosine }) => {
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

  alternative(space: Space): Alternative {
    const found = space.search(this.searched, FOUND);
    const rows = found.map(({ index, cosine }) => [space.gallery.items[index]!.name, two(cosine)]);
    const names = rows
      .slice(0, 3)
      .map(([name]) => name)
      .join(", ");
    const sentence = t("match-score.search-said", { text: this.searched, names });
    return { sentence, table: { head: heads("picture", "cosine-head"), rows } };
  }
}
