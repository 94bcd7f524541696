// The words of the page's language: the builder puts them into <script type="application/json" id="strings">.

interface Tree {
  [key: string]: string | Tree;
}

let strings: Tree | undefined;

function all(): Tree {
  return (strings ??= JSON.parse(document.getElementById("strings")?.textContent ?? "{}") as Tree);
}

/** t("words-steer.step", { step: 3 }) -> "Step 3"; the key itself when there is no such string. */
export function t(key: string, values: Record<string, string | number> = {}): string {
  return optional(key, values) ?? key;
}

/** The same; undefined when there is no such string. */
export function optional(key: string, values: Record<string, string | number> = {}): string | undefined {
  return fill(all(), key, values);
}

/** A table of tables of strings. */
export function table(key: string): Record<string, Record<string, string>> {
  return (all()[key] ?? {}) as Record<string, Record<string, string>>;
}

export function fill(tree: Tree, key: string, values: Record<string, string | number>): string | undefined {
  let found: string | Tree | undefined = tree;
  for (const part of key.split(".")) {
    found = typeof found === "object" && Object.hasOwn(found, part) ? found[part] : undefined;
  }
  if (typeof found !== "string") return undefined;
  return found.replace(/\{(\w+)\}/g, (hole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : hole;
    return typeof value === "number" ? number(value) : String(value);
  });
}

const formats = new Map<string, Intl.NumberFormat>(); // making one takes longer than using it a hundred times

/** With the language's mark between the thousands, from one thousand on: as the pages' own texts write numbers. */
function format(value: number, least: number, most: number): string {
  const language = typeof document === "undefined" ? "en" : document.documentElement.lang || "en";
  const key = `${least} ${most}`;
  const options = { minimumFractionDigits: least, maximumFractionDigits: most, useGrouping: true };
  const found = formats.get(key) ?? new Intl.NumberFormat(language, options);
  formats.set(key, found);
  return found.format(value);
}

/** A number as the page's language writes it, with at most so many digits after the point. */
export function number(value: number, digits = 2): string {
  return format(value, 0, digits);
}

/** A number always with so many digits, so that a column of them can be compared. */
export function fixed(value: number, digits: number): string {
  const scale = 10 ** digits;
  return format(Math.round(scale * value) / scale + 0, digits, digits).replace("-", "\u2212"); // + 0: no -0.00
}

export function percent(share: number): string {
  return `${number(100 * share, 0)} %`;
}

export function megabytes(bytes: number): string {
  return `${number(bytes / 1e6, 1)} MB`;
}
