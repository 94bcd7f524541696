// Today's players against those of earlier rounds, as curves.
import { html } from "lit";
import type { GanSkill } from "../../runtime/client.js";
import { FROZEN } from "../../runtime/gan-game.js";
import { chart, logTicks, type Mark, type Series } from "../../ui/chart.js";
import type { Content } from "../../ui/figure-parts.js";
import { number, percent, t } from "../../ui/strings.js";

/** A copy is an old opponent once its game is twice as long: before, today's players are nearly the same. */
export const AGE = 2;

/** What is drawn of the skills: a line for each frozen opponent, and one for today's. */
export function lines(skills: readonly GanSkill[], key: "fooled" | "told", name: (i: number) => string): Series[] {
  const old = FROZEN.map((frozen, i): Series => {
    const later = skills.filter((one) => one[key][i] !== undefined && one.rounds >= AGE * frozen);
    return { name: name(i), points: later.map((one) => ({ x: one.rounds, y: one[key][i]! })) };
  });
  const today = key === "fooled" ? "passed" : "raw";
  return [...old, { name: name(-1), points: skills.map((one) => ({ x: one.rounds, y: one[today] })) }].filter(
    ({ points }) => points.length,
  );
}

export function skillPart(skills: readonly GanSkill[]): Content {
  const last = skills.at(-1);
  if (!last || last.rounds < AGE * FROZEN[0]!) {
    return html`<p class="hint">${t("step-the-game.skill-later", { rounds: AGE * FROZEN[0]! })}</p>`;
  }
  const name = (i: number) => (i < 0 ? t("step-the-game.today") : t("step-the-game.frozen", { rounds: FROZEN[i]! }));
  const ticks = logTicks(25, Math.max(last.rounds, 100));
  const x = { label: t("step-the-game.rounds"), ticks, log: true, format: (rounds: number) => number(rounds) };
  const y = { label: "%", ticks: [0, 0.2, 0.4, 0.6, 0.8, 1], format: (share: number) => number(100 * share, 0) };
  const one = (key: "fooled" | "told", mark: string) => {
    const even: Mark[] = [{ label: t(`step-the-game.${mark}`), y: 0.5 }];
    return html`<section>
      <h3>${t(`step-the-game.${key}`)}</h3>
      <p class="hint">${t(`step-the-game.${key}-means`)}</p>
      ${chart(t(`step-the-game.${key}`), lines(skills, key, name), x, y, even)}
    </section>`;
  };
  return html`<div class="skills">${one("told", "coin")} ${one("fooled", "as-real")}</div>
    <p>${t("step-the-game.raw-means", { raw: percent(last.raw) })}</p>`;
}
