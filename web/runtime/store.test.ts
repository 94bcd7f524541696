/** The store against a server that misbehaves in every way, and a browser whose storage does. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, test } from "node:test";
import { RuntimeError, type ErrorKind } from "./errors.js";
import type { FileEntry, ModelConfig } from "./messages.js";
import { readConfig, readFile } from "./store.js";

const WEIGHTS = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
const FILE = "model.safetensors";

/** What the server does when it is asked for the weights. */
type Behaviour = (response: ServerResponse) => void;
const well: Behaviour = (response) => response.end(WEIGHTS);
let behave = well;
let asked = 0;

const server = createServer((request, response) => {
  if (request.url === "/models/toy/config.json") return response.end(JSON.stringify(config()));
  if (request.url === "/models/page/config.json") return response.end("<!doctype html>");
  if (request.url === "/models/other/config.json") return response.end(JSON.stringify(config()));
  if (request.url !== `/models/toy/${FILE}`) return response.writeHead(404).end();
  asked++;
  return behave(response);
});
let models: URL;

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  models = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/models/`);
});
after(() => {
  server.closeAllConnections();
  server.close();
});
afterEach(() => {
  behave = well;
  asked = 0;
  Reflect.deleteProperty(globalThis, "caches");
});

function entry(bytes: Uint8Array): FileEntry {
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

function config(weights = entry(WEIGHTS)): ModelConfig {
  const files = { [FILE]: weights, "graph.onnx": entry(new Uint8Array()) };
  return { format: 1, model: "toy", parameters: 0, config: {}, files };
}

function fails(promise: Promise<unknown>, kind: ErrorKind, message: RegExp): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(error instanceof RuntimeError, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.message, message);
    return true;
  });
}

/** A browser's cache storage, as far as the store uses it. */
class FakeCache {
  readonly kept = new Map<string, Uint8Array>();

  constructor(private readonly room = Infinity) {
    Object.assign(globalThis, { caches: { open: async () => this } });
  }

  async match(key: string): Promise<Response | undefined> {
    const bytes = this.kept.get(key);
    return bytes && new Response(bytes.slice());
  }

  async put(key: string, response: Response): Promise<void> {
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length > this.room) throw new DOMException("full", "QuotaExceededError");
    this.kept.set(key, bytes);
  }

  async delete(url: string, { ignoreSearch }: { ignoreSearch: boolean }): Promise<void> {
    assert.ok(ignoreSearch);
    for (const key of this.kept.keys()) if (key.startsWith(`${url}?`)) this.kept.delete(key);
  }

  async settled(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a good file comes whole, with its bytes counted, also without any storage", async () => {
  let loaded = 0;
  const onBytes = (count: number): void => void (loaded += count);
  const bytes = await readFile(models, await readConfig(models, "toy"), FILE, { onBytes });
  assert.deepEqual(bytes, WEIGHTS);
  assert.equal(loaded, WEIGHTS.length);
});

test("a file is fetched once and then comes from the cache, bytes counted all the same", async () => {
  const cache = new FakeCache();
  await readFile(models, config(), FILE);
  await cache.settled();
  let loaded = 0;
  assert.deepEqual(await readFile(models, config(), FILE, { onBytes: (count) => (loaded += count) }), WEIGHTS);
  assert.equal(loaded, WEIGHTS.length);
  assert.equal(asked, 1);
});

test("a new version of a file takes the old one's place on the cache", async () => {
  const cache = new FakeCache();
  await readFile(models, config(), FILE);
  await cache.settled();
  const next = WEIGHTS.slice().reverse();
  behave = (response) => response.end(next);
  assert.deepEqual(await readFile(models, config(entry(next)), FILE), next);
  await cache.settled();
  assert.deepEqual([...cache.kept.values()], [next]);
});

test("a file that was damaged on the cache is fetched again", async () => {
  const cache = new FakeCache();
  await readFile(models, config(), FILE);
  await cache.settled();
  for (const bytes of cache.kept.values()) bytes[7]! ^= 1;
  assert.deepEqual(await readFile(models, config(), FILE), WEIGHTS);
  assert.equal(asked, 2);
});

test("where storage is forbidden or full, a load is a download", async () => {
  const forbidden = { open: () => Promise.reject(new DOMException("no", "SecurityError")) };
  Object.assign(globalThis, { caches: forbidden });
  assert.deepEqual(await readFile(models, config(), FILE), WEIGHTS);
  const full = new FakeCache(10);
  assert.deepEqual(await readFile(models, config(), FILE), WEIGHTS);
  await full.settled();
  assert.equal(full.kept.size, 0);
});

test("a missing file or model is named, with the server's answer", async () => {
  behave = (response) => response.writeHead(410).end();
  await fails(readFile(models, config(), FILE), "missing", /toy\/model.safetensors is missing: the server says 410/);
  await fails(readConfig(models, "none"), "missing", /none\/config.json is missing: the server says 404/);
});

test("a config that is none, or that of another model, is refused", async () => {
  await fails(readConfig(models, "page"), "failed", /page\/config.json does not describe a page model of format 1/);
  await fails(readConfig(models, "other"), "failed", /does not describe a other model/);
});

test("a server that is not there is an error that says so", async () => {
  await fails(
    readConfig(new URL("http://127.0.0.1:1/models/"), "toy"),
    "failed",
    /cannot be fetched: there is no connection/,
  );
});

test("a file that ends early is truncated, whether or not the connection breaks", async () => {
  behave = (response) => response.end(WEIGHTS.subarray(0, 60_000));
  await fails(readFile(models, config(), FILE), "truncated", /came with 60000 bytes, not 100000/);
  behave = (response) => {
    response.writeHead(200, { "content-length": WEIGHTS.length });
    response.write(WEIGHTS.subarray(0, 60_000), () => response.destroy());
  };
  await fails(readFile(models, config(), FILE), "truncated", /bytes, not 100000: try again/);
});

test("a flipped bit and a file that is too long are noticed", async () => {
  const changed = WEIGHTS.slice();
  changed[99_999]! ^= 1;
  behave = (response) => response.end(changed);
  await fails(readFile(models, config(), FILE), "hash", /damaged/);
  behave = (response) => response.end(Buffer.concat([WEIGHTS, WEIGHTS]));
  await fails(readFile(models, config(), FILE), "hash", /more than 100000 bytes/);
});

test("without crypto.subtle the size must do", async (context) => {
  context.mock.getter(globalThis, "crypto", () => ({}));
  const changed = WEIGHTS.slice();
  changed[0]! ^= 1;
  behave = (response) => response.end(changed);
  assert.deepEqual(await readFile(models, config(), FILE), changed);
  behave = (response) => response.end(WEIGHTS.subarray(1));
  await fails(readFile(models, config(), FILE), "truncated", /99999/);
});

test("a download can be cancelled before it, in the middle, and while nothing comes", async () => {
  await fails(readFile(models, config(), FILE, { signal: AbortSignal.abort() }), "cancelled", /cancelled/);
  behave = (response) => response.write(WEIGHTS.subarray(0, 60_000)); // and then nothing more
  const abort = new AbortController();
  const onBytes = (): void => void setTimeout(() => abort.abort());
  await fails(readFile(models, config(), FILE, { signal: abort.signal, onBytes }), "cancelled", /cancelled/);
  behave = () => undefined;
  await fails(readFile(models, config(), FILE, { signal: AbortSignal.timeout(20) }), "cancelled", /cancelled/);
});
