import assert from "node:assert/strict";
import { test } from "node:test";
import { add, code, FORM, type Move, parse, rest, roundsOf, trial, write } from "./moves.js";

const GAME = "bb300bd10cf5bb1";

test("moves are written and read again", () => {
  const moves = parse(GAME);
  assert.deepEqual(moves[1], { settings: "balanced", who: "detective", rounds: 10 });
  assert.deepEqual(moves[2], { settings: "collapsing", who: "forger", rounds: 5 });
  assert.equal(write(moves), GAME);
  assert.deepEqual(parse(""), []);
});

test("the form lets nothing else pass", () => {
  for (const text of ["", GAME, "cb999999"]) assert.ok(FORM.test(text), text);
  for (const text of ["b", "bb", "bb0", "bb-1", "xb1", "bb1 ", "bb1000000", "bb1.5", "<b>", "bb1e3"]) {
    assert.ok(!FORM.test(text), text);
  }
});

test("a round joins the move before if it is of its kind", () => {
  const round = (text: string): Move => parse(`${text}1`)[0]!;
  const game = ["bb", "bb", "bd", "bb", "cb", "cb", "cb"].map(round).reduce(add, []);
  assert.equal(write(game), "bb2bd1bb1cb3");
});

test("Python plays the same moves, or looks at players who have made none", () => {
  const text = code(7, [parse("bb300cd10")]);
  assert.match(text, /gan\.start\(7\)/);
  assert.match(text, /\(gan\.BALANCED, \(True, True\), 300\),\n {4}\(gan\.COLLAPSING, \(False, True\), 10\),\n\]/);
  assert.match(code(7, [[]]), /shown = game\.evaluate\(state, state, 7, 1\)/);
});

test("what is left of a game is what was not made of it", () => {
  const left = (made: string, moves: string) => {
    const moved = rest(parse(made), parse(moves));
    return moved && write(moved);
  };
  assert.equal(left("", "bb30"), "bb30");
  assert.equal(left("bb20", "bb30"), "bb10");
  assert.equal(left("bb30bd5", "bb30bd10cb2"), "bd5cb2");
  assert.equal(left("bb30", "bb30"), "");
  for (const made of ["bb31", "bd20", "cb20", "bb20bd5", "bb30bb1"]) assert.equal(left(made, "bb30"), undefined, made);
  assert.equal(left("bb20bd5", "bb30bd5"), undefined);
});

test("two games are two starts of one seed", () => {
  const text = code(7, [parse("bb300"), parse("cb300")]);
  assert.equal(text.match(/state = gan\.start\(7\)/g)?.length, 2);
  assert.equal(text.match(/gan\.Game\(\)/g)?.length, 1);
  assert.equal(roundsOf(parse("bb300cd10")), 310);
});

test("what a person judges has both kinds, and differs from round to round and from seed to seed", () => {
  const all = Array.from({ length: 400 }, (_, i) => trial(i % 20, Math.floor(i / 20), 8));
  assert.ok(all.every((fake) => fake.includes(true) && fake.includes(false)));
  assert.ok(new Set(all.map(String)).size > 150);
  assert.deepEqual(trial(3, 100, 8), trial(3, 100, 8));
});
