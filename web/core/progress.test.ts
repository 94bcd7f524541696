import assert from "node:assert/strict";
import { test } from "node:test";
import { ASIDE, KEY, Progress, type Store } from "./progress.js";

class Memory implements Store {
  readonly texts = new Map<string, string>();
  full = false;
  constructor(text?: string) {
    if (text !== undefined) this.texts.set(KEY, text);
  }
  getItem(key: string): string | null {
    return this.texts.get(key) ?? null;
  }
  setItem(key: string, text: string): void {
    if (this.full) throw new Error("full");
    this.texts.set(key, text);
  }
}

let store: Memory;
let day = 20_000;
function fresh(text?: string): Progress {
  store = new Memory(text);
  day = 20_000;
  return new Progress(store, () => day);
}

test("a lesson is done when all of its items are right, and stays so", () => {
  const progress = fresh();
  assert.equal(progress.done("7"), false);
  progress.visit("7", ["a", "b"]);
  progress.answer("7", "a", { choice: 1, right: true });
  progress.answer("7", "b", { choice: 0, right: false });
  assert.deepEqual([progress.right("7"), progress.done("7")], [1, false]);
  progress.answer("7", "b", { choice: 2, right: true });
  progress.predict("7", "7-1", 2);
  const later = new Progress(store);
  assert.equal(later.done("7"), true);
  assert.deepEqual([later.lesson("7")?.answers["b"]?.choice, later.standing("7", "b")], [2, "right"]);
  assert.equal(later.lesson("7")?.predictions["7-1"], 2);
  assert.equal(later.done("8"), false);
});

test("an item is the same in its lesson and in the question bank, and the bank alone makes no lesson done", () => {
  const progress = fresh();
  progress.answer("2", "a", { choice: 0, right: true }); // in the bank
  progress.answer("2", "z", { choice: 0, right: true }); // in the bank, and not among those of the lesson
  assert.equal(progress.done("2"), false);
  progress.visit("2", ["a", "b"]);
  assert.deepEqual([progress.right("2"), progress.right("2", ["a", "b", "z"]), progress.done("2")], [1, 2, false]);
  progress.answer("2", "b", { choice: 1, right: true });
  assert.equal(progress.done("2"), true);
});

test("two tabs do not overwrite each other", () => {
  const one = fresh();
  const other = new Progress(store);
  one.answer("1", "a", { choice: 0, right: true });
  other.answer("2", "b", { choice: 0, right: true });
  const later = new Progress(store);
  assert.deepEqual([later.right("1", ["a"]), later.right("2", ["b"])], [1, 1]);
});

test("forgetting lessons keeps the theme", () => {
  const progress = fresh();
  progress.theme = "dark";
  progress.visit("1", ["a"]);
  progress.forget();
  const later = new Progress(store);
  assert.equal(later.theme, "dark");
  assert.equal(later.lesson("1"), undefined);
});

test("what is not ours in storage is left aside, the rest is kept", () => {
  for (const text of ["", "{", "null", "7", '"x"', "[]", '{"lessons":[1,null]}', '{"lessons":{"1":null}}']) {
    assert.equal(fresh(text).done("1"), false, text);
  }
  const mixed = {
    theme: "pink",
    lessons: {
      1: { items: ["a", 3], answers: { a: { choice: 1, right: true }, b: { choice: -1, right: true }, c: 5 } },
    },
  };
  const progress = fresh(JSON.stringify(mixed));
  assert.equal(progress.theme, undefined);
  assert.deepEqual(Object.keys(progress.lesson("1")?.answers ?? {}), ["a"]);
  assert.deepEqual(progress.lesson("1")?.items, ["a"]);
});

test("without storage, or with a forbidden one, it remembers while the page is open", () => {
  const forbidden: Store = {
    getItem: () => assert.fail("forbidden"),
    setItem: () => assert.fail("full"),
  };
  for (const storage of [undefined, forbidden]) {
    const progress = new Progress(storage);
    progress.visit("3", ["a"]);
    progress.answer("3", "a", { choice: 0, right: true });
    assert.equal(progress.done("3"), true);
  }
});

test("a question comes back when it is due, and knows its standing", () => {
  const progress = fresh();
  assert.deepEqual([progress.standing("1", "a"), progress.wait("1", "a")], ["new", undefined]);
  progress.answer("1", "a", { choice: 0, right: false });
  assert.deepEqual([progress.standing("1", "a"), progress.wait("1", "a")], ["wrong", 0]);
  progress.answer("1", "a", { choice: 1, right: true });
  assert.deepEqual([progress.standing("1", "a"), progress.wait("1", "a")], ["right", 1]);
  day += 1;
  progress.answer("1", "a", { choice: 1, right: true });
  assert.equal(new Progress(store, () => day).wait("1", "a"), 3);
  day += 5;
  assert.equal(progress.wait("1", "a"), 0);
});

test("answers of before there was a ladder are due, and lose nothing", () => {
  const progress = fresh(
    '{"lessons":{"1":{"items":["a"],"answers":{"a":{"choice":1,"right":true}},"predictions":{"1-1":2}}}}',
  );
  assert.deepEqual([progress.done("1"), progress.wait("1", "a")], [true, 0]);
  progress.answer("1", "a", { choice: 1, right: true });
  assert.deepEqual([progress.wait("1", "a"), progress.lesson("1")?.predictions["1-1"]], [1, 2]);
  assert.equal(progress.aside, "");
});

test("what another version has saved is set aside before it is written over", () => {
  for (const text of ["{", "[1]", '{"version":2,"lessons":{}}', '{"lessons":{"1":{"answers":{"a":{"picked":3}}}}}']) {
    const progress = fresh(text);
    progress.answer("1", "b", { choice: 0, right: true });
    assert.equal(progress.aside, text);
    assert.equal(new Progress(store).standing("1", "b"), "right");
    progress.answer("1", "c", { choice: 0, right: true }); // a second change does not set the first one aside
    assert.equal(progress.aside, text);
    progress.dropAside();
    assert.equal(store.getItem(ASIDE), "");
  }
});

test("a full store loses nothing while the page is open, and what is saved stays", () => {
  const progress = fresh();
  progress.answer("1", "a", { choice: 0, right: true });
  const text = store.getItem(KEY);
  store.full = true;
  progress.answer("1", "b", { choice: 0, right: true });
  progress.answer("1", "c", { choice: 0, right: true });
  assert.deepEqual(
    ["a", "b", "c"].map((item) => progress.standing("1", item)),
    ["right", "right", "right"],
  );
  assert.deepEqual([progress.keeps(), store.getItem(KEY)], [false, text]);
  store.full = false;
  assert.equal(progress.keeps(), true);
  assert.equal(new Progress(store).right("1", ["a", "b", "c"]), 3);
  const foreign = fresh("{");
  store.full = true;
  foreign.answer("1", "a", { choice: 0, right: true });
  assert.deepEqual([foreign.standing("1", "a"), store.getItem(KEY)], ["right", "{"]);
});

test("deeds, a name and the best mixed quiz are kept, and forgotten together", () => {
  const progress = fresh();
  progress.mark("2", "read");
  progress.name = "Ada".padEnd(100);
  for (const right of [6, 9, 4]) progress.mix({ seed: right, right, total: 10 });
  const later = new Progress(store);
  assert.deepEqual(later.lesson("2")?.deeds, { read: true });
  assert.deepEqual([later.name.length, later.mixed], [80, { seed: 9, right: 9, total: 10, day }]);
  later.forget();
  assert.deepEqual([later.lesson("2"), later.name, later.mixed], [undefined, "", undefined]);
});
