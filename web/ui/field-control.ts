// The control of a field: a box, a list, a line of text or a number, with its label and what is wrong with it.
import { html, nothing, type TemplateResult } from "lit";
import type { Content } from "./figure-parts.js";
import type { Field, Value } from "./state.js";
import { t } from "./strings.js";

export interface FieldView {
  id: string;
  field: Field;
  label: string;
  value: Value;
  /** What is wrong with what was typed. */
  invalid: string | undefined;
  /** What an option of a choice is called. */
  word: (option: string) => string;
  /** The options of a select, where they are more than words. */
  choices?: (chosen: string) => TemplateResult;
  /** What is said under its label. */
  note: Content;
  onText: (text: string) => void;
  onFlag: (flag: boolean) => void;
}

/** Where the page has another language than the models: that they read English only. */
export function readsEnglish(): Content {
  const words = t("shell.reads-english");
  return words ? html`<p class="hint reads-english">${words}</p>` : nothing;
}

export function fieldControl(view: FieldView): TemplateResult {
  const { id, field, label, invalid, note } = view;
  return html`<div class="field field-${field.kind}">
    <label for=${id}>${label}</label> ${note} ${control(view)}
    ${invalid ? html`<span class="error" id="${id}-wrong" role="alert">${invalid}</span>` : nothing}
  </div>`;
}

function control({ id, field, label, value, invalid, word, choices, onText, onFlag }: FieldView): TemplateResult {
  const input = (event: Event) => onText((event.target as HTMLInputElement).value);
  const check = (event: Event) => onFlag((event.target as HTMLInputElement).checked);
  const wrong = invalid ? "true" : "false";
  const described = invalid ? `${id}-wrong` : nothing;
  switch (field.kind) {
    case "flag":
      return html`<input id=${id} type="checkbox" .checked=${value === true} @change=${check} />`;
    case "choice": {
      const option = (one: string) =>
        html`<option value=${one} title=${one} ?selected=${one === value}>${word(one)}</option>`;
      return html`<select id=${id} .value=${String(value)} @change=${input}>
        ${choices?.(String(value)) ?? field.options.map(option)}
      </select>`;
    }
    case "text":
      return html`<input id=${id} type="text" dir="auto" autocomplete="off" spellcheck="false"
        aria-invalid=${wrong} aria-describedby=${described} .value=${String(value)} @input=${input} />`;
    default: {
      const { min, max, step = field.kind === "int" ? 1 : 0.5 } = field;
      const slider = max - min <= 1000; // a wider range is typed, not dragged
      return html`${
        slider
          ? html`<input type="range" aria-label=${label} min=${min} max=${max} step=${step}
              .value=${String(value)} @input=${input} />`
          : nothing
      }
        <input id=${id} type="number" min=${min} max=${max} step=${field.kind === "int" ? 1 : "any"}
          aria-invalid=${wrong} aria-describedby=${described} .value=${String(value)} @change=${input} />`;
    }
  }
}

/** What is wrong with a text that a field cannot have. */
export function complaint(field: Field, label: string, text: string): string {
  switch (field.kind) {
    case "text":
      return t("shell.too-long", { label, length: text.length, max: field.max });
    case "int":
      return t("shell.whole-number", { label, min: field.min, max: field.max });
    case "float":
      return t("shell.any-number", { label, min: field.min, max: field.max });
    default:
      return label;
  }
}
