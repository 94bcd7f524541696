// The shell that every figure extends: its state and link, its buttons, what it says in words, and what goes wrong.
// A figure is a custom element <bz-NAME class="figure"> in the light DOM; it draws its picture, the shell the rest.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { state as reactive } from "lit/decorators.js";
import { type ModelConfig, Runtime } from "../runtime/client.js";
import { LinkState } from "./link-state.js";
import { defaults, type Field, parse, type State, type Value } from "./state.js";
import { megabytes, number, t } from "./strings.js";

export interface Twin {
  sentence: string;
  table: { head: string[]; rows: string[][] };
}

export interface Code {
  python: string;
  shell?: string;
}

/** What is real in a figure: the models that draw it, and whether what is shown was recorded or computed just now. */
export interface BadgeFacts {
  models: string[];
  recorded: boolean;
  milliseconds?: number; // a step, on this machine
}

export interface Doing {
  text: string;
  value: number;
  max: number;
}

type Content = TemplateResult | typeof nothing;
type Job = (signal: AbortSignal) => Promise<void>;

const reducedMotion = typeof matchMedia === "function" ? matchMedia("(prefers-reduced-motion: reduce)") : undefined;

/** A file of the site, by its path from the root. */
export function siteUrl(path: string): string {
  return new URL((document.documentElement.dataset.root ?? "./") + path, document.baseURI).href;
}

/** A JSON file of the site; undefined when it is not there, for what a figure can do without. */
export async function optionalJson<T>(path: string): Promise<T | undefined> {
  const answer = await fetch(siteUrl(path)).catch(() => undefined);
  return answer?.ok ? ((await answer.json()) as T) : undefined;
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

export function dataTable({ head, rows }: Twin["table"]): TemplateResult {
  return html`<table>
    <thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
    <tbody>${rows.map((cells) => html`<tr>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
  </table>`;
}

export abstract class BzFigure extends LitElement {
  static fields: readonly Field[] = [];

  /** True while the figure moves by itself; the play button then says pause. */
  @reactive() playing = false;
  /** The step of the work in hand, for the progress bar. */
  @reactive() protected doing: Doing | undefined;
  @reactive() private trouble: { text: string; retry: Job } | undefined;
  /** What was typed last and cannot be; the state still has the value before it. */
  @reactive() protected invalid: { name: string; text: string } | undefined;
  @reactive() private copied: { what: string; text: string; done: boolean } | undefined;
  @reactive() private facts: { name: string; parameters: number; bytes: number }[] | undefined;
  @reactive() private job: AbortController | undefined;
  protected readonly link = new LinkState(this, this.figureName, this.fields, () => this.changed(this.state));
  private caption: Node[] = [];
  /** The recorded picture that the page shows before its scripts are here. */
  protected stillImage: Element | null = null;
  private saying = 0;
  private said = "";
  private saidAt = 0;

  protected abstract figure(): TemplateResult;
  protected abstract twin(): Twin;
  protected controls(): Content {
    return nothing;
  }
  protected code(): Code | undefined {
    return undefined;
  }
  protected badge(): BadgeFacts | undefined {
    return undefined;
  }
  play?(): void;
  pause?(): void;
  step?(): void;
  back?(): void;
  /** Back to how the figure is first met. */
  reset(): void {
    this.cancel();
    this.set(defaults(this.fields));
  }
  /** After `set`, with what is new. */
  protected changed(_changes: State): void {}

  // ---------------------------------------------------------------- state

  /** The figure's name: words-steer for <bz-words-steer>. */
  get figureName(): string {
    return this.localName.slice(3);
  }

  protected get fields(): readonly Field[] {
    return (this.constructor as typeof BzFigure).fields;
  }

  get state(): State {
    return this.link.state;
  }

  /** What a person changes. */
  set(changes: State): void {
    this.link.set(changes);
    this.copied = undefined;
    this.changed(changes);
  }

  /** What the figure changes by itself, as it goes on. */
  protected follow(changes: State): void {
    this.link.follow(changes);
    this.changed(changes);
  }

  /** Whether a control is to be seen: a teacher's link may hide it. */
  protected shows(name: string): boolean {
    return !this.link.hides(name);
  }

  // ---------------------------------------------------------------- life

  protected override createRenderRoot(): HTMLElement {
    this.caption = [...(this.querySelector("figcaption")?.childNodes ?? [])];
    this.stillImage = this.querySelector("img");
    this.replaceChildren();
    return this;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.cancel();
    clearTimeout(this.saying);
  }

  /** People who ask for less motion get steps that jump, and nothing that moves by itself. */
  protected get still(): boolean {
    return reducedMotion?.matches ?? false;
  }

  // ---------------------------------------------------------------- work

  protected get busy(): boolean {
    return this.job !== undefined;
  }

  /** One piece of work at a time: a new one cancels the one before. What goes wrong is shown, with Retry. */
  protected async work(job: Job): Promise<void> {
    this.cancel();
    const controller = (this.job = new AbortController());
    this.trouble = undefined;
    try {
      await job(controller.signal);
    } catch (error) {
      if (controller.signal.aborted) return;
      this.trouble = { text: error instanceof Error ? error.message : String(error), retry: job };
    } finally {
      if (this.job === controller) this.job = this.doing = undefined;
    }
  }

  cancel(): void {
    this.job?.abort();
    this.job = this.doing = undefined;
  }

  /** Opens models by name, with the megabytes in the progress bar. */
  protected async load(models: string[], signal: AbortSignal): Promise<Record<string, ModelConfig>> {
    const configs = await Runtime.get().load(models, {
      signal,
      onProgress: ({ loaded, total }) => {
        const text = t("shell.loading", { loaded: megabytes(loaded), total: megabytes(total) });
        if (!signal.aborted) this.doing = { text, value: loaded, max: total };
      },
    });
    this.doing = undefined;
    return configs;
  }

  // ---------------------------------------------------------------- what is drawn

  protected override render(): TemplateResult {
    const title = t(`${this.figureName}.title`);
    const keys = this.play ?? this.step;
    return html`<figure>
      <h2 class="figure-title">${title}</h2>
      ${this.link.rejected.length
        ? html`<p class="note" role="status">
            ${t("shell.refused", { fields: this.link.rejected.map((name) => this.label(name)).join(", ") })}
          </p>`
        : nothing}
      <div class="figure-stage" role="group" tabindex=${keys ? 0 : nothing} @keydown=${this.onKey}
        aria-label=${keys ? t("shell.stage", { title }) : title}>${this.figure()}</div>
      ${this.status()}
      <div class="controls">${this.transport()} ${this.seed()}</div>
      ${this.controls()}
      <figcaption>${this.caption}</figcaption>
      <div class="figure-notes">${this.badgePart()} ${this.twinPart()} ${this.codePart()} ${this.sharePart()}</div>
      <p class="visually-hidden" role="status"></p>
    </figure>`;
  }

  private onKey(event: KeyboardEvent): void {
    if (event.target !== event.currentTarget || event.altKey || event.ctrlKey || event.metaKey) return;
    const key = event.key;
    if (key === " " && this.play) this.toggle();
    else if (key === "ArrowRight" && this.step) this.step();
    else if (key === "ArrowLeft" && this.back) this.back();
    else return;
    event.preventDefault();
  }

  private toggle(): void {
    if (this.playing) this.pause?.();
    else this.play?.();
  }

  private transport(): Content {
    const buttons = [
      ["play", this.play && (() => this.toggle()), this.playing ? "pause" : "play"],
      ["back", this.back && (() => this.back?.()), "back"],
      ["step", this.step && (() => this.step?.()), "step"],
      ["reset", () => this.reset(), "reset"],
    ] as const;
    return html`${buttons.map(([name, action, word]) =>
      action && this.shows(name) ? this.button(t(`shell.${word}`), action) : nothing,
    )}`;
  }

  private seed(): Content {
    const field = this.fields.find(({ name }) => name === "seed");
    if (!field || !this.shows("seed")) return nothing;
    const next = () => this.set({ seed: Math.floor(1e6 * Math.random()) });
    return html`${this.field("seed")} ${this.button(t("shell.new-seed"), next)}`;
  }

  protected button(text: string, action: () => void, kind = "", disabled = false): TemplateResult {
    return html`<button type="button" class="button ${kind}" ?disabled=${disabled} @click=${action}>${text}</button>`;
  }

  private status(): Content {
    const { doing, trouble } = this;
    if (trouble) {
      return html`<p class="error" role="alert">
        ${trouble.text} ${this.button(t("shell.retry"), () => void this.work(trouble.retry))}
      </p>`;
    }
    if (!this.busy) return nothing;
    return html`<div class="progress">
      ${doing
        ? html`<label>${doing.text} <progress max=${doing.max} .value=${doing.value}></progress></label>`
        : html`<span>${t("shell.starting")}</span>`}
      ${this.button(t("shell.cancel"), () => this.cancel(), "quiet")}
    </div>`;
  }

  private badgePart(): Content {
    const badge = this.badge();
    if (!badge || !this.shows("badge")) return nothing;
    const recorded = t(badge.recorded ? "shell.recorded" : "shell.live");
    return html`<details class="badge" @toggle=${this.loadFacts}>
      <summary>${t("shell.badge")} <span class="chip">${recorded}</span></summary>
      <p>${t(badge.recorded ? "shell.recorded-means" : "shell.live-means")}</p>
      <ul>
        ${this.facts?.map(({ name, parameters, bytes }) => {
          const values = { name, parameters: number(parameters / 1e6, 1), size: megabytes(bytes) };
          return html`<li>
            ${t("shell.model", values)} <a href=${siteUrl(`models/${name}/README.md`)}>${t("shell.card", { name })}</a>
          </li>`;
        })}
        ${badge.milliseconds ? html`<li>${t("shell.speed", { ms: number(badge.milliseconds, 0) })}</li>` : nothing}
        <li>${this.label("training")}</li>
      </ul>
    </details>`;
  }

  /** The facts of the badge come from the configs of the models, fetched when somebody wants to know. */
  private async loadFacts(): Promise<void> {
    this.facts ??= await Promise.all(
      (this.badge()?.models ?? []).map(async (name) => {
        const config = await optionalJson<ModelConfig>(`models/${name}/config.json`);
        const bytes = Object.values(config?.files ?? {}).reduce((sum, file) => sum + file.bytes, 0);
        return { name, bytes, parameters: config?.parameters ?? 0 };
      }),
    );
  }

  private twinPart(): Content {
    if (!this.shows("twin")) return nothing;
    const { sentence, table } = this.twin();
    return html`<details class="twin">
      <summary>${t("shell.twin")}</summary>
      <p>${sentence}</p>
      ${dataTable(table)}
    </details>`;
  }

  private codePart(): Content {
    const code = this.code();
    if (!code || !this.shows("code")) return nothing;
    const lines = [["python", code.python], ["shell", code.shell]] as const;
    return html`<details class="code">
      <summary>${t("shell.code")}</summary>
      ${lines.map(([what, text]) =>
        text
          ? html`<pre tabindex="0" aria-label=${t(`shell.${what}`)}><code>${text}</code></pre>
              ${this.button(t("shell.copy", { what: t(`shell.${what}`) }), () => void this.copy(what, text))}
              <span role="status">${this.copied?.what === what && this.copied.done ? t("shell.copied") : ""}</span>`
          : nothing,
      )}
    </details>`;
  }

  private sharePart(): Content {
    if (!this.shows("share")) return nothing;
    const shared = this.copied?.what === "share" ? this.copied : undefined;
    const share = () => {
      this.link.write();
      void this.copy("share", location.href);
    };
    return html`<div class="share">
      ${this.button(t("shell.share"), share, "quiet")}
      ${shared
        ? html`<span role="status">${t(shared.done ? "shell.copied" : "shell.copy-this")}</span>
            <input readonly aria-label=${t("shell.link")} .value=${shared.text} @focus=${selectAll} />`
        : nothing}
    </div>`;
  }

  private async copy(what: string, text: string): Promise<void> {
    // The clipboard is closed to pages that come over plain http from another machine.
    const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    this.copied = { what, text, done: done ?? false };
  }

  // ---------------------------------------------------------------- fields

  /** The figure's own word for something, else the shell's, else the name itself. */
  protected label(name: string): string {
    for (const key of [`${this.figureName}.${name}`, `shell.${name}`]) if (t(key) !== key) return t(key);
    return name;
  }

  /** What an option of a field is called. */
  protected word(name: string, option: string): string {
    const own = `${name}-${option}`;
    return this.label(own) === own ? option : this.label(own);
  }

  /** The control of a field, with its label and what is wrong with what was typed. `choices`: options of a select. */
  protected field(name: string, choices?: (chosen: string) => TemplateResult): Content {
    const field = this.fields.find((field) => field.name === name);
    if (!field || !this.shows(name)) return nothing;
    const id = `${this.figureName}-${name}`;
    const label = this.label(name);
    const value = this.state[name];
    const invalid = this.invalid?.name === name ? this.invalid.text : undefined;
    const onText = (event: Event) => this.enter(field, (event.target as HTMLInputElement).value);
    const described = invalid ? `${id}-wrong` : nothing;
    let control: TemplateResult;
    if (field.kind === "flag") {
      const onFlag = (event: Event) => this.set({ [name]: (event.target as HTMLInputElement).checked });
      control = html`<input id=${id} type="checkbox" .checked=${value === true} @change=${onFlag} />`;
    } else if (field.kind === "choice") {
      control = html`<select id=${id} .value=${String(value)} @change=${onText}>
        ${choices?.(String(value)) ??
        field.options.map((option) => html`<option value=${option} ?selected=${option === value}>
          ${this.word(name, option)}
        </option>`)}
      </select>`;
    } else if (field.kind === "text") {
      control = html`<input id=${id} type="text" dir="auto" autocomplete="off" spellcheck="false"
        aria-invalid=${invalid ? "true" : "false"} aria-describedby=${described}
        .value=${String(value)} @input=${onText} />`;
    } else {
      const { min, max, step = field.kind === "int" ? 1 : 0.5 } = field;
      const slider = max - min <= 1000; // a wider range is typed, not dragged
      control = html`${slider
          ? html`<input type="range" aria-label=${label} min=${min} max=${max} step=${step}
              .value=${String(value)} @input=${onText} />`
          : nothing}
        <input id=${id} type="number" min=${min} max=${max} step=${field.kind === "int" ? 1 : "any"}
          aria-invalid=${invalid ? "true" : "false"} aria-describedby=${described}
          .value=${String(value)} @change=${onText} />`;
    }
    return html`<div class="field field-${field.kind}">
      <label for=${id}>${label}</label> ${control}
      ${invalid ? html`<span class="error" id="${id}-wrong" role="alert">${invalid}</span>` : nothing}
    </div>`;
  }

  private enter(field: Field, text: string): void {
    const value: Value | undefined = parse(field, text);
    this.invalid = value === undefined ? { name: field.name, text: this.wrong(field, text) } : undefined;
    if (value !== undefined) this.set({ [field.name]: value });
  }

  private wrong(field: Field, text: string): string {
    const label = this.label(field.name);
    if (field.kind === "text") return t("shell.too-long", { label, length: text.length, max: field.max });
    if (field.kind !== "int" && field.kind !== "float") return label;
    const kind = field.kind === "int" ? "whole-number" : "any-number";
    return t(`shell.${kind}`, { label, min: field.min, max: field.max });
  }

  // ---------------------------------------------------------------- the live sentence

  protected override updated(): void {
    const { sentence } = this.twin();
    if (sentence === this.said) return;
    clearTimeout(this.saying); // one message a second is as much as can be listened to
    this.saying = window.setTimeout(() => this.say(sentence), Math.max(0, this.saidAt + 1000 - Date.now()));
  }

  private say(sentence: string): void {
    const first = this.said === ""; // what is there from the start is read, not announced
    this.said = sentence;
    this.saidAt = Date.now();
    const region = this.querySelector(":scope > figure > p[role=status].visually-hidden");
    if (region && !first) region.textContent = sentence;
  }
}

function selectAll(event: Event): void {
  (event.target as HTMLInputElement).select();
}
