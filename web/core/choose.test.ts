import assert from "node:assert/strict";
import { test } from "node:test";
import { defaults } from "../ui/state.js";
import { type Facts, FIELDS, type Filter, fits, plain } from "./choose.js";
import { marks } from "./round.js";

const ALL = defaults<Filter>(FIELDS);
const facts: Facts = {
  lesson: "4",
  difficulty: "2",
  words: plain("Why does the Fréchet noise fade?"),
  standing: "right",
  wait: 3,
};

test("each filter lets its own through, and all of them at once", () => {
  const yes: Partial<Filter>[] = [
    {},
    { lesson: "4" },
    { difficulty: "2" },
    { mine: "right" },
    { words: "NOISE  frechet" },
    { lesson: "4", difficulty: "2", mine: "right", words: "fade" },
  ];
  const no: Partial<Filter>[] = [
    { lesson: "3" },
    { difficulty: "1" },
    { mine: "due" },
    { mine: "new" },
    { words: "noise cat" },
  ];
  for (const one of yes) assert.ok(fits({ ...ALL, ...one }, facts), JSON.stringify(one));
  for (const one of no) assert.ok(!fits({ ...ALL, ...one }, facts), JSON.stringify(one));
  assert.ok(fits({ ...ALL, mine: "due" }, { ...facts, wait: 0 }));
  assert.ok(!fits({ ...ALL, mine: "due" }, { ...facts, standing: "new", wait: undefined }));
});

test("the lesson with most mistakes is the first to look at again", () => {
  const result = (lesson: string, right: boolean) => ({ lesson, title: `Lesson ${lesson}`, right });
  const found = marks([result("2", true), result("9", false), result("3", false), result("9", false)]);
  assert.deepEqual(
    found.map(({ lesson, right, asked }) => [lesson, right, asked]),
    [
      ["9", 0, 2],
      ["3", 0, 1],
      ["2", 1, 1],
    ],
  );
});
