// The state of a figure, declared as fields and kept in the address: #words-steer.seed=7&words-steer.prompt=a+cat
// A teacher's link hides controls: &hide=share,code
// A link may come from anybody, so every value is checked against its field; what does not fit becomes the default.

export type Value = string | number | boolean;
export type State = Readonly<Record<string, Value>>;

export type Field =
  | { kind: "int" | "float"; default: number; min: number; max: number; step?: number }
  | { kind: "text"; default: string; max: number; form?: RegExp }
  | { kind: "choice"; default: string; options: readonly string[] }
  | { kind: "flag"; default: boolean };

/** By name, in the order of the address. */
export type Fields = Readonly<Record<string, Field>>;

type ValueOf<F extends Field> = F extends { kind: "choice"; options: readonly (infer Option)[] }
  ? Option
  : F extends { kind: "flag" }
    ? boolean
    : F extends { kind: "text" }
      ? string
      : number;

/** The type of the state that has these fields. */
export type StateOf<F extends Fields> = { readonly [Name in keyof F]: ValueOf<F[Name]> };

/** Fields whose options the compiler remembers. */
export function defineFields<const F extends Fields>(fields: F): F {
  return fields;
}

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

export function defaults<S extends State>(fields: Fields): S {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.default])) as S;
}

export interface Reading<S extends State> {
  state: S;
  /** Names of fields that the address sets. */
  fromLink: string[];
  /** Names of fields whose value was of no use. */
  rejected: string[];
  /** Names of controls that a teacher has hidden. */
  hidden: Set<string>;
}

/** What a fragment ("#...") says about a figure. */
export function read<S extends State>(figure: string, fields: Fields, fragment: string): Reading<S> {
  const entries = new URLSearchParams(fragment.replace(/^#/, ""));
  const hidden = (entries.get("hide") ?? "").split(",").filter((name) => /^[a-z_-]{1,40}$/.test(name));
  const found: Record<string, Value> = {};
  const [fromLink, rejected]: [string[], string[]] = [[], []];
  for (const [name, field] of Object.entries(fields)) {
    const text = entries.get(`${figure}.${name}`);
    if (text === null) continue;
    const value = parse(field, text);
    (value === undefined ? rejected : fromLink).push(name);
    if (value !== undefined) found[name] = value;
  }
  return { state: { ...defaults<S>(fields), ...found }, fromLink, rejected, hidden: new Set(hidden) };
}

/** The fragment with all of a figure's state in it; what it says about anything else stays. */
export function write(figure: string, state: State, fragment: string): string {
  const old = fragment.replace(/^#/, "");
  const entries = new URLSearchParams(old.includes("=") ? old : ""); // a plain #anchor is no state
  for (const [name, value] of Object.entries(state)) {
    entries.set(`${figure}.${name}`, typeof value === "boolean" ? (value ? "1" : "0") : String(value));
  }
  return `#${entries}`;
}
