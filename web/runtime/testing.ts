/** Page and worker together for tests, over real messages and a real server, with networks of a line each. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { count } from "./arrays.js";
import { Runtime, RuntimeError, type ErrorKind, type ModelName } from "./client.js";
import { LATENT_SHAPE } from "./generated.js";
import { Models } from "./models.js";
import { serve } from "./serve.js";
import type { Input, Session, Weights } from "./session.js";

export const ALL: ModelName[] = ["clip/text", "clip/order", "clip/image", "text_to_image", "autoencoder/decoder"];
export const SMALL: ModelName[] = ["diffusion", "few_steps"];
export const STUDENT: ModelName[] = ["clip/text", "text_few_steps", "autoencoder/decoder"];
export const FILMING: ModelName[] = [...STUDENT, "film"];
export const STEER = "clip/image/steer.onnx" as const;
export const READER: ModelName[] = ["vlm", "vlm/look.onnx"];
export const WRITERS: ModelName[] = ["writer/next_word", "writer/unmask"];
export const VOCABULARY = ["[pad]", "[start]", "[unk]", "a", "red", "apple", "##s"];
export const WRITTEN = ["[pad]", "[start]", "[unk]", "[mask]", ".", "a", "cat", "naps"];
export const sum = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The graph of each model is its name, so that its session can be told from it. */
export function files(name: string): Record<string, string> {
  const vocabulary = name.startsWith("writer") ? WRITTEN : VOCABULARY;
  const reads = name === "clip/text" || name === "vlm" || vocabulary === WRITTEN;
  const words: Record<string, string> = reads ? { "vocabulary.txt": vocabulary.join("\n") + "\n" } : {};
  const steer: Record<string, string> = name === "clip/image" ? { "steer.onnx": STEER } : {};
  const look: Record<string, string> = name === "vlm" ? { "look.onnx": READER[1]! } : {};
  return { "graph.onnx": name, "model.safetensors": `weights of ${name}`, ...steer, ...look, ...words };
}

export const faults = { needed: "", breakDown: false, nameless: false };
function config(name: string): object {
  const defaults = {
    sampler: "dpmpp_2m",
    num_inference_steps: 4,
    guidance_scale: 3,
    guidance_interval: [0, 1],
    shift: 1.5,
  };
  const entries = Object.entries(files(name)).map(([file, text]) => [file, { bytes: text.length, sha256: sum(text) }]);
  const small = { classes: ["bird", "cat"], jumps: name === "few_steps", data_std: 0.5 };
  const writes = { layers: 1, heads: 1, width: 2, context_length: 8, window: 4 };
  const own: Record<string, object> = {
    "clip/image": { logit_scale: 2 },
    text_to_image: { styles: ["flat", "3d"], defaults, needs: { "clip/text": faults.needed } },
    text_few_steps: { config: { jumps: true }, styles: ["flat", "3d"], defaults: { num_inference_steps: 1 } },
    diffusion: { config: small, defaults: { sampler: "heun", num_inference_steps: 3, guidance_scale: 2 } },
    vlm: { config: { layers: 2, heads: 1, width: 2 } },
    film: { shares: ["text_few_steps"], defaults: { num_inference_steps: 4 } },
    few_steps: { config: small, defaults: { num_inference_steps: 4 } },
    sound: { defaults: { sampler: "euler", num_inference_steps: 3, guidance_scale: 2 } },
    "writer/next_word": { config: writes, names: [], defaults: { temperature: 0.5 } },
    "writer/unmask": { config: writes, names: [], defaults: { temperature: 0.5 } },
  };
  return { format: 1, model: name, config: {}, files: Object.fromEntries(entries) as object, ...own[name] };
}

/** Every row of every network by itself: how many tokens, how bright, D = x / (1 + t) + tokens / 10 + style. */
const NETWORKS: Record<string, (row: (name: string) => number[]) => Record<string, number[]>> = {
  "clip/text": (row) => {
    const count = row("tokens").filter((token) => token > 0).length;
    const each = Array<number>(24 * 192).fill(count);
    return { hidden: each, summary: Array<number>(256).fill(count), words: each };
  },
  "clip/order": (row) => ({ embedding: Array<number>(256).fill(row("words")[0]!) }),
  "clip/image": (row) => ({ embedding: Array<number>(256).fill(row("pixels")[0]!) }),
  [STEER]: (row) => ({ gradient: row("pixels").map((value) => row("target")[0]! - value) }),
  text_to_image: (row) => {
    const told = (row("hidden")[0]! + row("words")[0]!) / 20 + row("style")[0]!;
    return { clean: row("x").map((value) => value / (1 + row("t")[0]!) + told) };
  },
  text_few_steps: (row) => ({ clean: row("x").map(() => row("until")[0]! + row("hidden")[0]! + row("style")[0]!) }),
  film: (row) => ({ clean: row("x").map(() => row("picture")[0]! + 100 * row("motion")[0]!) }),
  diffusion: (row) => ({ clean: row("x").map((value) => value / (1 + row("t")[0]!) + row("label")[0]!) }),
  // A tone in a band of the number of the class, in all frames, louder where a length is said; without words silence.
  sound: (row) => {
    const [kind, , , length] = row("label");
    const tone = (i: number): number => (kind && i >> 6 === kind ? 0.2 + 0.02 * length! : -1);
    return { clean: Array.from({ length: 64 * 64 }, (_, i) => tone(i)) };
  },
  few_steps: (row) => ({ clean: row("x").map(() => row("until")[0]! + row("label")[0]!) }),
  // Says the token after the last one; its layers look at the patch of that number, and at the first.
  vlm: (row) => {
    const tokens = row("tokens");
    const all = [...row("keys"), ...tokens.flatMap(() => [0, 0, 0, 0])];
    const next = (tokens.at(-1)! + 2) % VOCABULARY.length;
    const logits = tokens.flatMap(() => VOCABULARY.map((_, token) => (token === next ? row("keys")[0]! : 0)));
    const at = (patch: number): number[] => Array.from({ length: 64 }, (_, i) => +(i === patch));
    const looked = [next, 0].flatMap((patch) => tokens.flatMap(() => at(patch)));
    return { logits, all_keys: all, all_values: all, looked };
  },
  // Says the token after the last one, and then the end; the cache must be as long as what was read.
  "writer/next_word": (row) => {
    const tokens = row("tokens");
    const all = [...row("keys"), ...tokens.flatMap(() => [0, 0])];
    const next = (token: number): number => (token === 1 ? 5 : (token + 1) % WRITTEN.length);
    const logits = tokens.flatMap((token) => WRITTEN.map((_, i) => (i === next(token) ? 20 : 0)));
    return { logits, all_keys: all, all_values: all };
  },
  // Knows a story by heart, and is the surer the later the place.
  "writer/unmask": (row) => ({
    logits: row("tokens").flatMap((_, t) => WRITTEN.map((_, i) => (i === [5, 6, 7, 4, 0, 0, 0, 0][t] ? 10 + t : 0))),
  }),
  "vlm/look.onnx": (row) => ({ keys: Array<number>(64).fill(2 + row("seen")[0]!), values: row("pixels").slice(0, 64) }),
  "autoencoder/encoder": (row) => ({ latents: row("pixels").slice(0, count(LATENT_SHAPE)) }),
  "autoencoder/decoder": (row) => ({ pixels: Array<number>(4 * 64 * 64).fill(row("latents")[0]!) }),
  enlarger: (row) => ({ large: Array<number>(4 * 128 * 128).fill(row("pixels")[0]!) }),
};

export const log = {
  opened: [] as string[],
  released: [] as string[],
  runs: [] as { model: string; batch: number }[],
  weights: [] as string[][], // where those of each opened model lie
  names: 0,
};

async function openSession(graph: Uint8Array, weights: Weights): Promise<Session> {
  const model = new TextDecoder().decode(graph);
  log.opened.push(model);
  log.weights.push(Object.keys(weights));
  return {
    async run(inputs) {
      if (faults.breakDown) throw new Error("memory access out of bounds");
      const batch = Object.values(inputs)[0]!.dims[0]!;
      log.runs.push({ model, batch });
      const rows = Array.from({ length: batch }, (_, i) => NETWORKS[model]!((name) => rowOf(inputs[name]!, batch, i)));
      return Object.fromEntries(
        Object.keys(rows[0]!).map((name) => [name, Float32Array.from(rows.flatMap((row) => row[name]!))]),
      );
    },
    release: async () => void log.released.push(model),
  };
}

function rowOf({ data, dims }: Input, batch: number, index: number): number[] {
  assert.equal(dims[0], batch);
  assert.equal(
    data.length,
    dims.reduce((a, b) => a * b),
  );
  const size = data.length / batch;
  return Array.from(data.slice(index * size, (index + 1) * size), Number);
}

const server = createServer((request, response) => {
  if (request.url === "/data/emoji.tsv") {
    log.names++;
    return faults.nameless
      ? response.writeHead(404).end()
      : response.end(readFileSync("src/bozzetto/runtime/emoji.tsv"));
  }
  const [, name, file] = /^\/models\/(.+)\/([^/]+)$/.exec(request.url!)!;
  const served = [...ALL, ...SMALL, ...FILMING, ...WRITERS, "sound", "vlm", "autoencoder/encoder"];
  if (!served.includes(name as ModelName)) return response.writeHead(404).end();
  return response.end(file === "config.json" ? JSON.stringify(config(name!)) : files(name!)[file!]);
});
before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
after(() => server.close());

export let workers: { terminated: boolean; fail: (message: string) => void }[];
export let runtime: Runtime;

export function startWorker(deaf = false): Worker {
  const { port1, port2 } = new MessageChannel();
  const folder = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/models/`);
  if (!deaf) serve(port2, new Models(folder, openSession));
  const facts = { terminated: false, fail: (message: string) => void worker.onerror?.({ message } as ErrorEvent) };
  workers.push(facts);
  const terminate = (): void => {
    facts.terminated = true;
    port1.close(); // and port2 with it, so that the process can end
  };
  const worker: Worker = Object.assign(port1 as unknown as Worker, { terminate, onerror: null });
  return worker;
}

/** Another runtime for the page. */
export function begin(start: () => Worker = startWorker, patience?: number): void {
  runtime = new Runtime(start, patience);
}

beforeEach(() => {
  workers = [];
  Object.assign(faults, { needed: sum("weights of clip/text"), breakDown: false, nameless: false });
  Object.assign(log, { opened: [], released: [], runs: [], weights: [], names: 0 });
  begin();
});

test.afterEach(() => workers.forEach((worker) => worker.fail("the test is over")));

export function fails(promise: Promise<unknown>, kind: ErrorKind, message: RegExp): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(error instanceof RuntimeError, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.message, message);
    return true;
  });
}
