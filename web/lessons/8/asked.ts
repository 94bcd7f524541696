// What a prompt asks of a scene, if it is a sentence that scenes are described by.
// Counterpart: src/bozzetto/world/scenes/language.py
import { plural } from "../../core/words.js";
import { BACKGROUND_WORDINGS, COLORS, NOUNS, NUMBERS, PALETTE, WORDINGS } from "../../runtime/generated.js";

export interface Asked {
  /** One name, or two with what the first is to the second. */
  names: string[];
  count: number;
  color?: string;
  relation?: string;
}

const KINDS = ["single", "count", "color", "two"]; // all other wordings are named by the relation that they say
const singular = new Map<string, string>(NOUNS.map((noun) => [plural(noun), noun]));
const nouns = new Set<string>(NOUNS);

const anyOf = (words: readonly string[]) => `(?:${words.join("|")})`;
const COLOR = anyOf(Object.keys(COLORS));
const THING = "[a-z-]+(?: [a-z-]+)?"; // looked up afterwards
const HOLES: Record<string, string> = {
  a: `an? (?<one>${THING})`,
  b: `an? (?<other>${THING})`,
  one: `(?<one>${THING})`,
  other: `(?<other>${THING})`,
  many: `(?<many>${THING})`,
  count: `(?<count>${anyOf(NUMBERS.slice(2))})`,
  digit: "(?<count>[2-5])",
  color: `(?<color>${COLOR})`,
  colored: `an? (?<color>${COLOR}) (?<one>${THING})`,
};

const filled = (wording: string, holes: Record<string, string>) =>
  wording.replace(/\{(\w+)\}/g, (_, hole: string) => holes[hole]!);
const SHADE = anyOf(Object.keys(PALETTE));
const GROUND = new RegExp(`${filled(anyOf(BACKGROUND_WORDINGS), { a: `an? ${SHADE}`, color: SHADE })}$`);
const SENTENCES = Object.entries(WORDINGS).flatMap(([says, wordings]) =>
  wordings.map((one) => [says, new RegExp(`^${filled(one, HOLES)}$`)] as const),
);

/** Undefined for a prompt that is no such sentence: its pictures cannot be checked. */
export function asked(prompt: string): Asked | undefined {
  const text = prompt.trim().toLowerCase().replace(/[.!]$/, "").replace(/\s+/g, " ");
  for (const plain of new Set([text, text.replace(GROUND, "")])) {
    for (const [says, pattern] of SENTENCES) {
      const { one, other, many, count, color } = pattern.exec(plain)?.groups ?? {};
      const first = one ?? singular.get(many ?? "");
      if (!first || ![first, other ?? first].every((name) => nouns.has(name))) continue;
      const names = other && other !== first ? [first, other] : [first];
      if (other && names.length === 1) continue; // two of one kind are a count
      const number = NUMBERS.indexOf(count as (typeof NUMBERS)[number]);
      return {
        names,
        count: other ? 2 : count ? (number < 0 ? Number(count) : number) : 1,
        ...(color && { color }),
        ...(KINDS.includes(says) ? {} : { relation: says }),
      };
    }
  }
  return undefined;
}
