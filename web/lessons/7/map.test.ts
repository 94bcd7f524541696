import assert from "node:assert/strict";
import test from "node:test";
import { closest, gap, type Pairs, sheet } from "./map.js";

const vector = (...head: number[]) => Float32Array.from({ length: 8 }, (_, i) => head[i] ?? 0);
const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-5, `${a} is not ${b}`);

/** Three pictures in a plane, the captions where they are but for a gap in a direction of its own. */
const pairs: Pairs = {
  pictures: [vector(2, 0), vector(-2, 1), vector(0, -1)],
  captions: [vector(2, 0, 5), vector(-2, 1, 5), vector(0, -1, 5)],
};

test("a picture and its caption share a place when only the gap parts them", () => {
  const places = sheet(pairs);
  for (let i = 0; i < 3; i++) for (const axis of [0, 1]) near(places[i]![axis]!, places[i + 3]![axis]!);
  // The first direction is the one in which they differ most: from the first picture to the second.
  const order = places.slice(0, 3).map(([x]) => x);
  near(Math.abs(order[0]! - order[1]!), 2);
  near(Math.max(...places.map(([, y]) => y)), 1);
  near(Math.min(...places.map(([, y]) => y)), -1);
});

test("the gap is the distance between the middles, and the closest caption goes by the cosine", () => {
  near(gap(pairs), 5);
  assert.deepEqual(closest(pairs), [0, 1, 2]);
  assert.deepEqual(closest({ ...pairs, captions: [...pairs.captions].reverse() }), [2, 1, 0]);
});

test("points that all lie together have a place too", () => {
  const one = [vector(1), vector(1)];
  assert.ok(
    sheet({ pictures: one, captions: one })
      .flat()
      .every((value) => value === 0),
  );
});
