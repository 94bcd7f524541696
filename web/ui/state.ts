// The state of a figure, declared as fields and kept in the address: #words-steer.seed=7&words-steer.prompt=a+cat
// A teacher's link hides controls: &hide=share,code
// A link may come from anybody, so every value is checked against its field; what does not fit becomes the default.

export type Value = string | number | boolean;
export type State = Record<string, Value>;

export type Field =
  | { name: string; kind: "int" | "float"; default: number; min: number; max: number; step?: number }
  | { name: string; kind: "text"; default: string; max: number; form?: RegExp }
  | { name: string; kind: "choice"; default: string; options: readonly string[] }
  | { name: string; kind: "flag"; default: boolean };

/** The value that a text stands for, or undefined when the field cannot have it. */
export function parse(field: Field, text: string): Value | undefined {
  switch (field.kind) {
    case "int":
    case "float": {
      const form = field.kind === "int" ? /^-?\d{1,16}$/ : /^-?\d{1,16}(\.\d{1,16})?$/;
      const value = form.test(text) ? Number(text) + 0 : NaN; // + 0 turns -0 into 0
      return value >= field.min && value <= field.max ? value : undefined;
    }
    case "text":
      return text.length <= field.max && (field.form?.test(text) ?? true) ? text : undefined;
    case "choice":
      return field.options.includes(text) ? text : undefined;
    case "flag":
      return text === "1" ? true : text === "0" ? false : undefined;
  }
}

export function defaults(fields: readonly Field[]): State {
  return Object.fromEntries(fields.map((field) => [field.name, field.default]));
}

export interface Reading {
  state: State;
  /** Names of fields that the address sets. */
  fromLink: string[];
  /** Names of fields whose value was of no use. */
  rejected: string[];
  /** Names of controls that a teacher has hidden. */
  hidden: Set<string>;
}

/** What a fragment ("#...") says about a figure. */
export function read(figure: string, fields: readonly Field[], fragment: string): Reading {
  const entries = new URLSearchParams(fragment.replace(/^#/, ""));
  const reading: Reading = { state: defaults(fields), fromLink: [], rejected: [], hidden: new Set() };
  for (const name of (entries.get("hide") ?? "").split(",")) if (/^[a-z_]{1,40}$/.test(name)) reading.hidden.add(name);
  for (const field of fields) {
    const text = entries.get(`${figure}.${field.name}`);
    if (text === null) continue;
    const value = parse(field, text);
    (value === undefined ? reading.rejected : reading.fromLink).push(field.name);
    if (value !== undefined) reading.state[field.name] = value;
  }
  return reading;
}

/** The fragment with all of a figure's state in it; what it says about anything else stays. */
export function write(figure: string, fields: readonly Field[], state: State, fragment: string): string {
  const old = fragment.replace(/^#/, "");
  const entries = new URLSearchParams(old.includes("=") ? old : ""); // a plain #anchor is no state
  for (const { name } of fields) {
    const value = state[name];
    entries.set(`${figure}.${name}`, typeof value === "boolean" ? (value ? "1" : "0") : String(value));
  }
  return `#${entries}`;
}
