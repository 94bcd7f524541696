// <bz-step-the-game>: a small GAN that trains in the page, round by round, and what that does to its two players.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state as reactive } from "lit/decorators.js";
import { Runtime, type GanFrame, type GanRound, type GanSkill } from "../../runtime/client.js";
import { accuracy, FROZEN } from "../../runtime/gan-game.js";
import { draw, GAN_ROUND, MODES, realPictures, type Settings, SIZE } from "../../runtime/gan-round.js";
import { GAN_ROUND as FACTS } from "../../runtime/generated.js";
import { toSolidPicture } from "../../runtime/pixels.js";
import { picture, type Pixels, pixels } from "../../ui/canvas.js";
import { type Code } from "../../ui/code.js";
import { BzFigure } from "../../ui/figure.js";
import { type Alternative, type BadgeFacts, bar, button, type Content } from "../../ui/figure-parts.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { fixed, number, percent, t } from "../../ui/strings.js";
import { judgedPart, type Trial } from "./judged.js";
import { add, code, FORM, type Move, parse, SETTINGS, TRAINS, trial, write } from "./moves.js";
import { skillPart } from "./skills.js";

const SHOWN = 16; // fakes
const JUDGED = 8; // from those of the batch that are not shown
const TEN = 10;
const AUTO = 100_000; // rounds until it stops by itself
const PACE = 350; // milliseconds from one set of pictures to the next
const COLOURS = Object.keys(FACTS.colours);

/** Pictures out of planes one after the other. */
function seen(planes: Float32Array, from: number, to: number): Pixels[] {
  const size = 3 * SIZE * SIZE;
  const one = (i: number) => pixels(toSolidPicture(planes.subarray(i * size, (i + 1) * size)), SIZE);
  return Array.from({ length: to - from }, (_, i) => one(from + i));
}

const PROTOTYPES = Array.from({ length: MODES }, (_, mode) => pixels(toSolidPicture(draw(mode)), SIZE));

interface View {
  frame: GanFrame;
  fakes: Pixels[];
  real: Pixels[];
}

const FIELDS = defineFields({
  settings: { kind: "choice", default: "balanced", options: SETTINGS },
  moves: { kind: "text", default: "", max: 2000, form: FORM },
  seed: { kind: "int", default: 7, min: 0, max: 2 ** 31 - 1 },
});
type State = StateOf<typeof FIELDS>;

@customElement("bz-step-the-game")
export class StepTheGame extends BzFigure<State> {
  protected readonly fields = FIELDS;

  @reactive() private view: View | undefined;
  @reactive() private trial: Trial | undefined;
  private settings: Record<string, Settings> = {};
  private log: Move[] = [];
  private told = ""; // the moves that the figure itself has put into its state
  private skills: GanSkill[] = [];
  private last: GanRound | undefined;
  private game = 0; // counts games, so that what is told of an old one is not taken for the new one's
  private auto = 0; // counts times that it began to play by itself
  private ready = false;
  private shownAt = 0;
  private showing = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.work.run((signal) => this.open(signal));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.pause();
    clearTimeout(this.showing);
  }

  protected override changed(changes: Partial<State>): void {
    const asked = "moves" in changes && changes.moves !== this.told;
    if (!asked && !("seed" in changes)) return;
    if (!("moves" in changes)) {
      this.told = ""; // another seed is another game
      this.follow({ moves: "" });
    }
    void this.work.run((signal) => this.open(signal));
  }

  // ---------------------------------------------------------------- the game

  /** A new game, with the moves that the link or the last worker has made. */
  private async open(signal: AbortSignal): Promise<void> {
    const moves = parse(this.state.moves);
    const rounds = moves.reduce((sum, move) => sum + move.rounds, 0);
    this.game++;
    clearTimeout(this.showing);
    this.ready = this.playing = false;
    [this.log, this.skills, this.last, this.trial] = [[], [], undefined, undefined];
    const configs = await this.work.load([GAN_ROUND], signal);
    this.settings = configs[GAN_ROUND].settings!;
    const dealt = await Runtime.get().startGame(this.state.seed, { signal });
    if (!rounds) this.show(dealt);
    for (const move of moves) {
      await this.go(move, signal, (value) => {
        this.work.report(t("step-the-game.catching-up", { round: value, rounds }), value, rounds);
      });
    }
    this.ready = true;
  }

  private async go(move: Move, signal?: AbortSignal, onRounds?: (rounds: number) => void): Promise<void> {
    const game = this.game;
    const onRound = (round: GanRound): void => {
      if (game !== this.game) return;
      this.log = add(this.log, { ...move, rounds: 1 });
      this.last = round;
      if (round.skill) this.skills.push(round.skill);
      if (round.frame) this.show(round.frame);
      if (round.frame) onRounds?.(round.rounds);
    };
    const how = { settings: this.settings[move.settings]!, trains: TRAINS[move.who]!, rounds: move.rounds };
    const frame = await Runtime.get().playGame(how, { signal, onRound });
    if (frame && game === this.game) this.show(frame);
  }

  private async train(who: string, rounds: number): Promise<void> {
    this.pause();
    if (!this.ready) await this.work.run((signal) => this.open(signal)); // it was cancelled
    if (!this.ready) return;
    this.trial = undefined;
    const move = { settings: this.state.settings, who, rounds };
    // A worker that failed has lost the game: another one plays it again, or says what is wrong.
    await this.go(move).catch(() => this.work.run((signal) => this.open(signal)));
  }

  override play(): void {
    const trained = this.train("both", AUTO);
    const auto = ++this.auto;
    this.playing = true;
    void trained.then(() => auto === this.auto && (this.playing = false));
  }

  override pause(): void {
    if (this.playing)
      void Runtime.get().playGame({ settings: this.settings["balanced"]!, trains: TRAINS.both!, rounds: 0 });
  }

  private collapse(): void {
    this.told = "";
    this.set({ settings: "collapsing", moves: "" });
    void this.work.run((signal) => this.open(signal)).then(() => this.ready && this.play());
  }

  private rebalance(): void {
    this.set({ settings: "balanced" });
    this.play();
  }

  /** The newest pictures, a moment later where the last ones have just come. */
  private show(frame: GanFrame): void {
    clearTimeout(this.showing);
    const moves = write(this.log);
    this.showing = window.setTimeout(
      () => {
        this.shownAt = Date.now();
        const planes = realPictures(this.state.seed, 2 * Math.max(frame.rounds, 1) + 1, SHOWN + JUDGED);
        const fakes = seen(frame.fakes, 0, SHOWN + JUDGED);
        this.view = { frame, fakes, real: seen(planes, 0, SHOWN + JUDGED) };
        this.told = moves;
        this.follow({ moves });
      },
      Math.max(0, this.shownAt + PACE - Date.now()),
    );
  }

  // ---------------------------------------------------------------- judge it yourself

  private deal({ frame, fakes, real }: View): void {
    this.pause();
    const fake = trial(this.state.seed, frame.rounds, JUDGED);
    const pick = <T>(made: ArrayLike<T>, true_: ArrayLike<T>): T[] =>
      fake.map((is, i) => (is ? made : true_)[SHOWN + i]!);
    const verdicts = pick(frame.verdicts_fake, frame.verdicts_real);
    this.trial = { pictures: pick(fakes, real), verdicts, fake, said: fake.map(() => false), told: false };
  }

  private judge(): Content {
    const { trial, view } = this;
    if (!this.shows("judge")) return nothing;
    const again = button(
      t(`step-the-game.${trial?.told ? "judge-again" : "judge"}`, { count: JUDGED }),
      () => view && this.deal(view),
      "",
      !view,
    );
    if (!trial) return html`<div class="pager">${again}</div>`;
    return judgedPart(trial, again, (trial) => (this.trial = trial));
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const { view } = this;
    const rounds = view?.frame.rounds ?? 0;
    const fakes = Array.from({ length: SHOWN }, (_, i) => {
      const verdict = view?.frame.verdicts_fake[i];
      const word = verdict === undefined ? "…" : t(`step-the-game.${verdict > 0.5 ? "passes" : "caught"}`);
      const label = t("step-the-game.fake-label", { index: i + 1, kind: this.kind(view?.frame.kinds[i] ?? -1) });
      return html`<li>
        ${picture(view?.fakes[i], label)}
        ${bar(verdict ?? 0)}
        <span class=${verdict !== undefined && verdict > 0.5 ? "yes" : "no"}>${word}</span>
        <span>${verdict === undefined ? "" : percent(verdict)}</span>
      </li>`;
    });
    const strip = Array.from({ length: SHOWN }, (_, i) => picture(view?.real[i], ""));
    return html`<p class="game-round"><b>${t("step-the-game.round", { rounds })}</b>
        ${t(`step-the-game.${this.phase}`)}</p>
      <section aria-label=${t("step-the-game.fakes")}>
        <h3>${t("step-the-game.fakes")}</h3>
        <p class="hint">${t("step-the-game.verdict-means")}</p>
        <ol class="fakes">${fakes}</ol>
      </section>
      <section>
        <h3>${t("step-the-game.real")}</h3>
        <div class="fakes strip-of-real" role="img" aria-label=${t("step-the-game.real-label")}>${strip}</div>
      </section>
      ${this.variety()} ${this.buttons()}`;
  }

  protected override controls(): TemplateResult {
    return html`${this.judge()} ${this.shows("skills") ? skillPart(this.skills, this.state.settings) : nothing}`;
  }

  private get phase(): string {
    if (this.state.settings === "collapsing") return "collapsing";
    return this.log.some(({ settings }) => settings === "collapsing") ? "rebalanced" : "balanced";
  }

  private buttons(): TemplateResult {
    const shown = (key: string, action: () => void, disabled = this.busy) =>
      this.shows(key) ? button(t(`step-the-game.${key}`), action, "", disabled) : nothing;
    const train = (key: string, who: string, rounds: number) => shown(key, () => void this.train(who, rounds));
    const collapsing = this.state.settings === "collapsing";
    return html`<div class="controls">
        ${train("train_detective", "detective", TEN)} ${train("train_forger", "forger", TEN)}
        ${train("one", "both", 1)} ${train("ten", "both", TEN)}
        ${shown("collapse", () => this.collapse())}
        ${shown("rebalance", () => this.rebalance(), this.busy || !collapsing)}
      </div>`;
  }

  private kind(mode: number): string {
    if (mode < 0) return t("step-the-game.no-shape");
    const [shape, colour] = [FACTS.shapes[Math.floor(mode / COLOURS.length)]!, COLOURS[mode % COLOURS.length]!];
    return t("step-the-game.kind", { shape: t(`step-the-game.${shape}`), colour: t(`step-the-game.${colour}`) });
  }

  /** How many of the batch's fakes are of each kind. */
  private get counts(): number[] {
    const counts = Array<number>(MODES).fill(0);
    for (const kind of this.view?.frame.kinds ?? []) if (kind >= 0) counts[kind]!++;
    return counts;
  }

  private variety(): TemplateResult {
    const { counts } = this;
    const values = { kinds: counts.filter((count) => count).length, of: MODES };
    return html`<section aria-label=${t("step-the-game.variety")}>
      <h3>${t("step-the-game.variety")}</h3>
      <p><meter min="0" max=${MODES} .value=${values.kinds} aria-label=${t("step-the-game.variety")}></meter>
        <b>${t("step-the-game.kinds", values)}</b></p>
      <ol class="kinds-drawn">
        ${counts.map(
          (count, mode) => html`<li class=${count ? "" : "missing"}>
          ${picture(PROTOTYPES[mode], this.kind(mode))} <span>${count ? `✓ ${count}` : "–"}</span>
        </li>`,
        )}
      </ol>
      <p class="hint">${t("step-the-game.variety-means")}</p>
    </section>`;
  }

  // ---------------------------------------------------------------- what the shell shows

  protected override alternative(): Alternative {
    const { view, last } = this;
    if (!view) return { sentence: t("step-the-game.waiting"), table: { head: [], rows: [] } };
    const { counts, skills } = this;
    const { frame } = view;
    const passing = frame.verdicts_fake.reduce((sum, verdict) => sum + Number(verdict > 0.5), 0);
    const kinds = counts.filter((count) => count).length;
    const raw = percent(accuracy(frame));
    const values = { rounds: frame.rounds, passing, count: frame.kinds.length, kinds, of: MODES, raw };
    const sentence = t("step-the-game.says", values);
    const row = (key: string, value: string, values = {}) => [t(`step-the-game.row-${key}`, values), value];
    const rows = [row("rounds", number(frame.rounds)), row("raw", raw), row("kinds", `${kinds} / ${MODES}`)];
    last?.losses.forEach((loss, i) => rows.push(row(i ? "loss-detective" : "loss-forger", fixed(loss, 2))));
    const skill = skills.at(-1);
    skill?.fooled.forEach((share, i) => rows.push(row("fooled", percent(share), { rounds: FROZEN[i]! })));
    skill?.told.forEach((share, i) => rows.push(row("told", percent(share), { rounds: FROZEN[i]! })));
    return { sentence, table: { head: [t("step-the-game.what"), t("step-the-game.now")], rows } };
  }

  protected override badge(): BadgeFacts {
    return { models: [GAN_ROUND], recorded: false, milliseconds: this.last?.milliseconds };
  }

  protected override code(): Code {
    return { python: code(this.state.seed, parse(this.state.moves)) };
  }
}
