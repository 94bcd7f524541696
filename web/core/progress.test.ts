import assert from "node:assert/strict";
import { test } from "node:test";
import { KEY, Progress, type Store } from "./progress.js";

class Memory implements Store {
  constructor(private text: string | null = null) {}
  getItem(key: string): string | null {
    return key === KEY ? this.text : null;
  }
  setItem(_key: string, text: string): void {
    this.text = text;
  }
}

let store: Memory;
function fresh(text?: string): Progress {
  store = new Memory(text);
  return new Progress(store);
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
  assert.deepEqual(later.lesson("7")?.answers["b"], { choice: 2, right: true });
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
