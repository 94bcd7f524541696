import assert from "node:assert/strict";
import { test } from "node:test";
import { normal } from "../../runtime/noise.js";
import { type Guess, mix, noiseFound, noiseSeen, pictureFound } from "./spot.js";

const clean = Float32Array.from({ length: 3072 }, (_, i) => Math.sin(i));
const noise = normal(7, 3072);
const mean = new Float32Array(3072);
const guess = (t: number, imagined: Float32Array): Guess => ({ clean, noise, t, imagined });

test("a mixture goes from the picture to the noise", () => {
  assert.deepEqual(mix(clean, noise, 0), clean);
  assert.deepEqual(mix(clean, noise, 1), noise);
});

test("who imagines the right picture has found all of the noise", () => {
  for (const t of [0.01, 0.5, 1]) {
    noiseSeen(guess(t, clean)).forEach((value, i) => assert.ok(Math.abs(value - noise[i]!) < 1e-4));
    assert.ok(noiseFound(guess(t, clean))! > 0.9999);
    assert.equal(pictureFound(guess(t, clean), mean), 1);
  }
});

test("who shows the mean has found none of the picture, and from noise alone all of the noise", () => {
  assert.equal(pictureFound(guess(0.5, mean), mean), 0);
  assert.equal(noiseFound(guess(1, mean)), 1);
  assert.equal(noiseFound(guess(0.01, mean)), 0); // it takes the picture for noise, which is worse than silence
});

test("where there is nothing to find there is no mark", () => {
  assert.equal(noiseFound(guess(0, clean)), undefined);
  assert.deepEqual(noiseSeen(guess(0, clean)), new Float32Array(3072));
  assert.equal(pictureFound(guess(0.5, mean), clean), undefined);
});
