// <bz-match-score>: how close are a picture and a caption? One pair on a dial, a whole table, search, and the traps.
import { html, nothing, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { Recent } from "../../core/cache.js";
import { type ModelName, Runtime, type Tokens } from "../../runtime/client.js";
import { type Code, python } from "../../ui/code.js";
import { BzFigure } from "../../ui/figure.js";
import type { Alternative, BadgeFacts, Content } from "../../ui/figure-parts.js";
import { t } from "../../ui/strings.js";
import { MapMode } from "./map-mode.js";
import { MatrixMode } from "./matrix-mode.js";
import { FIELDS, type Host, type Mode, MODES, radios, type State } from "./mode.js";
import { ScoreMode } from "./score-mode.js";
import { SearchMode } from "./search-mode.js";
import { BOTH, type Entry, SEES, Space, TEXT } from "./space.js";
import { SteerMode } from "./steer-mode.js";
import { TrapsMode } from "./traps-mode.js";

/** Whether there is a picture among them that the gallery has no vector for. */
function unread(entries: Entry[]): boolean {
  return entries.some(({ index }) => index === undefined);
}

@customElement("bz-match-score")
export class MatchScore extends BzFigure<State> implements Host {
  protected readonly fields = FIELDS;
  private readonly modes: Record<State["mode"], Mode> = {
    score: new ScoreMode(this),
    matrix: new MatrixMode(this),
    search: new SearchMode(this),
    map: new MapMode(this),
    traps: new TrapsMode(this),
    steer: new SteerMode(this),
  };
  own: Entry | undefined;
  readonly words = new Recent<string, Tokens>(50);
  private space: Space | undefined;
  private readonly models = new Set<ModelName>(TEXT); // that have been needed: more and more
  private answering = false;
  private stale = false;

  override connectedCallback(): void {
    super.connectedCallback();
    this.answer();
  }

  protected override changed(): void {
    this.answer();
  }

  override reset(): void {
    this.own = undefined;
    super.reset();
  }

  private get mode(): Mode {
    return this.modes[this.state.mode];
  }

  // ---------------------------------------------------------------- what is answered

  /** One answer at a time, and after it the one that is wanted by then. A first or failed one shows its progress. */
  private answer(): void {
    this.stale = true;
    if (this.answering) return;
    this.answering = true;
    const slow = () => this.work.run((signal) => this.answerAll(signal));
    const quick =
      this.space && !this.work.error && (this.models.has(SEES) || !unread(this.mode.compared(this.space).entries));
    void (quick ? this.answerAll().catch(slow) : slow()).finally(() => (this.answering = false));
  }

  private async answerAll(signal?: AbortSignal): Promise<void> {
    const space = (this.space ??= await Space.open());
    do {
      this.stale = false;
      const { mode } = this;
      await mode.open?.();
      const { texts, entries, typed } = mode.compared(space);
      if (unread(entries)) this.models.add(SEES);
      for (const one of Object.values(this.modes)) one.models?.forEach((name) => this.models.add(name));
      const models = [...this.models];
      await (signal ? this.work.load(models, signal) : Runtime.get().load(models));
      await space.read(texts, entries, signal);
      if (typed && !this.words.has(typed)) this.words.set(typed, await Runtime.get().tokens(typed));
      mode.answered?.();
      this.requestUpdate();
      if (!space.usual && !this.stale) await space.measure(signal);
      this.requestUpdate();
    } while (this.stale);
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const { space } = this;
    return html`${radios(this, "mode", MODES)}
      ${space ? this.mode.draw(space) : html`<p class="hint">${t("picture-input.opening")}</p>`}`;
  }

  protected override more(): Content {
    return (this.space && this.mode.more?.(this.space)) ?? nothing;
  }

  protected override below(): TemplateResult {
    return html`<p class="hint">${t("match-score.vectors")}</p>`;
  }

  protected override alternative(): Alternative {
    const waiting = { sentence: t("match-score.waiting"), table: { head: [], rows: [] } };
    return this.space ? this.mode.alternative(this.space) : waiting;
  }

  protected override badge(): BadgeFacts {
    const recorded = this.state.mode === "map" && this.state.time === "before";
    const graphs = new Set<ModelName>([...BOTH, ...(this.mode.models ?? [])]);
    const models = [...graphs].filter((name) => !name.endsWith(".onnx")); // another graph is no other model
    return { models, recorded, milliseconds: this.space?.milliseconds };
  }

  protected override code(): Code {
    if (this.mode.code) return this.mode.code();
    const texts = this.space ? this.mode.compared(this.space).texts : [];
    return {
      python: `import bozzetto

picture = bozzetto.encode_image("picture.png")
for caption in [${texts.map(python).join(", ")}]:
    print(caption, picture @ bozzetto.encode_text(caption))  # the cosine`,
    };
  }
}
