// How often our model gets what right.
import { html, nothing } from "lit";
import { type Content, dataTable } from "../../ui/figure-parts.js";
import { number, percent, t } from "../../ui/strings.js";

/** data/weak-spots.json: how often our model gets something right. */
export interface WeakSpot {
  fact: string;
  rate: number;
  low: number;
  high: number;
  n: number;
}

export function weakPart(spots: readonly WeakSpot[]): Content {
  if (!spots.length) return nothing;
  const head = ["what", "rate", "interval", "n"].map((name) => t(`words-steer.weak-${name}`));
  const rows = spots.map(({ fact, rate, low, high, n }) => {
    return [t(`words-steer.spot-${fact}`), percent(rate), `${percent(low)} – ${percent(high)}`, number(n)];
  });
  return html`<details class="weak">
    <summary>${t("words-steer.weak")}</summary>
    ${dataTable({ head, rows })}
  </details>`;
}
