import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { LinkState } from "./link-state.js";
import { defineFields, type StateOf } from "./state.js";

const FIELDS = defineFields({
  seed: { kind: "int", default: 7, min: 0, max: 100 },
  moves: { kind: "text", default: "", max: 9 },
});

let updates = 0;
let heard = 0;
let listeners: Record<string, () => void>;
const host = {
  addController() {},
  removeController() {},
  requestUpdate: () => updates++,
  updateComplete: Promise.resolve(true),
};

/** A page at this address, with a figure on it. */
function opened(hash: string): LinkState<StateOf<typeof FIELDS>> {
  const location = { hash };
  listeners = {};
  Object.assign(globalThis, {
    location,
    history: {
      state: null,
      replaceState: (_state: unknown, _title: string, address: string) => (location.hash = address),
    },
    addEventListener: (name: string, listener: () => void) => (listeners[name] = listener),
    removeEventListener: (name: string) => delete listeners[name],
  });
  const link = new LinkState<StateOf<typeof FIELDS>>(
    host,
    "toy",
    () => FIELDS,
    () => heard++,
  );
  link.hostConnected();
  return link;
}

beforeEach(() => {
  updates = heard = 0;
  mock.timers.enable({ apis: ["setTimeout"] });
});
afterEach(() => mock.timers.reset());

test("what a link asks for in vain is told until a person changes something", () => {
  const link = opened("#toy.seed=lots");
  assert.deepEqual(link.rejected, ["seed"]);
  link.follow({ moves: "bb1" }); // a new game is dealt, then played
  mock.timers.tick(10_000);
  link.follow({ moves: "bb2" });
  assert.deepEqual(link.rejected, ["seed"]);
  assert.deepEqual(link.state, { seed: 7, moves: "bb2" });
  link.set({ seed: 8 });
  assert.deepEqual(link.rejected, []);
});

test("the address is written a moment after a change, and while changes go on at most every 400 ms", () => {
  const link = opened("#other.seed=1&toy.seed=3");
  assert.deepEqual([link.state, link.fromLink], [{ seed: 3, moves: "" }, ["seed"]]);
  link.set({ seed: 4 });
  mock.timers.tick(399);
  link.follow({ moves: "b" });
  assert.equal(location.hash, "#other.seed=1&toy.seed=3");
  mock.timers.tick(1);
  assert.equal(location.hash, "#other.seed=1&toy.seed=4&toy.moves=b");
  assert.equal(updates, 3);
  for (let round = 0; round < 100; round++) {
    link.follow({ moves: `bb${round}` });
    mock.timers.tick(100); // a game that is played shows more than three times a second
  }
  assert.match(location.hash, /moves=bb9[5-9]$/);
});

test("another link is read, a jump to a heading is not", () => {
  const link = opened("#toy.seed=3&hide=share");
  assert.deepEqual([link.hides("share"), link.hides("seed")], [true, false]);
  location.hash = "#a-heading";
  listeners["hashchange"]!();
  assert.deepEqual([heard, link.state.seed], [0, 3]);
  location.hash = "#toy.seed=5&toy.moves=0123456789";
  listeners["hashchange"]!();
  assert.deepEqual([heard, link.state.seed, link.rejected, link.hides("share")], [1, 5, ["moves"], false]);
  link.hostDisconnected();
  assert.deepEqual(listeners, {});
});

test("a link that is followed just after a change is not written over before its event comes", () => {
  const link = opened("#toy.seed=3&toy.moves=a%20b");
  link.set({ seed: 4 });
  location.hash = "#other.seed=1&toy.seed=3&toy.moves=a+b"; // another figure has written
  mock.timers.tick(400);
  assert.equal(location.hash, "#other.seed=1&toy.seed=4&toy.moves=a+b");
  link.set({ seed: 6 });
  location.hash = "#toy.seed=5";
  mock.timers.tick(400);
  assert.equal(location.hash, "#toy.seed=5");
  listeners["hashchange"]!();
  assert.deepEqual(link.state, { seed: 5, moves: "" });
  link.set({ seed: 8 });
  location.hash = "#a-heading";
  mock.timers.tick(400);
  assert.match(location.hash, /toy.seed=8/);
});
