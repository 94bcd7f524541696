import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type Pixels, pixels } from "./canvas.js";
import { Film } from "./film.js";

const latent = (value: number) => new Float32Array([value]);

function film(decode?: (latents: Float32Array) => Promise<Pixels>) {
  const decoded: number[] = [];
  let told = 0;
  const one = new Film(
    "run",
    [1, 0.75, 0.5, 0],
    false,
    decode ??
      (async (latents) => {
        decoded.push(latents[0]!);
        await turn();
        return pixels(new Uint8ClampedArray(4).fill(latents[0]!), 1);
      }),
    () => told++,
  );
  one.frames.push({ noisy: latent(0) });
  for (const k of [1, 2, 3]) one.frames.push({ noisy: latent(k), clean: latent(10 * k), milliseconds: 10 - k });
  return { one, decoded, told: () => told };
}

test("a picture is decoded once, and the one asked for last comes first", async () => {
  const { one, decoded, told } = film();
  for (const k of [0, 1, 2, 3]) assert.equal(one.picture(k, "noisy"), undefined);
  while (told() < 4) await turn();
  assert.deepEqual(decoded, [0, 3, 2, 1]);
  assert.equal(one.picture(2, "noisy")?.data[0], 2);
  await turn();
  assert.equal(decoded.length, 4);
});

test("a finer picture that is kept while the frame is decoded stays", async () => {
  const { one, told } = film();
  one.picture(3, "clean");
  one.keep(3, "clean", pixels(new Uint8ClampedArray(16).fill(9), 2));
  while (told() < 1) await turn();
  assert.equal(one.picture(3, "clean")?.data.length, 16);
});

test("a long run keeps the pictures of some steps, its first and its last among them", () => {
  for (const steps of [1, 20, 100, 101, 128, 1000]) {
    const times = Array.from({ length: steps + 1 }, (_, k) => 1 - k / steps);
    const one = new Film("run", times, false);
    for (let k = 0; k <= steps; k++) one.add({ noisy: latent(k), milliseconds: 1 });
    const kept = [...one.frames.keys()].filter((k) => one.frames[k]!.noisy);
    assert.ok(kept.length <= 101 && kept[0] === 0 && kept.at(-1) === steps, `${steps}: ${kept.length}`);
    assert.equal(one.complete, true);
    const walked = [0];
    while (walked.at(-1)! < steps) walked.push(one.after(walked.at(-1)!));
    assert.deepEqual(walked, kept);
    for (let k = 0; k <= steps; k++) assert.equal(one.kept(k), kept.filter((other) => other <= k).at(-1));
  }
});

test("the background gives way to what is asked for", async () => {
  const { one, decoded, told } = film();
  one.decodeAll(["noisy", "clean"]);
  one.picture(3, "clean");
  while (told() < 7) await turn();
  assert.deepEqual(decoded, [0, 30, 1, 2, 3, 10, 20]);
});

test("while a run is faster than the decoder, whole frames are shown all the same", async () => {
  for (const slowness of [1, 5, 20]) {
    const times = Array.from({ length: 101 }, (_, k) => 1 - k / 100);
    const slow = new Film("run", times, false, async () => {
      for (let i = 0; i < slowness; i++) await turn();
      return pixels(new Uint8ClampedArray(4), 1);
    });
    slow.frames.push({ noisy: latent(0) });
    const shown = new Set<number>();
    for (let k = 1; k <= 100; k++) {
      slow.frames.push({ noisy: latent(k), clean: latent(100 + k), withPrompt: latent(200 + k) });
      const at = slow.newestWhole(["clean", "noisy"]);
      assert.ok(at >= Math.max(0, ...shown));
      shown.add(at);
      for (const view of ["noisy", "withPrompt"] as const) slow.picture(at, view); // what the page draws beside it
      if (at > 0) assert.ok(slow.picture(at, "clean") && slow.picture(at, "noisy"));
      await turn();
    }
    assert.ok(shown.size >= 100 / (4 * slowness + 4), `${slowness}: ${[...shown].join(" ")}`);
    slow.close();
  }
});

test("there is no clean estimate before the first step, and no frame after the last", () => {
  const { one } = film();
  assert.equal(one.picture(0, "clean"), null);
  assert.equal(one.picture(4, "noisy"), null);
  assert.ok(one.complete);
  assert.equal(one.first, 0);
  assert.deepEqual(
    [0, 1, 2, 3].map((k) => one.noise(k)),
    [1, 0.75, 0.5, 0],
  );
  assert.equal(one.milliseconds, 8);
});

test("a decoder that fails is asked again at the next look only", async () => {
  let calls = 0;
  const { one } = film(async () => {
    calls++;
    throw new Error("released");
  });
  one.decodeAll(["noisy"]);
  await turn();
  assert.equal(calls, 1);
  one.picture(1, "noisy");
  await turn();
  assert.equal(calls, 2);
});

test("a recording begins after its first step", () => {
  const recorded = new Film("run", [1, 0], true);
  recorded.frames.push({}, {});
  recorded.keep(1, "noisy", pixels(new Uint8ClampedArray(4), 1));
  assert.equal(recorded.first, 1);
  assert.equal(recorded.picture(0, "noisy"), null);
  assert.ok(recorded.picture(1, "noisy"));
  assert.deepEqual(
    [recorded.has(0, "noisy"), recorded.has(1, "noisy"), recorded.has(1, "clean")],
    [false, true, false],
  );
});

test("a closed film stops", async () => {
  const { one, decoded } = film();
  one.decodeAll(["noisy"]);
  one.close();
  for (let i = 0; i < 9; i++) await turn();
  assert.equal(decoded.length, 1);
});
