import assert from "node:assert/strict";
import test from "node:test";
import { philox } from "../../runtime/noise.js";
import { labels, type Point } from "./labels.js";

const SIZE: Point = [640, 480];
const texts = Array.from({ length: 28 }, (_, i) => "a thing of some length".slice(0, 6 + (i % 9)));

function scattered(seed: number): Point[] {
  return texts.map((_, i) => {
    const [x, y] = philox([i, 0, 0, 0], [seed, 0]);
    return [40 + (x % 560), 30 + (y % 420)];
  });
}

test("words lie on the sheet and over no other words, at least a dozen, the chosen ones among them", () => {
  for (let seed = 0; seed < 20; seed++) {
    const dots = scattered(seed);
    const placed = labels(dots, texts, scattered(seed + 100), 36, SIZE, 5);
    const boxes = placed.flatMap((away, i) => {
      if (!away) return [];
      const [x, y] = [dots[i]![0] + away[0], dots[i]![1] + away[1]];
      const half = 3.3 * texts[i]!.length;
      return [{ x, y, half }];
    });
    assert.ok(boxes.length >= 12, `${boxes.length} words`);
    assert.ok(placed[5]);
    for (const [i, a] of boxes.entries()) {
      for (const b of boxes.slice(0, i)) {
        assert.ok(Math.abs(a.x - b.x) >= a.half + b.half - 1e-9 || Math.abs(a.y - b.y) >= 16, `seed ${seed}`);
      }
    }
  }
});

test("where there is no room, only the chosen one has its words", () => {
  const dots: Point[] = texts.map(() => [20, 20]);
  const placed = labels(dots, texts, dots, 36, [40, 40], 3);
  assert.deepEqual(
    placed.flatMap((away, i) => (away ? [i] : [])),
    [3],
  );
});
