// Is a made picture a copy? The nearest training pictures beside it, their distances on a line, and the verdict.
import { html, nothing, svg, type TemplateResult } from "lit";
import { picture, type Pixels } from "../../ui/canvas.js";
import { fixed, t } from "../../ui/strings.js";
import type { Neighbour, Typical, Verdict } from "../../ui/likeness.js";
import type { Training } from "../../ui/training.js";

export const MARKS = { new: "✓", far: "✓", copy: "⚠" } as const;

export interface Check {
  made: Pixels;
  found: Neighbour[];
  told: Verdict;
  training: Training;
  /** Of so many made pictures, how many are copies. */
  count: number;
  copies: number;
  /** The training pictures of the memorising model. */
  taught: number[];
  give: TemplateResult;
}

/** What a verdict tells in numbers. */
export function verdictValues(found: Neighbour[], training: Training): Record<string, string | number> {
  const { low, median, high } = training.typical;
  const write = (value: number) => fixed(value, 3);
  const typical = { low: write(low), median: write(median), high: write(high) };
  return { ...typical, distance: write(found[0]!.distance), count: training.count };
}

export function copiesPart({ made, found, told, training, count, copies, taught, give }: Check): TemplateResult {
  const values = verdictValues(found, training);
  const thumb = (index: number) => picture(training.pixels(index), training.name(index), "thumb");
  return html`<h3>${t("sorter-maker.memorised")}</h3>
    <ul class="neighbours">
      <li>${picture(made, t("sorter-maker.this-one"), "thumb")} <span>${t("sorter-maker.this-one")}</span></li>
      ${found.map(
        ({ index, distance }) => html`<li>
        ${thumb(index)}
        <span aria-hidden="true">${training.name(index)}</span>
        <span class="match-number">${fixed(distance, 3)}</span>
      </li>`,
      )}
    </ul>
    <div class="pager">${give}</div>
    ${ruler(found, training.typical, t("sorter-maker.ruler", values))}
    <p class="verdict ${told}"><b>${MARKS[told]} ${t(`sorter-maker.verdict-${told}`, values)}</b></p>
    <p class="hint">${t("sorter-maker.rule", values)}</p>
    <p>${t("sorter-maker.copies", { copies, count })}</p>
    ${
      taught.length
        ? html`<p>${t("sorter-maker.memoriser-why", { count: taught.length })}</p>
          <ul class="neighbours taught">
            ${taught.map((index) => html`<li>${thumb(index)}</li>`)}
          </ul>`
        : nothing
    }`;
}

/** Distances on a line: the band where unseen real pictures lie, and the three found. */
function ruler(found: Neighbour[], { low, median, high }: Typical, label: string): TemplateResult {
  const end = Math.max(1.3 * high, 1.1 * found.at(-1)!.distance);
  const x = (distance: number) => (10 + (300 * distance) / end).toFixed(1);
  return html`<svg class="ruler" viewBox="0 0 320 46" role="img" aria-label=${label}>
    <rect class="ruler-band" x=${x(low)} y="12" width=${Number(x(high)) - Number(x(low))} height="12" />
    <line class="ruler-line" x1="10" y1="18" x2="310" y2="18" />
    <line class="ruler-median" x1=${x(median)} y1="9" x2=${x(median)} y2="27" />
    ${found.map(
      ({ distance }, i) =>
        svg`<circle class=${i ? "ruler-other" : "ruler-nearest"} cx=${x(distance)} cy="18" r=${i ? 4 : 6} />`,
    )}
    <text x="10" y="42">${t("sorter-maker.same")}</text>
    <text x=${x((low + high) / 2)} y="42" text-anchor="middle">${t("sorter-maker.unseen")}</text>
  </svg>`;
}
