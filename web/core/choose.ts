// Which questions of the bank are shown, and what decides it; the page is in bank.ts.
import { defineFields, type StateOf } from "../ui/state.js";

export const FILTER = "questions"; // its name in the address
export const FIELDS = defineFields({
  lesson: { kind: "text", default: "", max: 2, form: /^\d*$/ },
  difficulty: { kind: "choice", default: "", options: ["", "1", "2", "3"] },
  mine: { kind: "choice", default: "", options: ["", "new", "wrong", "right", "due"] },
  words: { kind: "text", default: "", max: 80 },
});
export type Filter = StateOf<typeof FIELDS>;

/** What a filter asks about a question. */
export interface Facts {
  lesson: string;
  difficulty: string;
  words: string; // plain
  standing: string;
  wait: number | undefined;
}

/** Small letters without accents, so that what is typed is found however it is written. */
export function plain(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

export function fits({ lesson, difficulty, mine, words }: Filter, facts: Facts): boolean {
  if (lesson && lesson !== facts.lesson) return false;
  if (difficulty && difficulty !== facts.difficulty) return false;
  if (mine === "due" ? facts.wait !== 0 : mine && mine !== facts.standing) return false;
  return plain(words)
    .split(/\s+/)
    .every((word) => facts.words.includes(word));
}
