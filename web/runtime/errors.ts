/** What can go wrong, as one class: `kind` chooses what the page says, of `values`, and `message` names the thing and the
 * fix. */
export type ErrorKind =
  "missing" | "truncated" | "hash" | "no-simd" | "no-wasm" | "cancelled" | "failed" | (typeof IN_WORDS)[number];
/** What lies in the words, and goes wrong again however often it is tried. */
const IN_WORDS = ["unreadable", "no-sound-word", "two-words", "no-thing"] as const;

export class RuntimeError extends Error {
  constructor(
    readonly kind: ErrorKind,
    message: string,
    readonly values: Record<string, string> = {},
  ) {
    super(message);
    this.name = "RuntimeError";
  }

  get inWords(): boolean {
    return (IN_WORDS as readonly string[]).includes(this.kind);
  }
}

export function checkNumber(name: string, value: number, low: number, high: number): void {
  if (!(value >= low && value <= high)) {
    throw new RuntimeError("failed", `${name} must be a number from ${low} to ${high}, not ${value}`);
  }
}

export function checkWhole(name: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new RuntimeError("failed", `${name} must be a whole number from ${low} to ${high}, not ${value}`);
  }
}

export function checkChoice(name: string, value: string, choices: string[]): void {
  if (!choices.includes(value)) {
    throw new RuntimeError("failed", `${name} "${value}" is unknown: choose one of ${choices.join(", ")}`);
  }
}

/** For a text in letters that no model knows. */
export function unreadable(text: string): RuntimeError {
  return new RuntimeError(
    "unreadable",
    `"${text}" cannot be read: the model knows English words in Latin letters, and emoji`,
  );
}
