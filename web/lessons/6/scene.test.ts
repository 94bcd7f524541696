import assert from "node:assert/strict";
import test from "node:test";
import * as scene from "./scene.js";

const random = Uint8ClampedArray.from({ length: 64 * 64 * 4 }, (_, i) => (i * 7919) % 256);
const solid = random.map((value, i) => (i % 4 === 3 ? 255 : value));

test("a scene is a line of text and comes back from it; what does not fit the form is refused", () => {
  for (const text of [...Object.values(scene.READY), "black"]) {
    assert.match(text, scene.FORM);
    assert.equal(scene.write(scene.parse(text)), text);
  }
  for (const text of [
    "",
    "lion",
    "white*unicorn.1.1.20",
    "white*lion.1.1",
    "white*lion.-1.1.20",
    "white*lion.1.1.200",
    `white${"*lion.1.1.20".repeat(5)}`,
    "constructor",
  ])
    assert.doesNotMatch(text, scene.FORM);
});

test("things stay in the frame, and new ones take the room that is left", () => {
  assert.deepEqual(scene.parse("red*lion.60.60.99").things[0], { name: "lion", x: 0, y: 0, size: 64 });
  assert.deepEqual(scene.parse("red*lion.60.60.0").things[0], { name: "lion", x: 52, y: 52, size: 12 });
  let made = scene.parse("white");
  for (let i = 0; i < 6; i++) made = scene.add(made, "pig");
  assert.equal(new Set(made.things.map(({ x, y }) => `${x < 32} ${y < 32}`)).size, 4);
  assert.equal(made.things.length, scene.MOST);
  assert.match(scene.write(made), scene.FORM);
  const dropped = scene.add(scene.parse("white"), "frog", { x: 63, y: 1 });
  assert.deepEqual(dropped.things, [{ name: "frog", x: 36, y: 0, size: 28 }]);
  assert.deepEqual([scene.thingAt(dropped, 40, 5), scene.thingAt(dropped, 5, 5)], [0, -1]);
  assert.deepEqual(scene.change(dropped, 0, { y: 70 }).things[0], { name: "frog", x: 36, y: 36, size: 28 });
});

test("tiles are mixed without loss, and a covered one stays covered wherever it goes", () => {
  assert.deepEqual(scene.order(0), [...new Array(16).keys()]);
  assert.notDeepEqual(scene.order(1), scene.order(2));
  assert.deepEqual(
    [...scene.order(1)].sort((a, b) => a - b),
    scene.order(0),
  );
  assert.deepEqual(scene.arrange(solid, 0, 0), solid);
  const mixed = scene.arrange(solid, 1 << 6, 1);
  for (const [place, tile] of scene.order(1).entries()) {
    const shown = scene.squareOf(mixed, place, scene.TILES);
    if (tile === 6) assert.deepEqual([...new Set(shown)], [140, 255]);
    else assert.deepEqual(shown, scene.squareOf(solid, tile, scene.TILES));
  }
});

test("what is clear is white, and light falls where it was looked", () => {
  const clear = scene.arrange(new Uint8ClampedArray(64 * 64 * 4), 0, 0);
  assert.ok(clear.every((value) => value === 255));
  const looked = new Float32Array(scene.PATCHES).fill(0.01);
  looked[9] = 0.5;
  const shown = scene.lit(clear, looked);
  assert.deepEqual([...new Set(scene.squareOf(shown, 9, scene.PATCHES))], [255]);
  assert.ok(scene.squareOf(shown, 8, scene.PATCHES)[0]! < 70);
  assert.deepEqual(scene.mostLooked(looked), { row: 2, column: 2 });
});

test("questions fit the scene", () => {
  const about = (text: string) => scene.questions(scene.parse(text));
  assert.deepEqual(about(scene.READY["above"]!).slice(0, 3), [
    "what is below the tree?",
    "what is above the penguin?",
    "is the tree above or below the penguin?",
  ]);
  assert.ok(about(scene.READY["beside"]!).includes("is the pig left of or right of the horse?"));
  assert.ok(about(scene.READY["size"]!).includes("which is smaller, the lion or the butterfly?"));
  // What has no answer is not asked: which of two of one size, where one lies over the other, two of three kinds.
  assert.ok(!about(scene.READY["beside"]!).some((each) => each.startsWith("which is")));
  for (const text of ["white*pig.2.2.28*frog.8.8.28", "white*pig.2.2.20*frog.30.2.20*lion.2.30.20"]) {
    assert.deepEqual(
      about(text).filter((each) => /^(which|what is|is the )/.test(each)),
      [],
    );
  }
  assert.ok(about("white*apple.1.1.20").includes("how many apples are there?"));
  assert.ok(about("white*guitar.1.1.20").includes("is there a whale?"));
  for (const each of [undefined, scene.parse("white")]) assert.ok(scene.questions(each).includes("what is this?"));
});

test("a strip has its patches beside each other, with a line between two", () => {
  const strip = scene.stripOf(solid, [9, 63]);
  const width = scene.stripWidth(2);
  assert.equal(strip.length, 4 * 8 * width);
  for (const [i, place] of [9, 63].entries()) {
    const rows = Array.from({ length: 8 }, (_, row) => 4 * (row * width + 9 * i));
    const shown = rows.flatMap((at) => [...strip.subarray(at, at + 32)]);
    assert.deepEqual(shown, [...scene.squareOf(solid, place, scene.PATCHES)]);
  }
  assert.equal(new Set(Array.from({ length: 8 }, (_, row) => strip[4 * (row * width + 8)])).size, 1);
});
