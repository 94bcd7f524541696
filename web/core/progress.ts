// What the course remembers, in this browser only: theme, predictions, quiz answers and when each question is due, what
// was read and played, a name. It lies under one versioned key, and everything works without it, for a browser may
// forbid storage and anybody may edit what is there.
import { climb, type Rung, today, wait } from "./repetition.js";

export interface Answer {
  choice: number;
  right: boolean;
}

/** An answer, and when its question comes back; those of before there was a ladder have no rung and are due. */
export interface Kept extends Answer {
  rung?: Rung;
}

/** What one does with a lesson: read it to its end, use its figure. */
export const DEEDS = ["read", "played"] as const;
export type Deed = (typeof DEEDS)[number];

export interface LessonRecord {
  items: string[]; // those that the lesson itself asks; the question bank has more
  answers: Record<string, Kept>;
  predictions: Record<string, number>;
  deeds: Partial<Record<Deed, true>>;
}

/** How a mixed quiz ended. */
export interface Mixed {
  seed: number;
  right: number;
  total: number;
  day: number;
}

export type Theme = "light" | "dark";
export type Store = Pick<Storage, "getItem" | "setItem">;
export type Standing = "new" | "wrong" | "right";

interface Saved {
  theme?: Theme;
  name?: string;
  mixed?: Mixed;
  lessons: Record<string, LessonRecord>;
}

export const KEY = "bozzetto.course.1";
/** Where a saved text goes that this version of the course cannot read whole, before anything is written over it. */
export const ASIDE = `${KEY}.aside`;
export const NAME_LENGTH = 80;

/** Where this page keeps what is done: in the browser, or in a learning platform, where web/scorm/frame.ts is around it. */
export function pageStorage(): Store | undefined {
  for (const place of [() => (parent as { courseStore?: Store }).courseStore, () => localStorage]) {
    try {
      const store = place();
      if (store) return store;
    } catch {
      // a page of another site around this one, or storage that is forbidden
    }
  }
  return undefined;
}

export class Progress {
  /** What is remembered while the page is open; the only memory where storage is forbidden. */
  private saved: Saved = { lessons: {} };
  /** Whether the last change could not be written. */
  private stuck = false;

  constructor(
    private readonly storage: Store | undefined,
    private readonly day: () => number = today,
  ) {
    this.read();
  }

  get theme(): Theme | undefined {
    return this.saved.theme;
  }

  set theme(theme: Theme | undefined) {
    this.change((saved) => (saved.theme = theme));
  }

  get name(): string {
    return this.saved.name ?? "";
  }

  set name(name: string) {
    this.change((saved) => (saved.name = name.slice(0, NAME_LENGTH)));
  }

  get mixed(): Mixed | undefined {
    return this.saved.mixed;
  }

  /** The end of a mixed quiz. The best one is kept, and of equal ones the last. */
  mix(quiz: Omit<Mixed, "day">): void {
    this.change((saved) => {
      if (quiz.right >= (saved.mixed?.right ?? 0)) saved.mixed = { ...quiz, day: this.day() };
    });
  }

  lesson(number: string): LessonRecord | undefined {
    return this.saved.lessons[number];
  }

  visit(number: string, items: string[]): void {
    this.change((saved) => (record(saved, number).items = items));
  }

  answer(number: string, item: string, { choice, right }: Answer): void {
    this.change((saved) => {
      const { answers } = record(saved, number);
      answers[item] = { choice, right, rung: climb(own(answers, item)?.rung, right, this.day()) };
    });
  }

  mark(number: string, deed: Deed): void {
    if (!this.lesson(number)?.deeds[deed]) this.change((saved) => (record(saved, number).deeds[deed] = true));
  }

  standing(number: string, item: string): Standing {
    const answer = own(this.lesson(number)?.answers ?? {}, item);
    return !answer ? "new" : answer.right ? "right" : "wrong";
  }

  /** Days until a question comes back, 0 when it is due; undefined when it was never answered. */
  wait(number: string, item: string): number | undefined {
    const answer = own(this.lesson(number)?.answers ?? {}, item);
    return answer && (answer.rung ? wait(answer.rung, this.day()) : 0);
  }

  predict(number: string, question: string, choice: number): void {
    this.change((saved) => (record(saved, number).predictions[question] = choice));
  }

  /** How many of these items are answered right: of those that the lesson asks, or of the bank's. */
  right(number: string, items = this.lesson(number)?.items ?? []): number {
    return items.filter((item) => this.standing(number, item) === "right").length;
  }

  /** A lesson is done when all of its quiz is right. */
  done(number: string): boolean {
    const items = this.lesson(number)?.items ?? [];
    return items.length > 0 && this.right(number) === items.length;
  }

  forget(): void {
    this.change((saved) => {
      saved.lessons = {};
      delete saved.name;
      delete saved.mixed;
    });
  }

  /** Whether the browser keeps what is done; tried out, for a full store says so only then. */
  keeps(): boolean {
    return this.change(() => undefined);
  }

  /** What was set aside, or "" for nothing. */
  get aside(): string {
    try {
      return this.storage?.getItem(ASIDE) ?? "";
    } catch {
      return "";
    }
  }

  dropAside(): void {
    this.put(ASIDE, "");
  }

  /** Another tab may have written meanwhile: read, change, write. Whether it could be written. */
  private change(edit: (saved: Saved) => void): boolean {
    const foreign = this.read();
    edit(this.saved);
    // What cannot be set aside is not written over either.
    this.stuck = (foreign !== undefined && !this.put(ASIDE, foreign)) || !this.put(KEY, JSON.stringify(this.saved));
    return !this.stuck;
  }

  private put(key: string, text: string): boolean {
    try {
      this.storage?.setItem(key, text);
      return this.storage !== undefined;
    } catch {
      return false; // full or forbidden
    }
  }

  /** Takes what is saved; returns its text where not all of it could be taken. */
  private read(): string | undefined {
    let text: string | null | undefined;
    try {
      text = this.storage?.getItem(KEY);
      if (!text) return undefined;
      const found: unknown = JSON.parse(text);
      const saved = clean(found);
      // What could not be written is known to this page only, so it goes on from there.
      if (!this.stuck) this.saved = saved;
      return leaves(saved) === leaves(found) ? undefined : text;
    } catch {
      return text ?? undefined; // not ours, or forbidden: go on with what this page knows
    }
  }
}

function record(saved: Saved, number: string): LessonRecord {
  return (saved.lessons[number] ??= { items: [], answers: {}, predictions: {}, deeds: {} });
}

function own<T>(table: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** Only what has the right shape is taken from storage. */
function clean(value: unknown): Saved {
  const saved: Saved = { lessons: {} };
  const { theme, name, mixed, lessons } = object(value);
  if (theme === "light" || theme === "dark") saved.theme = theme;
  if (typeof name === "string") saved.name = name.slice(0, NAME_LENGTH);
  const { seed, right, total, day } = object(mixed);
  if (natural(seed) && natural(right) && natural(total) && natural(day)) saved.mixed = { seed, right, total, day };
  for (const [number, entry] of Object.entries(object(lessons))) {
    const { items, answers, predictions, deeds } = object(entry);
    const kept = record(saved, number);
    if (Array.isArray(items)) kept.items = items.filter((item) => typeof item === "string");
    for (const [name, choice] of Object.entries(object(predictions))) {
      if (natural(choice)) kept.predictions[name] = choice;
    }
    for (const [name, answer] of Object.entries(object(answers))) {
      const { choice, right, rung } = object(answer);
      const { step, due } = object(rung);
      if (!natural(choice) || typeof right !== "boolean") continue;
      kept.answers[name] = { choice, right, ...(natural(step) && natural(due) && { rung: { step, due } }) };
    }
    for (const deed of DEEDS) if (object(deeds)[deed] === true) kept.deeds[deed] = true;
  }
  return saved;
}

/** How many single values there are in a value. */
function leaves(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce<number>((sum, inner) => sum + leaves(inner), 0);
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function natural(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}
