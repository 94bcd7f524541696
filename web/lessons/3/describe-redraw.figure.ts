// <bz-describe-redraw>: pictures as a few numbers. A map of all that was learned, a dot to drag, and what the decoder
// draws there.
import { html, nothing, svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import type { ModelConfig, ModelName } from "../../runtime/client.js";
import { picture } from "../../ui/canvas.js";
import type { Code } from "../../ui/code.js";
import { BzFigure } from "../../ui/figure.js";
import { type Alternative, type BadgeFacts, button, choices, type Content } from "../../ui/figure-parts.js";
import { Gallery } from "../../ui/gallery.js";
import "../../ui/picture-input.js";
import { t } from "../../ui/strings.js";
import { Training } from "../../ui/training.js";
import { Atlas, type Place } from "./atlas.js";
import { HolesMode } from "./holes-mode.js";
import { IdeasMode } from "./ideas-mode.js";
import { both, FIELDS, type Host, mapOf, type Mode, MODES, type Named, type Pin, shown, type State } from "./mode.js";
import { MorphMode } from "./morph-mode.js";
import { RedrawMode } from "./redraw-mode.js";
import { eased, type Ground, Sheet } from "./sheet.js";
import { type Bell, bell, decode, encoder, type Kind } from "./vae.js";
import { WanderMode } from "./wander-mode.js";

const ARROWS: Record<string, Place> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const ALL = [...both("", "plain_", "map_", "plain_map_"), "vae/sampler"] as const;
const LEG = 2600; // milliseconds from one place to the next
const GRID = { columns: 24, rows: 12 };

/** Short enough for an address. */
const thousandth = (value: number): number => Math.round(1000 * value) / 1000 + 0;

@customElement("bz-describe-redraw")
export class DescribeRedraw extends BzFigure<State> implements Host {
  protected readonly fields = FIELDS;
  private readonly modes = {
    wander: new WanderMode(this),
    redraw: new RedrawMode(this),
    morph: new MorphMode(this),
    ideas: new IdeasMode(this),
    holes: new HolesMode(this),
  } satisfies Record<State["mode"], Mode>;
  own: Named | undefined;
  atlas!: Atlas;
  gallery: Gallery | undefined;
  training: Training | undefined;
  private configs: Partial<Record<ModelName, ModelConfig>> = {};
  private readonly grounds = new Map<string, Ground>();
  private sheet: Sheet | undefined;
  /** Something is asked that has no answer yet. */
  private stale = false;
  /** The loop that answers, and what is being opened for it. */
  private loop: object | undefined;
  private opening: readonly ModelName[] = [];
  private turned: Mode | undefined;
  private held = false;
  /** Where the pointer holds the dot, from its middle. */
  private grip: Place = [0, 0];

  // ---------------------------------------------------------------- what is answered

  override connectedCallback(): void {
    super.connectedCallback();
    this.answer();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.sheet?.close();
    this.sheet = undefined;
  }

  protected override changed(): void {
    this.answer();
  }

  override reset(): void {
    this.own = undefined;
    this.modes.morph.forget();
    super.reset();
  }

  private get mode(): Mode {
    return this.modes[this.state.mode];
  }

  private get needs(): ModelName[] {
    return this.mode.models();
  }

  /** Whether the mode has the data that it draws with. */
  private get drawable(): boolean {
    return Boolean(this.atlas && (this.gallery || !this.mode.picks));
  }

  /** Whether it can answer at once. */
  private get complete(): boolean {
    return this.drawable && this.needs.every((model) => this.configs[model]);
  }

  /** One answer at a time, and after it the one that is wanted by then. What takes long, or must be fetched first, shows
   * its progress and can be cancelled. */
  private answer(): void {
    this.stale = true;
    const { mode, needs, turned } = this;
    this.turned = mode;
    if (needs.every((model) => this.opening.includes(model))) return; // it will be answered once they are open
    if (mode === turned && !mode.slow && this.loop) return;
    const other = mode !== turned && this.busy; // nobody waits for the mode before any more
    if (mode.slow || other || !this.complete || this.work.error) void this.work.run(this.open);
    else void this.answerAll().catch(() => this.work.run(this.open));
  }

  /** The first answer needs one network. Whoever wants more gets all of them at once. */
  private readonly open = async (signal: AbortSignal): Promise<void> => {
    const { needs } = this;
    const wanted = needs.length > 1 ? ALL : [...new Set([...(Object.keys(this.configs) as ModelName[]), ...needs])];
    this.opening = wanted;
    try {
      this.atlas ??= await Atlas.open();
      if (wanted === ALL) this.gallery ??= await Gallery.get();
      this.requestUpdate();
      this.configs = await this.work.load(wanted, signal);
    } finally {
      if (this.opening === wanted) this.opening = [];
    }
    await this.answerAll(signal);
    if (this.stale) return this.answer();
    await this.openTraining(signal);
  };

  async openTraining(signal: AbortSignal): Promise<Training> {
    this.training ??= await Training.open(signal, (done, count) => {
      this.work.report(t("describe-redraw.fetching"), done, count);
    });
    this.requestUpdate();
    return this.training;
  }

  private async answerAll(signal?: AbortSignal): Promise<void> {
    const loop = (this.loop = {});
    try {
      do {
        this.stale = false;
        await this.mode.answer(signal);
        await this.lay(signal);
        this.requestUpdate();
      } while (this.stale && this.complete);
    } finally {
      if (this.loop === loop) this.loop = undefined;
    }
    if (this.stale && !signal) this.answer();
  }

  /** What the decoder draws all over the map, where that is to be seen. */
  private async lay(signal?: AbortSignal): Promise<void> {
    const kind = mapOf(this.state);
    if (this.state.ground !== "redraws" || this.grounds.has(kind)) return;
    const { columns, rows } = GRID;
    const places = Array.from({ length: columns * rows }, (_, i): Float32Array => {
      const place = [((i % columns) + 0.5) / columns, (Math.floor(i / columns) + 0.5) / rows] as const;
      return Float32Array.from(this.atlas.fromSheet(kind, place));
    });
    const found = await decode(kind, places, { signal });
    this.grounds.set(kind, { pictures: found.map(shown), columns, rows });
  }

  config(model: ModelName): ModelConfig {
    return this.configs[model]!;
  }

  bell(kind: Kind): Bell {
    return bell(this.config(encoder(kind)));
  }

  control(name: keyof State): Content {
    return this.field(name);
  }

  visible(name: keyof State): boolean {
    return this.shows(name);
  }

  override set(changes: Partial<State>): void {
    this.playing = false;
    super.set(changes);
  }

  // ---------------------------------------------------------------- the map

  protected override updated(): void {
    const canvas = this.querySelector<HTMLCanvasElement>(".atlas canvas.sheet");
    if (!canvas || !this.atlas) return;
    this.sheet ??= new Sheet(canvas, () => this.still);
    const { atlas, training } = this;
    const kind = mapOf(this.state);
    const ground = this.state.ground === "redraws" ? this.grounds.get(kind) : undefined;
    this.sheet.show({ atlas, kind, training, ground });
  }

  private go(left: number, top: number): void {
    const inside = (share: number) => Math.min(1, Math.max(0, share));
    if (!this.atlas) return;
    const [x, y] = this.atlas.fromSheet(mapOf(this.state), [inside(left), inside(top)]);
    this.set({ x, y, mode: "wander" });
  }

  private follows(event: PointerEvent): void {
    const box = this.querySelector(".atlas")!.getBoundingClientRect();
    const [left, top] = [event.clientX - this.grip[0] - box.left, event.clientY - this.grip[1] - box.top];
    this.go(left / box.width, top / box.height);
  }

  /** A finger may want to scroll the page: it moves the dot by a tap or sideways, or by taking hold of the dot. */
  private readonly onDown = (event: PointerEvent): void => {
    const target = event.target as Element;
    if (event.button !== 0 || target.closest("button")) return;
    const atlas = event.currentTarget as HTMLElement;
    atlas.focus({ preventScroll: true });
    event.preventDefault();
    atlas.setPointerCapture(event.pointerId);
    const dot = target.closest(".pin.lens")?.querySelector(".dot")?.getBoundingClientRect();
    this.grip = dot ? [event.clientX - dot.left - dot.width / 2, event.clientY - dot.top - dot.height / 2] : [0, 0];
    this.held = true;
    if (event.pointerType !== "touch") this.follows(event);
  };

  private readonly onMove = (event: PointerEvent): void => {
    if (this.held) this.follows(event);
  };

  private readonly onUp = (event: PointerEvent): void => {
    if (this.held && event.type === "pointerup") this.follows(event);
    this.held = false;
  };

  private readonly onArrow = (event: KeyboardEvent): void => {
    const arrow = ARROWS[event.key];
    if (!arrow || event.target !== event.currentTarget || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!this.drawable) return;
    const lens = this.mode.pins().find(({ kind }) => kind === "lens");
    const { x, y } = this.state;
    const [left, top] = this.atlas.onSheet(mapOf(this.state), lens?.place ?? [x, y]);
    const far = event.shiftKey ? 0.05 : 0.01;
    this.go(left + far * arrow[0], top + far * arrow[1]);
  };

  /** The dot strolls from picture to picture, or A turns into B and back, until somebody does something. */
  private stroll(): void {
    this.playing = !this.playing;
    const kind = mapOf(this.state);
    const somewhere = () => this.atlas.place(kind, Math.floor(this.atlas.count * Math.random()));
    const { mode } = this.state;
    let [from, to]: [Place, Place] =
      mode === "morph"
        ? [
            [0, 0],
            [1, 0],
          ]
        : [[this.state.x, this.state.y], somewhere()];
    let began = performance.now();
    const move = (now: number): void => {
      if (!this.playing || !this.isConnected || this.state.mode !== mode) return;
      const share = Math.min(1, Math.max(0, (now - began) / LEG));
      const part = this.still ? Math.floor(share) : eased(share);
      const [x, y] = from.map((value, axis) => thousandth(value + part * (to[axis]! - value))) as [number, number];
      this.follow(mode === "morph" ? { at: x } : { x, y });
      if (share === 1) [from, to, began] = [to, mode === "morph" ? from : somewhere(), now];
      requestAnimationFrame(move);
    };
    if (this.playing) requestAnimationFrame(move);
  }

  private pin({ place, label, pixels, kind, cloud, choose }: Pin): TemplateResult {
    const map = mapOf(this.state);
    const [left, top] = this.atlas.onSheet(map, place);
    const style = `--left: ${left}; --top: ${top}`;
    const inner = pixels ? picture(pixels, label, "picture soft") : nothing;
    const around = cloud && this.atlas.onSheet(map, [place[0] + 2 * cloud[0], place[1] + 2 * cloud[1]]);
    const cloudStyle = around && `--wide: ${Math.abs(around[0] - left)}; --high: ${Math.abs(around[1] - top)}`;
    return html`<div class="pin ${kind} ${top < 0.45 ? "below" : ""}" .style=${style}>
      ${around ? html`<i class="cloud" .style=${cloudStyle!}></i>` : nothing}
      <i class="dot"></i>
      ${
        choose
          ? html`<button type="button" class="frame" @click=${choose}>${inner}</button>`
          : pixels !== undefined || kind === "lens"
            ? html`<span class="frame">${inner}</span>`
            : nothing
      }
    </div>`;
  }

  private path(): Content {
    const places = this.mode.path?.() ?? [];
    if (places.length < 2) return nothing;
    const map = mapOf(this.state);
    const points = places.map((place) => this.atlas.onSheet(map, place).map((share) => (1000 * share).toFixed(1)));
    return html`<svg class="path" viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">
      ${svg`<polyline points=${points.join(" ")}></polyline>`}
    </svg>`;
  }

  private map(): TemplateResult {
    return html`<div class="atlas" tabindex="0" role="application" aria-label=${t("describe-redraw.map")}
      @keydown=${this.onArrow} @pointerdown=${this.onDown} @pointermove=${this.onMove}
      @pointerup=${this.onUp} @pointercancel=${this.onUp}>
      <canvas class="sheet" width="8" height="4" role="presentation"></canvas>
      ${this.drawable ? html`${this.path()} ${this.mode.pins().map((pin) => this.pin(pin))}` : nothing}
      ${
        this.atlas && ["wander", "morph"].includes(this.state.mode) && this.shows("play")
          ? button(t(this.playing ? "shell.pause" : "shell.play"), () => this.stroll(), "stroll primary")
          : nothing
      }
    </div>`;
  }

  // ---------------------------------------------------------------- what is drawn

  private tabs(): TemplateResult {
    const named = MODES.map((mode) => [mode, t(`describe-redraw.mode-${mode}`)] as const);
    const kinds = [false, true].map((plain) => [plain, t(`describe-redraw.${plain ? "plain" : "vae"}`)] as const);
    const { mode, plain } = this.state;
    return html`<div class="heads">
      ${
        this.shows("mode")
          ? choices("tabs", "describe-redraw-mode", this.label("mode"), named, mode, (mode) => this.set({ mode }))
          : nothing
      }
      ${
        this.shows("plain")
          ? choices("way", "describe-redraw-plain", t("describe-redraw.kind"), kinds, plain, (plain) =>
              this.turn(plain),
            )
          : nothing
      }
    </div>`;
  }

  /** The other autoencoder has another map: the dot goes with the picture that it lies nearest to. */
  private turn(plain: boolean): void {
    const { x, y } = this.state;
    if (!this.atlas || plain === this.state.plain) return;
    const [near] = this.atlas.nearest(mapOf(this.state), [x, y], 1);
    const [to, up] = this.atlas.place(mapOf({ ...this.state, plain }), near!);
    this.set({ plain, x: thousandth(to), y: thousandth(up) });
  }

  protected override figure(): TemplateResult {
    return html`${this.tabs()} ${this.map()} ${this.drawable ? this.mode.draw() : nothing}`;
  }

  protected override more(): TemplateResult {
    return html`<div class="controls">${this.field("ground")} ${this.field("x")} ${this.field("y")}</div>`;
  }

  override shows(name: string): boolean {
    return super.shows(name) && (name !== "seed" || ["ideas", "holes"].includes(this.state.mode));
  }

  protected override alternative(): Alternative {
    const nothing = { sentence: t("describe-redraw.waiting"), table: { head: [], rows: [] } };
    const said = this.drawable ? this.mode.alternative() : nothing;
    return this.playing ? { ...said, sentence: t("describe-redraw.strolls") } : said; // or it would be read without end
  }

  protected override badge(): BadgeFacts {
    return { models: ALL, recorded: false, milliseconds: this.modes.wander.milliseconds };
  }

  protected override code(): Code {
    return this.mode.code();
  }
}
