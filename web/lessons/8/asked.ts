// What a prompt asks of a scene, if it is a sentence that scenes are described by.
// Counterpart: src/bozzetto/world/scenes/language.py
import { COLORS, NOUNS, WORDINGS } from "../../runtime/generated.js";
import { filled, onGround, read } from "../../runtime/layers.js";

export interface Asked {
  /** One name, or two with what the first is to the second. */
  names: string[];
  count: number;
  color?: string;
  relation?: string;
}

const nouns = new Set<string>(NOUNS);
const COLOR = `(?<color>${Object.keys(COLORS).join("|")})`;
const THING = "(?<one>.+)";
const HOLES = { a: `an? ${THING}`, one: THING, color: COLOR, colored: `an? ${COLOR} ${THING}` };
const OF_ONE = [...WORDINGS.single, ...WORDINGS.color].map((wording) => new RegExp(`^${filled(wording, HOLES)}$`));

/** Undefined for a prompt that is no such sentence: its pictures cannot be checked. */
export function asked(prompt: string): Asked | undefined {
  const plan = read(prompt);
  if (plan) {
    const names = plan.things.map((thing) => thing.replace(/^an? /, ""));
    // Two of one kind would be a number of them, and more than two cannot be told apart.
    if (names.length > 2 || !names.every((name) => nouns.has(name)) || names[0] === names[1]) return undefined;
    const count = Number(plan.layout) || 2;
    return { names, count, ...(names.length > 1 && plan.layout !== "two" && { relation: plan.layout }) };
  }
  const { text } = onGround(prompt);
  for (const pattern of OF_ONE) {
    const { one, color } = pattern.exec(text)?.groups ?? {};
    if (one && nouns.has(one)) return { names: [one], count: 1, ...(color && { color }) };
  }
  return undefined;
}
