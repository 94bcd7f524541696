// <bz-step-the-game>: a small GAN that trains in the page, round by round, and what that does to its two players.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state as reactive } from "lit/decorators.js";
import { Runtime, type GameNumber, type GanFrame, type GanRound, type GanSkill } from "../../runtime/client.js";
import { accuracy, FROZEN } from "../../runtime/gan-game.js";
import { draw, GAN_ROUND, MODES, realPictures, type Settings, SIZE } from "../../runtime/gan-round.js";
import { GAN_ROUND as FACTS } from "../../runtime/generated.js";
import { toSolidPicture } from "../../runtime/pixels.js";
import { picture, type Pixels, pixels } from "../../ui/canvas.js";
import { classField, classOptions } from "../../ui/classes.js";
import { type Code } from "../../ui/code.js";
import { BzFigure } from "../../ui/figure.js";
import { type Alternative, type BadgeFacts, bar, button, type Content, folded } from "../../ui/figure-parts.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { fixed, number, percent, t } from "../../ui/strings.js";
import { type Drawn, drawEmoji, EMOJI_GAN, emojiCode, emojiPart, MANY } from "./emoji.js";
import { judgedPart, type Trial, verdictWord } from "./judged.js";
import { dropGame, storedGame, storeGame, versionOf } from "./kept-games.js";
import { add, code, FORM, type Move, parse, rest, roundsOf, SETTINGS, TRAINS, trial, write } from "./moves.js";
import { skillPart } from "./skills.js";

const SHOWN = 16; // fakes
const JUDGED = 8; // from those of the batch that are not shown
const TEN = 10;
const SLICE = 8; // rounds that a game plays before the other one's turn
const AUTO = 100_000; // rounds until it stops by itself
const PACE = 350; // milliseconds from one set of pictures to the next
const STORE = 3000; // milliseconds from one time that the games are stored to the next
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

/** A game: what has been played, and what is shown of it. */
class Table {
  log: Move[] = [];
  view: View | undefined;
  last: GanRound | undefined;
  shownAt = 0;
  showing = 0;

  constructor(
    readonly game: GameNumber,
    readonly field: "moves" | "twin",
  ) {}

  clear(): void {
    clearTimeout(this.showing);
    [this.log, this.view, this.last] = [[], undefined, undefined];
  }

  get rounds(): number {
    return roundsOf(this.log);
  }

  /** How many of the batch's fakes are of each kind. */
  get counts(): number[] {
    const counts = Array<number>(MODES).fill(0);
    for (const kind of this.view?.frame.kinds ?? []) if (kind >= 0) counts[kind]!++;
    return counts;
  }

  get kinds(): number {
    return this.counts.filter((count) => count).length;
  }
}

const FIELDS = defineFields({
  moves: { kind: "text", default: "", max: 2000, form: FORM },
  beside: { kind: "flag", default: false },
  settings: { kind: "choice", default: "collapsing", options: SETTINGS },
  twin: { kind: "text", default: "", max: 2000, form: FORM },
  seed: { kind: "int", default: 7, min: 0, max: 2 ** 31 - 1 },
  label: classField("face-smiling"),
  stamp: { kind: "int", default: 7, min: 0, max: Number.MAX_SAFE_INTEGER - MANY },
  drawn: { kind: "choice", default: "none", options: ["none", "one", "many"] },
});
type State = StateOf<typeof FIELDS>;

@customElement("bz-step-the-game")
export class StepTheGame extends BzFigure<State> {
  protected readonly fields = FIELDS;

  @reactive() private trial: Trial | undefined;
  private settings: Record<string, Settings> = {};
  private readonly healthy = new Table(0, "moves");
  private readonly twin = new Table(1, "twin"); // stands beside it, made to collapse
  private skills: GanSkill[] = [];
  /** What the shipped GAN has drawn. */
  @reactive() private emoji: Drawn | undefined;
  /** Whether a stored game was of no use, because it is of another version. */
  @reactive() private dropped = false;
  private version = "";
  private storing = 0;
  private opening = 0; // counts openings, so that what is told of an old game is not taken for the new one's
  private auto = 0; // counts times that it began or ceased to play by itself
  private ready = false;

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.onHidden);
    void this.work.run((signal) => this.open(signal));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.onHidden);
    this.pause();
    for (const { showing } of [this.healthy, this.twin]) clearTimeout(showing);
    clearTimeout(this.storing);
  }

  /** Nobody looks: the game waits, and the address keeps it for whoever comes back. */
  private readonly onHidden = (): void => {
    if (!document.hidden) return;
    this.pause();
    this.keep();
    void this.store();
  };

  protected override changed(changes: Partial<State>): void {
    if ("drawn" in changes && changes.drawn === "none") this.emoji = undefined;
    if (!("seed" in changes)) {
      if (["label", "stamp", "drawn"].some((name) => name in changes)) this.drawEmoji();
      return;
    }
    if (!("moves" in changes)) this.follow({ moves: "", twin: "" }); // another seed is another game
    void this.work.run((signal) => this.open(signal));
  }

  // ---------------------------------------------------------------- the game

  private get tables(): Table[] {
    return this.state.beside ? [this.healthy, this.twin] : [this.healthy];
  }

  /** New games, with the moves that the link or the last worker has made. */
  private async open(signal: AbortSignal): Promise<void> {
    this.pause();
    this.opening++;
    this.ready = false;
    this.skills = [];
    this.trial = undefined;
    const games = this.tables.map((table) => [table, parse(this.state[table.field])] as const);
    for (const table of [this.healthy, this.twin]) table.clear();
    const configs = await this.work.load([GAN_ROUND], signal);
    this.settings = configs[GAN_ROUND].settings!;
    this.version = versionOf(configs[GAN_ROUND].files["graph.onnx"]!.sha256);
    const rounds = games.reduce((sum, [, moves]) => sum + roundsOf(moves), 0);
    let before = 0;
    for (const [table, moves] of games) {
      const left = (await this.goOn(table, moves, signal)) ?? moves;
      if (left === moves) await this.begin(table, signal);
      for (const move of left) {
        await this.go(table, move, signal, (round) => {
          const values = { round: before + round, rounds };
          this.work.report(t("step-the-game.catching-up", values), before + round, rounds);
        });
      }
      before += roundsOf(moves);
    }
    this.ready = true;
    if (this.state.drawn !== "none") await this.drawNow(signal);
  }

  /** Takes a stored game up where its moves begin those that are wanted; the moves that are left. */
  private async goOn(table: Table, moves: Move[], signal: AbortSignal): Promise<Move[] | undefined> {
    const stored = await storedGame(table.game);
    if (stored && stored.version !== this.version) {
      this.dropped = true;
      await dropGame(table.game);
      return undefined;
    }
    const made = parse(stored?.moves ?? "");
    const left = stored?.seed === this.state.seed && made.length ? rest(made, moves) : undefined;
    if (!stored || !left) return undefined;
    const options = { seed: stored.seed, game: table.game, kept: stored.game };
    const frame = await Runtime.get().startGame(options, { signal });
    table.log = made;
    if (table === this.healthy) this.skills = stored.skills;
    this.show(table, frame);
    return left;
  }

  /** The games as they are, for after a reload. The address is written at the same time, so that it is never behind. */
  private async store(): Promise<void> {
    clearTimeout(this.storing);
    this.storing = 0;
    if (!this.ready) return;
    const { opening, version } = this;
    for (const table of this.tables) {
      const game = await Runtime.get()
        .keepGame(table.game)
        .catch(() => undefined);
      if (!game || opening !== this.opening) return;
      this.follow(this.played());
      this.link.write();
      const moves = write(table.log);
      const skills = table === this.healthy ? [...this.skills] : [];
      await storeGame(table.game, { version, seed: this.state.seed, moves, skills, game });
    }
  }

  /** Players who have learned nothing yet. */
  private async begin(table: Table, signal?: AbortSignal): Promise<void> {
    table.clear();
    this.show(table, await Runtime.get().startGame({ seed: this.state.seed, game: table.game }, { signal }));
  }

  private async go(table: Table, move: Move, signal?: AbortSignal, onRounds?: (rounds: number) => void): Promise<void> {
    const { opening } = this;
    const onRound = (round: GanRound): void => {
      if (opening !== this.opening) return;
      table.log = add(table.log, { ...move, rounds: 1 });
      table.last = round;
      if (round.skill && table === this.healthy) this.skills.push(round.skill);
      if (round.frame) this.show(table, round.frame);
      if (round.frame) onRounds?.(round.rounds);
    };
    const { game } = table;
    const how = { settings: this.settings[move.settings]!, trains: TRAINS[move.who]!, rounds: move.rounds, game };
    const frame = await Runtime.get().playGame(how, { signal, onRound });
    if (frame && opening === this.opening) this.show(table, frame);
  }

  private settingsOf(table: Table): Move["settings"] {
    return table === this.twin ? this.state.settings : "balanced";
  }

  private async prepared(): Promise<boolean> {
    if (!this.ready) await this.work.run((signal) => this.open(signal)); // it was cancelled
    return this.ready;
  }

  /** A worker that failed has lost the games: another one plays them again, or says what is wrong. */
  private readonly again = (): Promise<void> => {
    this.keep();
    return this.work.run((signal) => this.open(signal));
  };

  private async train(who: string, rounds: number): Promise<void> {
    this.pause();
    if (!(await this.prepared())) return;
    this.trial = undefined;
    for (const table of this.tables) {
      await this.go(table, { settings: this.settingsOf(table), who, rounds }).catch(this.again);
    }
  }

  override play(): void {
    this.playing = true;
    void this.playOn(++this.auto);
  }

  /** The games take turns, the one that is behind first. */
  private async playOn(auto: number): Promise<void> {
    if (!(await this.prepared())) this.playing = false;
    this.trial = undefined;
    for (let rounds = 0; rounds < AUTO && this.playing && auto === this.auto; rounds += SLICE) {
      const [table] = this.tables.sort((one, other) => one.rounds - other.rounds) as [Table];
      const move = { settings: this.settingsOf(table), who: "both", rounds: SLICE };
      await this.go(table, move).catch(() => {
        if (auto === this.auto) this.playing = false;
        return this.again();
      });
    }
    if (auto === this.auto) this.playing = false;
  }

  override pause(): void {
    this.auto++;
    if (!this.playing) return;
    this.playing = false;
    for (const { game } of this.tables) {
      const end = { settings: this.settings["balanced"]!, trains: TRAINS.both!, rounds: 0, game };
      void Runtime.get()
        .playGame(end)
        .catch(() => undefined); // a worker that fails is told by the game that it was playing
    }
  }

  /** A second game of the same seed beside the first one, until it has as many rounds, and then in turns with it. */
  private async collapse(): Promise<void> {
    this.pause();
    if (!(await this.prepared())) return;
    this.set({ beside: true, settings: "collapsing", twin: "" });
    await this.begin(this.twin).catch(this.again);
    this.play();
  }

  private rebalance(): void {
    this.set({ settings: "balanced" });
    this.play();
  }

  private alone(): void {
    this.set({ beside: false, settings: "collapsing", twin: "" });
    this.twin.clear();
  }

  private played(): Partial<State> {
    return Object.fromEntries(this.tables.map(({ field, log }) => [field, write(log)]));
  }

  /** What has been played, for the link; while its moves are made again, it is what it was. */
  private keep(): void {
    if (!this.ready) return;
    this.follow(this.played());
    this.storing ||= window.setTimeout(() => void this.store(), STORE);
  }

  /** The newest pictures, a moment later where the last ones have just come. */
  private show(table: Table, frame: GanFrame): void {
    clearTimeout(table.showing);
    const draw = (): void => {
      table.shownAt = Date.now();
      const planes = realPictures(this.state.seed, 2 * Math.max(frame.rounds, 1) + 1, SHOWN + JUDGED);
      const fakes = seen(frame.fakes, 0, SHOWN + JUDGED);
      table.view = { frame, fakes, real: seen(planes, 0, SHOWN + JUDGED) };
      this.keep();
    };
    table.showing = window.setTimeout(draw, Math.max(0, table.shownAt + PACE - Date.now()));
  }

  // ---------------------------------------------------------------- the shipped GAN

  private get models() {
    return this.state.drawn === "none" ? ([GAN_ROUND] as const) : ([GAN_ROUND, EMOJI_GAN] as const);
  }

  private get asked(): number {
    return { none: 0, one: 1, many: MANY }[this.state.drawn];
  }

  private async drawNow(signal: AbortSignal): Promise<void> {
    const configs = await this.work.load([GAN_ROUND, EMOJI_GAN], signal);
    const { label, stamp } = this.state;
    this.emoji = await drawEmoji(configs[EMOJI_GAN], label, stamp, this.asked, { signal });
  }

  /** While a game is opened it waits, and is drawn then. */
  private drawEmoji(): void {
    if (!this.asked || !this.ready) return;
    void this.work.run((signal) => this.drawNow(signal));
  }

  private emojiSection(): Content {
    if (!this.shows("emoji")) return nothing;
    const draw = (drawn: "one" | "many") =>
      button(t(`step-the-game.emoji-${drawn}`, { count: MANY }), () => this.set({ drawn }), "", this.busy);
    const part = html`<section class="emoji">
      <p class="hint">${t("step-the-game.emoji-means")}</p>
      <div class="controls">
        ${this.field("label", classOptions)} ${draw("one")} ${draw("many")} ${this.field("stamp")}
      </div>
      ${emojiPart(this.emoji, this.asked)}
    </section>`;
    return folded(t("step-the-game.emoji"), part, this.asked > 0);
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

  private judge(key: "judge" | "judge-again"): Content {
    const { view } = this.healthy;
    if (!this.shows("judge")) return nothing;
    return button(t(`step-the-game.${key}`, { count: JUDGED }), () => view && this.deal(view), "", !view);
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const { beside, settings } = this.state;
    const { view } = this.healthy;
    const strip = Array.from({ length: SHOWN }, (_, i) => picture(view?.real[i], ""));
    const title = t(`step-the-game.${beside ? "healthy" : "fakes"}`);
    return html`<section>
        <h3>${t("step-the-game.real")}</h3>
        <div class="fakes strip-of-real" role="img" aria-label=${t("step-the-game.real-label")}>${strip}</div>
      </section>
      <div class="controls">
        <b class="game-round">${t("step-the-game.round", { rounds: view?.frame.rounds ?? 0 })}</b>
        ${this.transport("play", "primary")} ${this.training("one", "both", 1)} ${this.collapsing()}
      </div>
      <div class="games ${beside ? "two" : ""}">
        ${this.gamePart(this.healthy, title)}
        ${beside ? this.gamePart(this.twin, t(`step-the-game.twin-${settings}`)) : nothing}
      </div>
      <p class="hint">${t("step-the-game.verdict-means")} ${t("step-the-game.variety-means")}</p>`;
  }

  /** The fakes of a game with their verdicts, and how many kinds there are. */
  private gamePart(table: Table, title: string): TemplateResult {
    const { view, counts, kinds } = table;
    const fakes = Array.from({ length: SHOWN }, (_, i) => {
      const verdict = view?.frame.verdicts_fake[i];
      const label = t("step-the-game.fake-label", { index: i + 1, kind: this.kind(view?.frame.kinds[i] ?? -1) });
      const word = verdict === undefined ? "" : verdictWord(verdict);
      return html`<li>
        ${picture(view?.fakes[i], label)} ${bar(verdict ?? 0)}
        <span class=${word === "passes" ? "yes" : "no"}>${word ? t(`step-the-game.${word}`) : "…"}</span>
        <span>${verdict === undefined ? "" : percent(verdict)}</span>
      </li>`;
    });
    const meter = html`<meter min="0" max=${MODES} .value=${kinds}
      aria-label="${title}: ${t("step-the-game.variety")}"></meter>`;
    return html`<section class="game" aria-label=${title}>
      <h3>${title}</h3>
      ${
        this.state.beside
          ? html`<p class="hint">${t("step-the-game.round", { rounds: view?.frame.rounds ?? 0 })}
              ${table === this.twin ? t(`step-the-game.${this.state.settings}-means`) : nothing}</p>`
          : nothing
      }
      <ol class="fakes">${fakes}</ol>
      <p>${t("step-the-game.variety")}: ${meter} <b>${t("step-the-game.kinds", { kinds, of: MODES })}</b></p>
      <ol class="kinds-drawn">
        ${counts.map(
          (count, mode) => html`<li class=${count ? "" : "missing"}>
          ${picture(PROTOTYPES[mode], this.kind(mode))} <span>${count ? `✓ ${count}` : "–"}</span>
        </li>`,
        )}
      </ol>
    </section>`;
  }

  protected override below(): TemplateResult {
    const dropped = this.dropped ? html`<p class="note" role="status">${t("step-the-game.dropped")}</p>` : nothing;
    const { trial } = this;
    const judged = trial && judgedPart(trial, this.judge("judge-again"), (trial) => (this.trial = trial));
    return html`${dropped} ${judged ?? nothing} ${this.shows("skills") ? skillPart(this.skills) : nothing}
      ${this.emojiSection()}`;
  }

  private pressed(key: string, action: () => void, disabled = this.busy): Content {
    return this.shows(key) ? button(t(`step-the-game.${key}`), action, "", disabled) : nothing;
  }

  private training(key: string, who: string, rounds: number): Content {
    return this.pressed(key, () => void this.train(who, rounds));
  }

  /** Sets the game beside a twin that collapses; the twin is repaired where it was broken. */
  private collapsing(): Content {
    return this.state.beside && this.state.settings === "collapsing"
      ? this.pressed("rebalance", () => this.rebalance())
      : this.pressed("collapse", () => void this.collapse());
  }

  protected override more(): TemplateResult {
    return html`<div class="controls">
      ${this.training("ten", "both", TEN)} ${this.training("train_detective", "detective", TEN)}
      ${this.training("train_forger", "forger", TEN)} ${this.judge("judge")}
      ${this.state.beside ? this.pressed("alone", () => this.alone()) : nothing}
    </div>`;
  }

  private kind(mode: number): string {
    if (mode < 0) return t("step-the-game.no-shape");
    const [shape, colour] = [FACTS.shapes[Math.floor(mode / COLOURS.length)]!, COLOURS[mode % COLOURS.length]!];
    return t("step-the-game.kind", { shape: t(`step-the-game.${shape}`), colour: t(`step-the-game.${colour}`) });
  }

  // ---------------------------------------------------------------- what the shell shows

  protected override alternative(): Alternative {
    const { view, last, kinds } = this.healthy;
    if (!view) return { sentence: t("step-the-game.waiting"), table: { head: [], rows: [] } };
    const { skills, twin } = this;
    const { frame } = view;
    const passing = frame.verdicts_fake.reduce((sum, verdict) => sum + Number(verdict > 0.5), 0);
    const raw = percent(accuracy(frame));
    const values = { rounds: frame.rounds, passing, count: frame.kinds.length, kinds, of: MODES, raw };
    const besides = { rounds: twin.view?.frame.rounds ?? 0, kinds: twin.kinds, of: MODES };
    const sentence =
      t("step-the-game.says", values) +
      (this.state.beside ? ` ${t("step-the-game.says-twin", besides)}` : "") +
      (this.emoji ? ` ${t("step-the-game.says-emoji", { count: this.emoji.pictures.length })}` : "");
    const row = (key: string, value: string, values = {}) => [t(`step-the-game.row-${key}`, values), value];
    const rows = [row("rounds", number(frame.rounds)), row("raw", raw), row("kinds", `${kinds} / ${MODES}`)];
    if (this.state.beside) rows.push(row("twin", `${twin.kinds} / ${MODES}`));
    last?.losses.forEach((loss, i) => rows.push(row(i ? "loss-detective" : "loss-forger", fixed(loss, 2))));
    const skill = skills.at(-1);
    skill?.fooled.forEach((share, i) => rows.push(row("fooled", percent(share), { rounds: FROZEN[i]! })));
    skill?.told.forEach((share, i) => rows.push(row("told", percent(share), { rounds: FROZEN[i]! })));
    return { sentence, table: { head: [t("step-the-game.what"), t("step-the-game.now")], rows } };
  }

  protected override badge(): BadgeFacts {
    return { models: this.models, recorded: false, milliseconds: this.healthy.last?.milliseconds };
  }

  protected override code(): Code {
    const { seed, label, stamp } = this.state;
    const games = this.tables.map(({ field }) => parse(this.state[field]));
    const python = code(seed, games);
    if (!this.asked) return { python };
    const emoji = emojiCode(label, stamp, this.asked);
    return { python: `${python}\n\n${emoji.python}`, shell: emoji.shell };
  }
}
