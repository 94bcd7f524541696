// The shell that every figure extends: its state and link, its buttons, what it says in words, and what goes wrong.
// A figure is a custom element <bz-NAME class="figure"> in the light DOM; it draws its picture, the shell the rest.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { state as reactive } from "lit/decorators.js";
import { nextTask } from "../runtime/next-task.js";
import { Announcer } from "./announcer.js";
import { classWords } from "./classes.js";
import { Clipboard } from "./clipboard.js";
import type { Code } from "./code.js";
import { embedCode, type Frame, frameFor } from "./embed.js";
import { complaint, fieldControl, readsEnglish } from "./field-control.js";
import {
  type Alternative,
  alternativePart,
  badgePart,
  type BadgeFacts,
  button,
  codePart,
  type Content,
  modelFacts,
  type ModelFacts,
  morePart,
  sharePart,
  workPart,
} from "./figure-parts.js";
import type { Hidable } from "./for-teachers.js";
import { LinkState } from "./link-state.js";
import { type Field, type Fields, parse, type State, type Value } from "./state.js";
import { optional, t } from "./strings.js";
import { Work } from "./work.js";

const reducedMotion = typeof matchMedia === "function" ? matchMedia("(prefers-reduced-motion: reduce)") : undefined;

/** What a person does is answered in the same task. */
const DONE = ["click", "input", "change", "submit", "keydown", "pointerdown", "pointermove", "pointerup"] as const;

const TRANSPORT = ["play", "back", "step", "reset"] as const;

export abstract class BzFigure<S extends State> extends LitElement {
  protected abstract readonly fields: Fields & Record<keyof S, Field>;

  /** True while the figure moves by itself; the play button then says pause. */
  @reactive() playing = false;
  /** What was typed last and cannot be; the state still has the value before it. */
  @reactive() protected invalid: { name: string; text: string } | undefined;
  /** What the badge tells of each model, from when somebody wants to know; undefined while it is fetched. */
  private facts: Map<string, ModelFacts | undefined> | undefined;
  /** By a person, in this very task. */
  private touched = false;
  /** Lets what waits for a task of its own be drawn at once. */
  private wake: (() => void) | undefined;
  /** Whether what is being drawn has said already that the models read English. */
  private toldEnglish = false;

  protected readonly link = new LinkState<S>(
    this,
    this.figureName,
    () => this.fields,
    () => this.opened(),
  );
  readonly work = new Work(this);
  private readonly clipboard = new Clipboard(this);
  private caption: Node[] = [];
  /** The controls that were drawn last, or would have been. */
  private hidable = new Set<string>();
  /** The recorded picture that the page shows before its scripts are here. */
  protected stillImage: Element | null = null;

  protected abstract figure(): TemplateResult;
  protected abstract alternative(): Alternative;
  /** What waits behind More beside the seed, back, step and reset: a figure has three controls in sight. */
  protected more(): Content {
    return nothing;
  }
  /** What stands below the picture and its controls. */
  protected below(): Content {
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
    this.work.cancel();
    this.clipboard.forget();
    this.link.reset();
    this.changed(this.state);
  }
  /** After `set`, with what is new. */
  protected changed(_changes: Partial<S>): void {}
  /** Another link has been followed. */
  protected opened(): void {
    this.changed(this.state);
  }

  constructor() {
    super();
    for (const kind of DONE) this.addEventListener(kind, () => this.touch(), { capture: true });
    const region = () => this.querySelector(":scope > figure > p[role=status].visually-hidden");
    new Announcer(
      this,
      () => this.alternative().sentence,
      region,
      () => this.playing,
    );
  }

  protected override createRenderRoot(): HTMLElement {
    this.caption = [...(this.querySelector("figcaption")?.childNodes ?? [])];
    this.stillImage = this.querySelector("img");
    return this;
  }

  /** What it does by itself is drawn in a task of its own: to read its script or to work out what is shown has held the
   * page up enough. */
  protected override async scheduleUpdate(): Promise<void> {
    if (!this.touched) await Promise.race([nextTask(), new Promise<void>((resolve) => (this.wake = resolve))]);
    if (!this.hasUpdated) this.replaceChildren(); // what the page showed without the script
    await super.scheduleUpdate();
  }

  /** What a person does is answered in the same task. An update that waits for another would swallow that of the answer. */
  private touch(): void {
    if (this.touched) return; // a key is four events: what waited is woken, and the task ends once
    this.touched = true;
    this.wake?.();
    void nextTask().then(() => (this.touched = false));
  }

  // ---------------------------------------------------------------- state

  /** The figure's name: words-steer for <bz-words-steer>. */
  get figureName(): string {
    return this.localName.slice(3);
  }

  get state(): S {
    return this.link.state;
  }

  get busy(): boolean {
    return this.work.busy;
  }

  /** What a person changes. */
  set(changes: Partial<S>): void {
    this.clipboard.forget();
    this.link.set(changes);
    this.changed(changes);
  }

  /** What the figure changes by itself, as it goes on. */
  follow(changes: Partial<S>): void {
    this.link.follow(changes);
    this.changed(changes);
  }

  /** Whether a control is to be seen: a teacher's link may hide it. */
  shows(name: string): boolean {
    this.hidable.add(name);
    return !this.link.hides(name);
  }

  /** People who ask for less motion get steps that jump, and nothing that moves by itself. */
  get still(): boolean {
    return reducedMotion?.matches ?? false;
  }

  // ---------------------------------------------------------------- what is drawn

  protected override render(): TemplateResult {
    this.hidable = new Set();
    this.toldEnglish = false;
    const title = t(`${this.figureName}.title`);
    const keys = "play" in this || "step" in this;
    const { rejected } = this.link;
    return html`<figure>
      <h2 class="figure-title">${title}</h2>
      ${
        rejected.length
          ? html`<p class="note" role="status">
            ${t("shell.refused", { fields: rejected.map((name) => this.label(name)).join(", ") })}
          </p>`
          : nothing
      }
      <div class="figure-seen">
        <div class="figure-stage" role="group" tabindex=${keys ? 0 : nothing} @keydown=${this.onKey}
          aria-label=${keys ? t("shell.stage", { title }) : title}>${this.figure()}</div>
        ${workPart(this.work)}
      </div>
      ${this.morePart()} ${this.below()}
      <figcaption>${this.caption}</figcaption>
      <div class="figure-notes">${this.notes()}</div>
      <p class="visually-hidden" role="status"></p>
    </figure>`;
  }

  /** What waits behind More, and what of it is not as it is at first: a link may have set it. */
  private morePart(): Content {
    const before = this.hidable;
    const names = (this.hidable = new Set<string>());
    const rest = (["back", "step", "reset"] as const).map((name) => this.transport(name));
    const content = html`${this.more()}
      <div class="controls">${this.seed()} ${rest}</div>`;
    this.hidable = new Set([...before, ...names]);
    const shown = [...names].filter((name) => this.shows(name));
    const moved = shown.filter((name) => name in this.fields && this.state[name] !== this.fields[name]!.default);
    return shown.length
      ? morePart(
          content,
          moved.map((name) => this.said(name)),
        )
      : nothing;
  }

  /** A field and its value: "Seed: 12". */
  private said(name: string): string {
    const { kind } = this.fields[name]!;
    const value = String(this.state[name]);
    if (kind === "flag") return this.label(name);
    return `${this.label(name)}: ${kind === "choice" ? this.word(name, value) : value}`;
  }

  private notes(): Content[] {
    const { clipboard } = this;
    const [badge, code] = [this.badge(), this.code()];
    const share = () => {
      this.link.write();
      return location.href;
    };
    const embed = () => embedCode(this.frame());
    return [
      badge && this.shows("badge") ? this.badgePart(badge) : nothing,
      this.shows("in-words") ? alternativePart(this.alternative()) : nothing,
      code && this.shows("code") ? codePart(code, clipboard) : nothing,
      this.shows("share") ? sharePart(share, embed, clipboard) : nothing,
    ];
  }

  private badgePart(badge: BadgeFacts): TemplateResult {
    const { facts } = this;
    const learn = async (known: NonNullable<typeof facts>) => {
      const missing = badge.models.filter((name) => !known.has(name));
      if (!missing.length) return;
      for (const name of missing) known.set(name, undefined);
      for (const one of await modelFacts(missing)) known.set(one.name, one);
      this.requestUpdate();
    };
    if (facts) void learn(facts); // other models may have come since it was opened
    const known = badge.models.flatMap((name) => facts?.get(name) ?? []);
    return badgePart(
      badge,
      known,
      this.label("training"),
      () => void learn((this.facts ??= new Map<string, ModelFacts | undefined>())),
    );
  }

  private frame(hidden?: string[]): Frame {
    return frameFor(this, this.link.fragment(hidden), t(`${this.figureName}.title`));
  }

  protected override firstUpdated(): void {
    const place = this.closest(".alone")?.querySelector<HTMLDetailsElement>(".for-teachers");
    if (!place) return;
    if (this.link.hiding)
      place.remove(); // whoever has this link is not to choose
    else void import("./for-teachers.js").then(({ forTeachers }) => forTeachers(this.forTeachers(), place));
  }

  private forTeachers(): Hidable {
    const label = (name: string) => {
      const own = TRANSPORT.some((one) => one === name) ? t(`shell.${name}`) : this.label(name);
      return own.replace(/^\W+ | \W+$/g, ""); // without the arrows of buttons
    };
    return { controls: () => this.hidable, label, frame: (hidden) => this.frame(hidden) };
  }

  private readonly onKey = (event: KeyboardEvent): void => {
    if (event.target !== event.currentTarget || event.altKey || event.ctrlKey || event.metaKey) return;
    const key = event.key;
    if (key === " " && this.play) this.toggle();
    else if (key === "ArrowRight" && this.step) this.step();
    else if (key === "ArrowLeft" && this.back) this.back();
    else return;
    event.preventDefault();
  };

  private toggle(): void {
    if (this.playing) this.pause?.();
    else this.play?.();
  }

  /** The button that plays, steps or begins anew, where the figure can do it. */
  protected transport(name: (typeof TRANSPORT)[number], kind = ""): Content {
    if (!this[name] || !this.shows(name)) return nothing;
    const action = () => (name === "play" ? this.toggle() : this[name]?.());
    return button(t(`shell.${name === "play" && this.playing ? "pause" : name}`), action, kind);
  }

  protected seed(): Content {
    if (!("seed" in this.fields) || !this.shows("seed")) return nothing;
    const next = () => this.enter("seed", String(Math.floor(1e6 * Math.random())));
    return html`${this.field("seed")} ${button(t("shell.new-seed"), next)}`;
  }

  // ---------------------------------------------------------------- fields

  /** The figure's own word for something, else the shell's, else the name itself. */
  label(name: string): string {
    return optional(`${this.figureName}.${name}`) ?? optional(`shell.${name}`) ?? name;
  }

  /** What an option of a field is called. */
  protected word(name: string, option: string): string {
    const key = `${name}-${option}`;
    const own = optional(`${this.figureName}.${key}`) ?? optional(`shell.${key}`);
    return own ?? (name === "label" ? classWords(option) : option);
  }

  /** The control of a field. `choices`: options of a select. */
  protected field(name: keyof S & string, choices?: (chosen: string) => TemplateResult): Content {
    if (!this.shows(name)) return nothing;
    const text = this.fields[name].kind === "text";
    const note = text && !this.toldEnglish ? readsEnglish() : nothing;
    this.toldEnglish ||= text;
    return fieldControl({
      id: `${this.figureName}-${name}`,
      field: this.fields[name],
      label: this.label(name),
      value: this.state[name]!,
      invalid: this.invalid?.name === name ? this.invalid.text : undefined,
      word: (option) => this.word(name, option),
      choices,
      note,
      onText: (text) => this.enter(name, text),
      onFlag: (flag) => this.change(name, flag),
    });
  }

  private change(name: keyof S & string, value: Value): void {
    this.set({ [name]: value } as unknown as Partial<S>);
  }

  private enter(name: keyof S & string, text: string): void {
    const field = this.fields[name];
    const value = parse(field, text);
    const wrong = value === undefined;
    this.invalid = wrong ? { name, text: complaint(field, this.label(name), text) } : undefined;
    if (!wrong) this.change(name, value);
  }
}
