/** The worker's game, with the true graph's interface and players of a line: each round adds one to every number. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { accuracy, due, FROZEN, GanGame } from "./gan-game.js";
import type { GanRoundGraph, Settings } from "./gan-round.js";
import type { GanRound } from "./messages.js";

const BALANCED: Settings = { rates: [1, 1], pairing: 1, gamma: 1 };
const first = (values: ArrayLike<number | bigint>): number => Number(values[0]);

/** Who trained more is better: the discriminator's verdicts follow from its lead over the generator. */
function graph(log: string[] = []): () => GanRoundGraph {
  const run: GanRoundGraph["run"] = async (inputs) => {
    log.push("begins");
    await new Promise((resolve) => setTimeout(resolve));
    const steps = Float32Array.from(inputs["steps"]!.data as Float32Array);
    const trained = (name: string, i: number): Float32Array => {
      const data = (inputs[name]!.data as Float32Array).slice();
      if (first(inputs["trains"]!.data.slice(i))) {
        data[data.length - 1]! += 1;
        steps[i]! += 1;
      }
      return data;
    };
    const [generator, discriminator] = [trained("generator", 0), trained("discriminator", 1)];
    const lead = discriminator.at(-1)! - generator.at(-1)!;
    log.push("ends");
    return {
      new_generator: generator,
      new_discriminator: discriminator,
      new_steps: steps,
      losses: Float32Array.of(lead, -lead),
      fakes: new Float32Array(64 * 768).fill(1),
      verdicts_real: new Float32Array(64).fill(lead >= 0 ? 0.9 : 0.1),
      verdicts_fake: new Float32Array(64).fill(lead >= 0 ? 0.1 : 0.9),
    };
  };
  const sizes = { generator: [16, 96, 96, 768], discriminator: [768, 96, 96, 1], batch: 64 };
  return () => ({ run, sizes, settings: { balanced: BALANCED } });
}

function listener() {
  const heard: GanRound[] = [];
  return { heard, emit: (round: GanRound) => void heard.push(round), pause: async () => undefined };
}

const balanced = (rounds: number, trains: [boolean, boolean] = [true, true]) => ({
  settings: BALANCED,
  trains,
  rounds,
});

test("a verdict above one half says real, and accuracy weighs real pictures and fakes alike", () => {
  const verdicts = (...values: number[]) => Float32Array.from(values);
  const seen = { fakes: verdicts(), verdicts_real: verdicts(0.9, 0.6), verdicts_fake: verdicts(0.1, 0.2, 0.7, 0.9) };
  assert.equal(accuracy(seen), 0.75);
});

test("the players are frozen in rounds in which the skills are measured", () => {
  assert.ok(FROZEN.every(due));
  const all = Array.from({ length: 2001 }, (_, rounds) => rounds).filter(due);
  assert.deepEqual(all, [25, 50, 75, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1500, 2000]);
});

test("today's players meet the frozen ones, and not each other", async () => {
  const game = new GanGame(graph());
  const ears = listener();
  assert.equal((await game.start(7)).rounds, 0);
  await game.play(balanced(25), ears);
  await game.play(balanced(25, [true, false]), ears);
  await game.play(balanced(50, [false, true]), ears);
  const skills = ears.heard.flatMap(({ skill }) => skill ?? []);
  assert.deepEqual(skills, [
    { rounds: 25, fooled: [0], told: [1], passed: 0, raw: 1 },
    { rounds: 50, fooled: [1], told: [1], passed: 1, raw: 0 }, // the generator has passed today's discriminator and the frozen one
    { rounds: 75, fooled: [1], told: [1], passed: 24 / 25, raw: 1 / 25 },
    { rounds: 100, fooled: [1, 0], told: [1, 1], passed: 0, raw: 1 },
  ]);
});

test("calls wait for each other, one of 0 rounds ends them, and all answer with their last round", async () => {
  const log: string[] = [];
  const game = new GanGame(graph(log));
  await game.start(1);
  const ears = listener();
  const endless = game.play(balanced(1_000_000), ears);
  while (ears.heard.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  const waiting = game.play(balanced(5), ears);
  const stop = game.play(balanced(0), ears);
  const more = game.play(balanced(2), ears);
  const last = game.play(balanced(3), ears);
  const ends = await Promise.all([endless, waiting, stop, more, last]);
  const at = ends[0]!.rounds;
  assert.deepEqual(
    ends.map((frame) => frame && frame.rounds - at),
    [0, undefined, undefined, 2, 5],
  );
  assert.deepEqual(
    ears.heard.map(({ rounds }) => rounds),
    Array.from({ length: at + 5 }, (_, i) => i + 1),
  );
  assert.ok(
    log.every((word, i) => word === (i % 2 ? "ends" : "begins")),
    "two rounds at once",
  );
});

test("a new game forgets the old one, and without a game there is no round", async () => {
  const game = new GanGame(graph());
  await assert.rejects(game.play(balanced(1), listener()), /no game has begun/);
  await game.start(1);
  await game.play(balanced(30), listener());
  await game.start(2);
  const ears = listener();
  await game.play(balanced(25), ears);
  assert.deepEqual(ears.heard.at(-1)!.skill, { rounds: 25, fooled: [0], told: [1], passed: 0, raw: 1 });
});
