// The classes of the small pictures, in groups: content/<lang>/interface/classes.toml names them for people.
import { html, type TemplateResult } from "lit";
import { table, t } from "./strings.js";

const ANY = "any";
const GROUPS = table("classes");
const WORDS = Object.assign({}, ...Object.values(GROUPS)) as Record<string, string>;

export function classField(chosen: string) {
  const options = [ANY, ...Object.keys(WORDS)];
  return { kind: "choice", default: options.includes(chosen) ? chosen : ANY, options } as const;
}

/** The class as a network's label; undefined for any. */
export function classOf(label: string): string | undefined {
  return label === ANY ? undefined : label;
}

export function classWords(label: string): string {
  return WORDS[label] ?? t("shell.any-class");
}

export function classOptions(chosen: string): TemplateResult {
  const option = (label: string) => html`<option value=${label} ?selected=${label === chosen}>
    ${classWords(label)}
  </option>`;
  return html`${option(ANY)} ${Object.entries(GROUPS).map(
    ([group, words]) => html`<optgroup label=${t(`shell.classes-${group}`)}>
    ${Object.keys(words).map(option)}
  </optgroup>`,
  )}`;
}
