// Texts inside the code that a figure shows.

export interface Code {
  python: string;
  shell?: string;
}

/** A text as a Python literal. */
export function python(text: string): string {
  return JSON.stringify(text);
}

/** A text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  if (/^\w[\w.-]*$/.test(text)) return text;
  const word = text.startsWith("-") ? ` ${text}` : text; // or it would be an option
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
