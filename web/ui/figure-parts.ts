// What stands around the picture of every figure: its progress, and its notes.
import { html, nothing, type TemplateResult } from "lit";
import type { ModelConfig, ModelName } from "../runtime/client.js";
import type { Clipboard } from "./clipboard.js";
import type { Code } from "./code.js";
import { onlyHere } from "./embed.js";
import { optionalJson, pageUrl } from "./site.js";
import { megabytes, number, optional, t } from "./strings.js";
import type { Work } from "./work.js";

export type Content = TemplateResult | typeof nothing;

export interface Table {
  head: string[];
  rows: string[][];
}

/** A figure in words, for those who do not see it. */
export interface Alternative {
  sentence: string;
  table: Table;
}

/** What is real in a figure: the models that draw it, and whether what is shown was recorded or computed just now. */
export interface BadgeFacts {
  models: readonly ModelName[];
  recorded: boolean | "partly";
  milliseconds?: number; // a step, on this machine
}

/** What a learner's own model is called where one stands in the place of the course's. */
export const own = (name: string): string | undefined => optional(`own.${name}`);

export interface ModelFacts {
  name: string;
  parameters: number;
  bytes: number;
}

/** Where the card of a model lies: one for all of its parts. */
export function cardUrl(name: string): string {
  return pageUrl(`models/${name.split("/")[0]}/index.html`);
}

/** What the badge tells of models, from their configs. */
export function modelFacts(models: readonly ModelName[]): Promise<ModelFacts[]> {
  return Promise.all(
    models.map(async (name) => {
      const config = await optionalJson<ModelConfig>(`models/${name}/config.json`);
      const bytes = Object.values(config?.files ?? {}).reduce((sum, file) => sum + file.bytes, 0);
      return { name, bytes, parameters: config?.parameters ?? 0 };
    }),
  );
}

export function button(text: string, action: () => void, kind = "", disabled = false): TemplateResult {
  return html`<button type="button" class="button ${kind}" ?disabled=${disabled} @click=${action}>${text}</button>`;
}

/** A group of native radio buttons, which the arrow keys walk through. Words explain themselves, pictures in a strip
 * have a legend to see. */
export function choices<T>(
  kind: string,
  name: string,
  legend: string,
  options: readonly (readonly [T, unknown])[],
  chosen: T,
  choose: (value: T) => void,
): TemplateResult {
  return html`<fieldset class="picks ${kind}">
    <legend class=${["way", "tabs"].includes(kind) ? "visually-hidden" : ""}>${legend}</legend>
    ${options.map(
      ([value, what]) => html`<label class="pick">
        <input type="radio" name=${name} .checked=${value === chosen} @change=${() => choose(value)} />
        <span>${what}</span>
      </label>`,
    )}
  </fieldset>`;
}

/** A share as a bar. */
export function bar(share: number): TemplateResult {
  return html`<span class="match-bar" aria-hidden="true"><i .style=${`width: ${100 * share}%`}></i></span>`;
}

/** What waits to be asked for. */
export function folded(title: unknown, content: TemplateResult, open = false): TemplateResult {
  return html`<details class="more" ?open=${open}>
    <summary class="button">${title}</summary>
    ${content}
  </details>`;
}

/** Controls that wait to be asked for; what of them is not as it is at first is told beside the word. */
export function morePart(content: TemplateResult, moved: readonly string[]): TemplateResult {
  return folded(html`${t("shell.more")} ${moved.length ? html`<small>${moved.join(", ")}</small>` : nothing}`, content);
}

export function dataTable({ head, rows }: Table): TemplateResult {
  return html`<table>
    <thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
    <tbody>${rows.map((cells) => html`<tr>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
  </table>`;
}

/** What the figure is doing, and what went wrong: it stays in view while the figure is, wherever its foot may be. */
export function workPart(work: Work): TemplateResult {
  return html`<div class="work">
    ${work.error ? errorPart(work, work.error) : nothing} ${work.busy ? progressPart(work) : nothing}
  </div>`;
}

function errorPart(work: Work, { text, retry }: NonNullable<Work["error"]>): TemplateResult {
  const again = retry && button(t("shell.retry"), () => void work.run(retry));
  return html`<p class="error" role="alert">${text} ${again ?? nothing}</p>`;
}

function progressPart(work: Work): TemplateResult {
  const { progress } = work;
  return html`<div class="progress">
    ${
      progress
        ? html`<label>${progress.text} <progress max=${progress.max} .value=${progress.value}></progress></label>`
        : html`<span>${t("shell.starting")}</span>`
    }
    ${button(t("shell.cancel"), () => work.cancel(), "quiet")}
  </div>`;
}

/** Families that have learned from something of their own: all others from pictures. */
const TAUGHT = ["writer", "sound", "film"] as const;

/** What models were trained on; `pictures` says it of those that learned from pictures. */
function trainingOf(models: readonly ModelName[], pictures: string): string[] {
  const families = new Set(models.map((name) => name.split("/")[0]!));
  const taught = TAUGHT.filter((family) => families.has(family));
  return [
    ...(families.size > taught.length ? [pictures] : []),
    ...taught.map((family) => t(`shell.training-${family}`)),
  ];
}

/** `facts` are fetched when somebody wants to know: `onOpen`. */
export function badgePart(
  { models, recorded, milliseconds }: BadgeFacts,
  facts: readonly ModelFacts[],
  pictures: string,
  onOpen: () => void,
): TemplateResult {
  const how = recorded === "partly" ? "partly" : recorded ? "recorded" : "live";
  return html`<details class="badge" @toggle=${onOpen}>
    <summary>${t("shell.badge")} <span class="chip">${t(`shell.${how}`)}</span></summary>
    <p>${t(`shell.${how}-means`)}</p>
    <ul>
      ${facts.map(({ name, parameters, bytes }) => {
        const what = optional(`shell.models.${name}`) ?? name;
        const values = { name: what, parameters: number(parameters / 1e6, 1), size: megabytes(bytes) };
        return html`<li>
          ${own(name) ? html`<span class="chip">${own(name)}</span>` : nothing}
          ${t("shell.model", values)} <a href=${cardUrl(name)}>${t("shell.card")}</a>
        </li>`;
      })}
      ${milliseconds ? html`<li>${t("shell.speed", { ms: number(milliseconds, 0) })}</li>` : nothing}
      ${trainingOf(models, pictures).map((said) => html`<li>${said}</li>`)}
    </ul>
  </details>`;
}

export function alternativePart({ sentence, table }: Alternative): TemplateResult {
  return html`<details class="in-words">
    <summary>${t("shell.in-words")}</summary>
    <p>${sentence}</p>
    ${dataTable(table)}
  </details>`;
}

export function codePart(code: Code, clipboard: Clipboard): TemplateResult {
  const lines = [
    ["python", code.python],
    ["shell", code.shell],
  ] as const;
  const { copied } = clipboard;
  return html`<details class="code">
    <summary>${t("shell.code")}</summary>
    ${lines.map(([what, text]) =>
      text
        ? html`<pre tabindex="0" aria-label=${t(`shell.${what}`)}><code>${text}</code></pre>
            ${button(t("shell.copy", { what: t(`shell.${what}`) }), () => void clipboard.copy(what, text))}
            <span role="status">${copied?.what === what && copied.done ? t("shell.copied") : ""}</span>`
        : nothing,
    )}
  </details>`;
}

/** What can be taken along: `share` gives the link, `embed` the code for other pages. */
export function sharePart(share: () => string, embed: () => string, clipboard: Clipboard): TemplateResult {
  return html`<div class="share">
    ${button(t("shell.share"), () => void clipboard.copy("share", share()), "quiet")}
    ${button(t("shell.embed"), () => void clipboard.copy("embed", embed()), "quiet")}
    ${copiedPart("share", t("shell.link"), clipboard)}
    ${copiedPart("embed", t("shell.embed-code"), clipboard, onlyHere() ? t("shell.embed-local") : "")}
  </div>`;
}

/** What was copied last, if it was `what`, to be seen and copied by hand. */
export function copiedPart(what: string, label: string, clipboard: Clipboard, note = ""): Content {
  const { copied } = clipboard;
  if (copied?.what !== what) return nothing;
  const selectAll = (event: Event) => (event.target as HTMLInputElement).select();
  return html`<span role="status">${t(copied.done ? "shell.copied" : "shell.copy-this")} ${note}</span>
    <input type="text" readonly aria-label=${label} .value=${copied.text} @focus=${selectAll} />`;
}
