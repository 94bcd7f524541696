/** The network that learns a cloud of points in the page: its gradient is right, and it learns. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gaussian, learnCloud, LEVELS, lossAndGradient, PARAMETERS, random, velocity } from "./cloud.js";
import type { CloudStep } from "./messages.js";
import { begin, runtime } from "./testing.js";

function normals(count: number, seed: number): Float64Array {
  const next = random(seed);
  return Float64Array.from({ length: count }, () => gaussian(next));
}

function ring(seed: number): Float64Array {
  const next = random(seed);
  return Float64Array.from(
    Array.from({ length: 1000 }, () => 2 * Math.PI * next()).flatMap((a) => [1.5 * Math.cos(a), 1.5 * Math.sin(a)]),
  );
}

const control = { emit: () => undefined, pause: () => Promise.resolve() };

test("the gradient is what finite differences say", () => {
  const parameters = normals(PARAMETERS, 1).map((value) => 0.3 * value);
  const [noisy, wanted] = [normals(10, 2), normals(10, 3)];
  const times = [0, 0.2, 0.5, 0.9, 1];
  const { gradient } = lossAndGradient(parameters, noisy, times, wanted);
  const next = random(4);
  const some = Array.from({ length: 60 }, () => Math.floor(next() * PARAMETERS));
  for (const i of [0, PARAMETERS - 1, PARAMETERS - 2, ...some]) {
    const at = (by: number): number => {
      const moved = parameters.slice();
      moved[i]! += by;
      return lossAndGradient(moved, noisy, times, wanted).loss;
    };
    const slope = (at(1e-5) - at(-1e-5)) / 2e-5;
    assert.ok(Math.abs(gradient[i]! - slope) < 1e-6 * Math.max(1, Math.abs(slope)), `${i}: ${gradient[i]} ${slope}`);
  }
});

test("random numbers are of their seed, even, and normal where they should be", () => {
  const next = random(7);
  const values = Array.from({ length: 20_000 }, next);
  assert.deepEqual(values.slice(0, 5), Array.from({ length: 5 }, random(7)));
  assert.notEqual(random(2 ** 32 + 7)(), random(7)());
  for (let tenth = 0; tenth < 10; tenth++) {
    const share = values.filter((value) => Math.floor(10 * value) === tenth).length / values.length;
    assert.ok(Math.abs(share - 0.1) < 0.01);
  }
  const normal = normals(20_000, 8);
  const mean = normal.reduce((a, b) => a + b) / normal.length;
  const variance = normal.reduce((sum, value) => sum + (value - mean) ** 2, 0) / normal.length;
  assert.ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.04);
});

test("from five seeds it learns a ring: noise flows into it, and far from it all arrows point to its middle", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    let last: CloudStep | undefined;
    const emit = (step: CloudStep) => void (last = step);
    const noise = normals(400, seed + 10);
    const { flowing } = await learnCloud({ points: ring(seed), noise, seed, steps: 400 }, { ...control, emit });
    assert.equal(flowing.length, LEVELS + 1);
    assert.deepEqual(flowing[0], Float32Array.from(noise));
    const radii = Array.from({ length: 200 }, (_, i) =>
      Math.hypot(flowing.at(-1)![2 * i]!, flowing.at(-1)![2 * i + 1]!),
    );
    const off = radii.map((radius) => Math.abs(radius - 1.5)).sort((a, b) => a - b);
    assert.ok(off[100]! < 0.12 && off[180]! < 0.45, `half ${off[100]}, nine of ten ${off[180]}`);
    // At pure noise all arrows point to the middle.
    for (const [x, y] of [
      [-1, 1],
      [1, -1],
      [1, 1],
      [-1, -1],
    ] as const) {
      const [growingX, growingY] = velocity(last!.parameters, [x, y], 1);
      const left = Math.hypot(x - growingX!, y - growingY!);
      assert.ok(left < 0.5 * Math.hypot(x, y), `${left} from (${x}, ${y})`);
    }
  }
});

test("the worker learns as it was asked, tells of it, and stops when nobody wants it", async () => {
  begin();
  const options = { points: ring(1), noise: normals(20, 2), seed: 3, steps: 20 };
  const told: CloudStep[] = [];
  const { flowing } = await runtime.learnCloud(options, { onStep: (step) => told.push(step) });
  assert.deepEqual(flowing, (await learnCloud(options, control)).flowing);
  assert.equal(told.at(-1)!.steps, 20);
  const abort = new AbortController();
  const forever = runtime.learnCloud({ ...options, steps: 1e9 }, { signal: abort.signal, onStep: () => abort.abort() });
  await assert.rejects(forever, /cancelled/);
  assert.equal((await runtime.learnCloud(options)).flowing.length, LEVELS + 1);
});
