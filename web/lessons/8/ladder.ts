// What training buys: the same words, drawn by our model when it had seen few pictures, more, and all of them.
import { html, nothing } from "lit";
import { type Content } from "../../ui/figure-parts.js";
import { pageUrl } from "../../ui/site.js";
import { number, t } from "../../ui/strings.js";

/** data/ladder.json: snapshots of the training, the last one is the model that ships. */
export interface Ladder {
  prompts: string[];
  seed: number;
  guesses: number;
  rows: { seen: number; file: string; named: number; of: number }[];
}

export function ladderPart(ladder: Ladder | undefined): Content {
  if (!ladder) return nothing;
  const { prompts, seed, guesses } = ladder;
  const words = prompts.map((prompt) => `“${prompt}”`).join(", ");
  const rows = ladder.rows.map(({ seen, file, named, of }) => {
    const facts = { seen: number(seen), named: number(named), n: number(of), guesses: number(guesses), words };
    return html`<figure>
      <img src=${pageUrl(`data/ladder/${file}`)} alt=${t("words-steer.ladder-alt", facts)} loading="lazy" width=${64 * prompts.length} height="64" />
      <figcaption>${t("words-steer.ladder-row", facts)}</figcaption>
    </figure>`;
  });
  return html`<details class="ladder">
    <summary>${t("words-steer.ladder")}</summary>
    <p>${t("words-steer.ladder-means", { words, seed: String(seed) })}</p>
    ${rows}
  </details>`;
}
