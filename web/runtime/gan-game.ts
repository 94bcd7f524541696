/** A game that the worker keeps: the players, frozen copies of them, and what the page is told. */
import { RuntimeError } from "./errors.js";
import { evaluate, type GanRoundGraph, modes, play, start, type Played, type State } from "./gan-round.js";
import type { Control, GanFrame, GanRound, GanSkill, KeptGame, PlayOptions } from "./messages.js";

export const FROZEN = [25, 100, 300, 1000]; // the rounds of whose players copies are kept, to be played against
const FRAME = 350; // milliseconds from one set of pictures to the next, since faster flicker is hard to bear
const UNSEEN = 10_000; // added to the seed: noise that the game is not trained on
const BATCHES = 2; // of 64 fakes and 64 real pictures, to measure a skill

const share = (verdicts: Float32Array, real: boolean): number =>
  verdicts.reduce((sum, verdict) => sum + Number(verdict > 0.5 === real), 0) / verdicts.length;

/** Of as many real pictures as fakes, the share that the discriminator tells right. */
export function accuracy({ verdicts_real, verdicts_fake }: Omit<Played, "losses">): number {
  return (share(verdicts_real, true) + share(verdicts_fake, false)) / 2;
}

/** Whether the skills are measured after so many rounds: ever less often, and whenever players are frozen. */
export function due(rounds: number): boolean {
  return rounds > 0 && rounds % (rounds < 100 ? 25 : rounds < 1000 ? 100 : 500) === 0;
}

function frame(rounds: number, { fakes, verdicts_real, verdicts_fake }: Omit<Played, "losses">): GanFrame {
  return { rounds, fakes, verdicts_real, verdicts_fake, kinds: modes(fakes) };
}

type Players = Pick<State, "generator" | "discriminator">;

export class GanGame {
  private seed = 0;
  private state: State | undefined;
  private frozen: Players[] = [];
  private shown: GanFrame | undefined; // of the last round
  private right: number[] = []; // in each round since the skills were measured, and the share of fakes that passed
  private passed: number[] = [];
  private turn = 0;
  private before: Promise<unknown> = Promise.resolve();

  /** `graph` gives the open graph, or throws. */
  constructor(private readonly graph: () => GanRoundGraph) {}

  /** A new game, and what its untrained players show; or a kept one, and what its last round showed. */
  start(seed: number, kept?: KeptGame): Promise<GanFrame> {
    return this.next(true, async () => {
      if (kept) {
        const { state, right, passed, shown } = kept;
        const frozen = kept.frozen.map((old) => each(old, withMoments));
        [this.seed, this.state, this.frozen, this.right, this.passed] = [seed, state, frozen, right, passed];
        return copy((this.shown = shown));
      }
      const graph = this.graph();
      const state = start(seed, graph.sizes);
      const shown = await evaluate(graph, state, state, seed, 1);
      [this.seed, this.state, this.frozen, this.right, this.passed] = [seed, state, [], [], []];
      return copy((this.shown = frame(0, shown)));
    });
  }

  /** A copy of the game after the calls before, to be kept while nobody has the page open. */
  keep(): Promise<KeptGame | undefined> {
    return this.next(false, () => {
      const { state, frozen, right, passed, shown } = this;
      const old = frozen.map((one) => each(one, weights));
      return Promise.resolve(state && shown && structuredClone({ state, frozen: old, right, passed, shown }));
    });
  }

  /** Plays on and answers with the last round's pictures. To play 0 rounds ends the calls before after the round in
   * hand, and so does a new game. */
  play({ settings, trains, rounds }: PlayOptions, { emit, pause }: Omit<Control<GanRound>, "signal">) {
    return this.next(rounds === 0, async (mine) => {
      let played: Played | undefined;
      let shownAt = performance.now();
      for (let i = 0; i < rounds && mine(); i++) {
        if (!this.state) throw new RuntimeError("failed", "no game has begun in this worker: start one");
        const began = performance.now();
        const round = await play(this.graph(), this.state, settings, this.seed, trains);
        const milliseconds = performance.now() - began;
        const { rounds } = (this.state = round.state);
        played = round.played;
        this.right.push(accuracy(played));
        this.passed.push(share(played.verdicts_fake, true));
        const skill = due(rounds) ? await this.measure(round.state) : undefined;
        const show = performance.now() >= shownAt + FRAME;
        if (show) shownAt = performance.now();
        emit({ rounds, losses: played.losses, milliseconds, skill, frame: show ? frame(rounds, played) : undefined });
        await pause();
      }
      return played && copy((this.shown = frame(this.state!.rounds, played)));
    });
  }

  private async measure(state: State): Promise<GanSkill> {
    if (FROZEN.includes(state.rounds)) this.frozen.push(state);
    const seed = this.seed + UNSEEN;
    const skill: GanSkill = {
      rounds: state.rounds,
      fooled: [],
      told: [],
      passed: mean(this.passed),
      raw: mean(this.right),
    };
    [this.right, this.passed] = [[], []];
    for (const old of this.frozen) {
      skill.fooled.push(share((await evaluate(this.graph(), state, old, seed, BATCHES)).verdicts_fake, true));
      skill.told.push(accuracy(await evaluate(this.graph(), old, state, seed, BATCHES)));
    }
    return skill;
  }

  /** One call's work at a time, so that no round begins from players that another is training. */
  private next<T>(ends: boolean, job: (mine: () => boolean) => Promise<T>): Promise<T> {
    const turn = ends ? ++this.turn : this.turn;
    const done = this.before.then(() => job(() => turn === this.turn));
    this.before = done.catch(() => undefined);
    return done;
  }
}

/** What is handed to the page is no longer the worker's. */
function copy(shown: GanFrame): GanFrame {
  return structuredClone(shown);
}

function each({ generator, discriminator }: Players, change: (player: Float32Array) => Float32Array): Players {
  return { generator: change(generator), discriminator: change(discriminator) };
}

/** A player is its weights and Adam's two moments; a frozen one learns no more, and keeps the weights. */
function weights(player: Float32Array): Float32Array {
  return player.slice(0, player.length / 3);
}

function withMoments(weights: Float32Array): Float32Array {
  const player = new Float32Array(3 * weights.length);
  player.set(weights);
  return player;
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
