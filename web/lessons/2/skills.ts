// Today's players against those of earlier rounds, as curves.
import { html } from "lit";
import type { GanSkill } from "../../runtime/client.js";
import { FROZEN } from "../../runtime/gan-game.js";
import { chart, logTicks, type Mark, type Series } from "../../ui/chart.js";
import type { Content } from "../../ui/figure-parts.js";
import { number, percent, t } from "../../ui/strings.js";

export function skillPart(skills: GanSkill[], settings: string): Content {
  if (!skills.length) return html`<p class="hint">${t("step-the-game.skill-later", { rounds: FROZEN[0]! })}</p>`;
  const last = skills.at(-1)!;
  const line = (key: "fooled" | "told", i: number): Series => ({
    name: t("step-the-game.frozen", { rounds: FROZEN[i]! }),
    points: skills.filter((one) => one[key][i] !== undefined).map((one) => ({ x: one.rounds, y: one[key][i]! })),
  });
  const lines = (key: "fooled" | "told") => last[key].map((_, i) => line(key, i));
  const raw = { name: t("step-the-game.today"), points: skills.map(({ rounds, raw }) => ({ x: rounds, y: raw })) };
  const ticks = logTicks(25, Math.max(last.rounds, 100));
  const x = { label: t("step-the-game.rounds"), ticks, log: true, format: (rounds: number) => number(rounds) };
  const y = (ticks: number[]) => ({ label: "%", ticks, format: (share: number) => number(100 * share, 0) });
  const even = (key: string): Mark[] => [{ label: t(`step-the-game.${key}`), y: 0.5 }];
  const one = (key: "fooled" | "told", series: Series[], ticks: number[], mark: string) => html`<section>
    <h3>${t(`step-the-game.${key}`)}</h3>
    <p class="hint">${t(`step-the-game.${key}-means`)}</p>
    ${chart(t(`step-the-game.${key}`), series, x, y(ticks), even(mark))}
  </section>`;
  return html`<div class="skills">
    ${one("fooled", lines("fooled"), [0, 0.2, 0.4, 0.6, 0.8, 1], "as-real")}
    ${one("told", [...lines("told"), raw], [0.4, 0.6, 0.8, 1], "coin")}
  </div>
  <p>${t(`step-the-game.raw-${settings}`, { raw: percent(last.raw) })}</p>`;
}
