import assert from "node:assert/strict";
import { test } from "node:test";
import { KEY, Progress } from "../core/progress.js";
import { pack, unpack } from "./packing.js";
import { type Around, findApi, Platform } from "./platform.js";
import { type Part, report, timespan } from "./report.js";

const api = (take: (name: string, ...values: string[]) => unknown): Record<string, (...values: string[]) => unknown> =>
  Object.fromEntries(
    ["LMSInitialize", "LMSGetValue", "LMSSetValue", "LMSCommit", "LMSFinish"].map((name) => [
      name,
      (...values: string[]) => take(name, ...values),
    ]),
  );

/** A page of another site: one may go past it, but not look. */
const foreign = (more: Around): Around =>
  Object.defineProperty(more, "API", {
    get: () => {
      throw new Error("blocked a frame from accessing a cross-origin frame");
    },
  });

test("the platform is found above, and above the opener, past pages of other sites", () => {
  const there = api(() => "true");
  const lone: Around = {};
  lone.parent = lone.top = lone;
  assert.equal(findApi(lone), undefined);
  assert.equal(findApi({ parent: { parent: { API: there } } }), there);
  assert.equal(findApi({ parent: foreign({ parent: { API: there } }) }), there);
  assert.equal(findApi({ parent: foreign({}), opener: { parent: { API: there } } }), there);
  assert.equal(findApi({ opener: null, top: { opener: { API: there } } }), there);
  assert.equal(findApi({ API: "mine", parent: { API: { LMSInitialize: "no function" }, parent: lone } }), undefined);
  const ring: Around = {};
  ring.parent = { parent: ring };
  assert.equal(findApi(ring), undefined);
});

test("a platform is told each value once, and again what it did not take", () => {
  const told: string[] = [];
  let takes = true;
  const platform = new Platform(
    api((name, ...values) => {
      told.push([name, ...values].join(" ").trim());
      return name === "LMSSetValue" && values[0] === "b" ? "false" : takes;
    }),
  );
  platform.open();
  platform.tell({ a: "1" }, { b: "2" });
  assert.equal(platform.hears, true); // it need not take b
  platform.tell({ a: "1" });
  takes = false;
  platform.tell({ a: "3" });
  assert.equal(platform.hears, false);
  takes = true;
  platform.tell({ a: "3" });
  assert.equal(platform.hears, true);
  const sets = ["LMSSetValue a 1", "LMSSetValue b 2", "LMSCommit", "LMSCommit"];
  assert.deepEqual(told, [
    "LMSInitialize",
    ...sets,
    ...["LMSSetValue a 3", "LMSCommit", "LMSSetValue a 3", "LMSCommit"],
  ]);
});

test("nothing that a platform does is an error of ours", () => {
  const odd = [
    () => {
      throw new Error("no");
    },
    () => undefined,
    () => "false",
    () => ({ toString: null }),
    () => Symbol(),
  ];
  for (const take of odd) {
    const platform = new Platform(api(take));
    platform.open();
    assert.equal(typeof platform.get("cmi.suspend_data"), "string");
    platform.tell({ a: "1" });
    platform.close();
    assert.equal(platform.hears, false);
  }
  const bare = new Platform({});
  bare.open();
  bare.tell({});
  assert.deepEqual([bare.hears, bare.get("x")], [false, ""]);
});

const PARTS: Part[] = [
  { lesson: "1", deeds: ["read", "played"], items: ["a", "b", "c"] },
  { lesson: "2", deeds: ["read", "played"], items: ["d"] },
];

test("a lesson is completed by reading, playing and answering, and all lessons are the course", () => {
  const progress = new Progress(undefined);
  const nothing = report(progress, PARTS);
  assert.deepEqual([nothing.complete, nothing.values], [false, {}]);
  assert.equal(nothing.extra["cmi.objectives.1.status"], "not attempted");
  progress.mark("1", "read");
  progress.mark("1", "played");
  for (const item of ["a", "b"]) progress.answer("1", item, { choice: 0, right: item === "a" });
  assert.equal(report(progress, PARTS).extra["cmi.objectives.0.status"], "incomplete");
  progress.answer("1", "c", { choice: 1, right: true });
  const half = report(progress, PARTS);
  assert.deepEqual([half.complete, half.values["cmi.core.score.raw"]], [false, "50"]);
  assert.deepEqual(
    ["id", "status", "score.raw"].map((name) => half.extra[`cmi.objectives.0.${name}`]),
    ["lesson-1", "completed", "67"],
  );
  progress.mark("2", "read");
  progress.mark("2", "played");
  progress.answer("2", "d", { choice: 2, right: true });
  const all = report(progress, PARTS);
  assert.deepEqual([all.complete, all.values["cmi.core.score.raw"]], [true, "75"]);
});

test("what counts without questions has no score", () => {
  const progress = new Progress(undefined);
  const figure: Part[] = [{ lesson: "8", deeds: ["played"], items: [] }];
  assert.equal(report(progress, figure).complete, false);
  progress.mark("8", "played");
  assert.deepEqual(report(progress, figure).values, {});
  assert.equal(report(progress, figure).complete, true);
});

test("all that one can do in the course has room in a platform, and comes back", async () => {
  let text = "";
  const progress = new Progress({ getItem: () => text, setItem: (key, value) => void (key === KEY && (text = value)) });
  for (let lesson = 1; lesson <= 9; lesson++) {
    for (let i = 0; i < 12; i++) {
      const item = `${"some-question".slice(i)}-${lesson}-${(lesson * 7919 + i * 104_729) % 9973}`;
      progress.answer(`${lesson}`, item, { choice: i % 4, right: i % 3 > 0 });
      progress.predict(`${lesson}`, `${lesson}-${i}`, i % 3);
    }
    progress.visit(`${lesson}`, ["a-question", "another-question", "a-third-question"]);
  }
  assert.ok(text.length > 6000);
  const packed = await pack(text);
  assert.ok(packed.length < 4096, `${packed.length}`);
  assert.equal(await unpack(packed), text);
  for (const nonsense of ["", "{}", "<b>", "AAAA", packed.slice(0, 40), "é"]) assert.equal(await unpack(nonsense), "");
});

test("time as SCORM writes it", () => {
  assert.deepEqual([0, -5, 61_000, 3_599_999, 90_000_000].map(timespan), [
    ..."0000:00:00 0000:00:00 0000:01:01 0000:59:59 0025:00:00".split(" "),
  ]);
});
