/** ONNX Runtime as a function: named arrays in, named arrays out. Its files lie beside the scripts, in assets/ort/. */
import type * as Ort from "onnxruntime-web";
import { RuntimeError } from "./errors.js";

export interface Input {
  data: Float32Array | BigInt64Array;
  dims: number[];
}

export interface Session {
  run(inputs: Record<string, Input>): Promise<Record<string, Float32Array>>;
  release(): Promise<void>;
}

// The smallest module with a vector in it: a function that returns i8x16.splat(0).
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11];

export function checkBrowser(): void {
  if (typeof WebAssembly !== "object") {
    throw new RuntimeError("no-wasm", "this browser has WebAssembly switched off: allow it, or use another browser");
  }
  if (!WebAssembly.validate(new Uint8Array(SIMD))) {
    throw new RuntimeError("no-simd", "this browser is too old for WebAssembly SIMD: update it, or use another");
  }
}

/** An unexpected error, so that the next try gets a new worker: a module that failed once is not asked for again. */
function notLoaded(): never {
  throw new Error("the files of ONNX Runtime (assets/ort/) could not be loaded: try again, or reload the page");
}

/** Weights files by where a graph says that they lie. */
export type Weights = Record<string, Uint8Array>;

export async function openSession(folder: URL, graph: Uint8Array, weights: Weights): Promise<Session> {
  const ort = (await import(new URL("ort.wasm.min.js", folder).href).catch(notLoaded)) as typeof Ort;
  const [mjs, wasm] = ["js", "wasm"].map((kind) => new URL(`ort-wasm-simd-threaded.${kind}`, folder).href);
  ort.env.wasm.wasmPaths = { mjs, wasm };
  // Threads share memory, which a browser allows on cross-origin isolated pages only.
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
  const session = await ort.InferenceSession.create(graph, {
    executionProviders: ["wasm"],
    externalData: Object.entries(weights).map(([path, data]) => ({ path, data })),
    extra: { session: { disable_quant_qdq: "1" } }, // make the weights float32 once, on opening
    logSeverityLevel: 3,
  }).catch((error: unknown) => {
    if (/no available backend/.test(String(error))) notLoaded();
    throw error;
  });
  const tensor = ({ data, dims }: Input): Ort.Tensor =>
    data instanceof BigInt64Array ? new ort.Tensor("int64", data, dims) : new ort.Tensor("float32", data, dims);
  return {
    async run(inputs) {
      const feeds = Object.entries(inputs).map(([name, input]) => [name, tensor(input)] as const);
      const outputs = Object.entries(await session.run(Object.fromEntries(feeds)));
      return Object.fromEntries(outputs.map(([name, output]) => [name, output.data as Float32Array]));
    },
    release: () => session.release(),
  };
}
