// What the course remembers, in this browser only: theme, predictions, quiz answers. It lies under one versioned key,
// and everything works without it, for a browser may forbid storage and anybody may edit what is there.

export interface Answer {
  choice: number;
  right: boolean;
}

export interface LessonRecord {
  items: string[]; // those that the lesson itself asks; the question bank has more
  answers: Record<string, Answer>;
  predictions: Record<string, number>;
}

export type Theme = "light" | "dark";
export type Store = Pick<Storage, "getItem" | "setItem">;

interface Saved {
  theme?: Theme;
  lessons: Record<string, LessonRecord>;
}

export const KEY = "bozzetto.course.1";

export function pageStorage(): Store | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

export class Progress {
  /** What is remembered while the page is open; the only memory where storage is forbidden. */
  private saved: Saved = { lessons: {} };

  constructor(private readonly storage: Store | undefined) {
    this.read();
  }

  get theme(): Theme | undefined {
    return this.saved.theme;
  }

  set theme(theme: Theme | undefined) {
    this.change((saved) => (saved.theme = theme));
  }

  lesson(number: string): LessonRecord | undefined {
    return this.saved.lessons[number];
  }

  visit(number: string, items: string[]): void {
    this.change((saved) => (record(saved, number).items = items));
  }

  answer(number: string, item: string, answer: Answer): void {
    this.change((saved) => (record(saved, number).answers[item] = answer));
  }

  predict(number: string, question: string, choice: number): void {
    this.change((saved) => (record(saved, number).predictions[question] = choice));
  }

  /** How many of these items are answered right: of those that the lesson asks, or of the bank's. */
  right(number: string, items = this.lesson(number)?.items ?? []): number {
    const answers = this.lesson(number)?.answers ?? {};
    return items.filter((item) => Object.hasOwn(answers, item) && answers[item]!.right).length;
  }

  /** A lesson is done when all of its quiz is right. */
  done(number: string): boolean {
    const items = this.lesson(number)?.items ?? [];
    return items.length > 0 && this.right(number) === items.length;
  }

  forget(): void {
    this.change((saved) => (saved.lessons = {}));
  }

  /** Another tab may have written meanwhile: read, change, write. */
  private change(edit: (saved: Saved) => void): void {
    this.read();
    edit(this.saved);
    try {
      this.storage?.setItem(KEY, JSON.stringify(this.saved));
    } catch {
      // Full or forbidden: it is remembered until the page closes.
    }
  }

  private read(): void {
    try {
      const text = this.storage?.getItem(KEY);
      if (text) this.saved = clean(JSON.parse(text));
    } catch {
      // Not ours, or forbidden: go on with what this page knows.
    }
  }
}

function record(saved: Saved, number: string): LessonRecord {
  return (saved.lessons[number] ??= { items: [], answers: {}, predictions: {} });
}

/** Only what has the right shape is taken from storage. */
function clean(value: unknown): Saved {
  const saved: Saved = { lessons: {} };
  const { theme, lessons } = object(value);
  if (theme === "light" || theme === "dark") saved.theme = theme;
  for (const [number, entry] of Object.entries(object(lessons))) {
    const { items, answers, predictions } = object(entry);
    const kept = record(saved, number);
    if (Array.isArray(items)) kept.items = items.filter((item) => typeof item === "string");
    for (const [name, choice] of Object.entries(object(predictions))) {
      if (natural(choice)) kept.predictions[name] = choice;
    }
    for (const [name, answer] of Object.entries(object(answers))) {
      const { choice, right } = object(answer);
      if (natural(choice) && typeof right === "boolean") kept.answers[name] = { choice, right };
    }
  }
  return saved;
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function natural(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}
