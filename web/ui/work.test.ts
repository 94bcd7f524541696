import assert from "node:assert/strict";
import { test } from "node:test";
import { RuntimeError } from "../runtime/client.js";
import { Work } from "./work.js";

const strings = JSON.stringify({ shell: { "two-words": "{first}, {second}" } });
globalThis.document = { getElementById: () => ({ textContent: strings }) } as unknown as Document;

const host = { addController() {}, removeController() {}, requestUpdate() {}, updateComplete: Promise.resolve(true) };
const never = new Promise<void>(() => undefined);

test("a new piece of work cancels the one before, whose end and error no longer count", async () => {
  const work = new Work(host);
  let fail = (_error: Error): void => undefined;
  let old: AbortSignal | undefined;
  const first = work.run((signal) => ((old = signal), new Promise((_, reject) => (fail = reject))));
  assert.ok(work.busy);
  void work.run(() => never);
  assert.ok(old?.aborted);
  work.report("half", 1, 2);
  fail(new Error("too late"));
  await first;
  assert.deepEqual([work.busy, work.error, work.progress], [true, undefined, { text: "half", value: 1, max: 2 }]);
  work.cancel();
  assert.deepEqual([work.busy, work.progress], [false, undefined]);
});

test("what goes wrong is told once, and can be tried again", async () => {
  const work = new Work(host);
  let tries = 0;
  await work.run(() => (tries++ ? Promise.resolve() : Promise.reject(new Error("no weights"))));
  assert.deepEqual([work.error?.text, work.busy], ["no weights", false]);
  await work.run(work.error!.retry!);
  assert.deepEqual([work.error, tries], [undefined, 2]);
});

test("what lies in the words is not tried again, and what fails beside the work does not end it", async () => {
  const work = new Work(host);
  const error = new RuntimeError("two-words", "prompt says both", { first: "high", second: "low" });
  await work.run(() => Promise.reject(error));
  assert.deepEqual(work.error, { text: "high, low", retry: undefined });
  void work.run(() => never);
  work.fail(new Error("no speakers"));
  assert.deepEqual([work.busy, work.error], [true, { text: "no speakers", retry: undefined }]);
  work.cancel();
});

test("a figure that leaves the page takes its work with it", () => {
  const work = new Work(host);
  let left: AbortSignal | undefined;
  void work.run((signal) => ((left = signal), never));
  work.hostDisconnected();
  assert.ok(left?.aborted && !work.busy);
});
