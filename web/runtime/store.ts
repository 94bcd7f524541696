/** Model files: fetched with progress, checked against config.json, kept in the browser by their hash.
 *
 * Each model folder has a config.json that lists its other files with their sizes and SHA-256 sums, so a download
 * that was cut, or a file of another model, is named at once instead of drawing nonsense. */
import { RuntimeError } from "./errors.js";
import type { FileEntry, ModelConfig } from "./messages.js";

const FORMAT = 1;
const CACHE = "bozzetto-models-1";

export interface Fetching {
  signal?: AbortSignal;
  onBytes?: (count: number) => void;
}

/** The config.json of the model `name` in the folder `models`. */
export async function readConfig(models: URL, name: string, signal?: AbortSignal): Promise<ModelConfig> {
  const url = new URL(`${name}/config.json`, models);
  const response = await get(url, "no-cache", signal);
  const config = (await response.json().catch(() => ({}))) as ModelConfig;
  if (signal?.aborted) throw cancelled();
  if (config.format !== FORMAT || config.model !== name || !config.files?.["graph.onnx"]) {
    throw new RuntimeError("failed", `${url.pathname} does not describe a ${name} model of format ${FORMAT}`);
  }
  return config;
}

/** A file of a model, from the browser's cache if it is there, checked either way. */
export async function readFile(
  models: URL,
  config: ModelConfig,
  file: string,
  { signal, onBytes }: Fetching = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const entry = config.files[file];
  if (!entry) throw new RuntimeError("failed", `the config.json of ${config.model} does not list ${file}`);
  const url = new URL(`${config.model}/${file}`, models);
  const cache = await openCache();
  const kept = await takeFromCache(cache, url, entry);
  if (kept) {
    onBytes?.(kept.length);
    return kept;
  }
  const response = await get(url, cache ? "no-store" : "no-cache", signal); // not twice on disk, never stale
  const bytes = await readBody(response, url, entry.bytes, { signal, onBytes });
  if (!(await isWhole(bytes, entry))) {
    throw new RuntimeError("hash", `${url.pathname} is damaged, or is the file of another model: its checksum differs`);
  }
  void putInCache(cache, url, entry, bytes);
  return bytes;
}

const cancelled = (): RuntimeError => new RuntimeError("cancelled", "cancelled");

async function get(url: URL, mode: RequestCache, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(url, { cache: mode, signal }).catch(() => {
    const message = `${url.pathname} cannot be fetched: there is no connection, or no answer`;
    throw signal?.aborted ? cancelled() : new RuntimeError("failed", message);
  });
  if (!response.ok) throw new RuntimeError("missing", `${url.pathname} is missing: the server says ${response.status}`);
  return response;
}

async function readBody(response: Response, url: URL, size: number, { signal, onBytes }: Fetching) {
  const bytes = new Uint8Array(size);
  const reader = response.body!.getReader();
  let loaded = 0;
  for (;;) {
    // A connection that breaks after the headers is an error here, and is the same to a person as an early end.
    const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
    if (signal?.aborted) throw cancelled();
    if (done || !value) break;
    if (loaded + value.length > size) {
      void reader.cancel();
      throw new RuntimeError("hash", `${url.pathname} has more than ${size} bytes: it is the file of another model`);
    }
    bytes.set(value, loaded);
    loaded += value.length;
    onBytes?.(value.length);
  }
  if (loaded < size) {
    throw new RuntimeError("truncated", `${url.pathname} came with ${loaded} bytes, not ${size}: try again`);
  }
  return bytes;
}

/** Outside of https and localhost the browser offers no SHA-256 (and no cache); then the size must do. */
async function isWhole(bytes: Uint8Array<ArrayBuffer>, { sha256 }: FileEntry): Promise<boolean> {
  if (!globalThis.crypto?.subtle) return true;
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}

// The cache is a help and no more: where storage is missing, forbidden, full or broken, every load is a download.

const cacheKey = (url: URL, { sha256 }: FileEntry): string => `${url.href}?sha256=${sha256}`;

async function openCache(): Promise<Cache | undefined> {
  try {
    return await caches.open(CACHE);
  } catch {
    return undefined;
  }
}

async function takeFromCache(cache: Cache | undefined, url: URL, entry: FileEntry) {
  try {
    const kept = await cache?.match(cacheKey(url, entry));
    const bytes = kept && new Uint8Array(await kept.arrayBuffer());
    return bytes && (await isWhole(bytes, entry)) ? bytes : undefined;
  } catch {
    return undefined;
  }
}

async function putInCache(cache: Cache | undefined, url: URL, entry: FileEntry, bytes: Uint8Array<ArrayBuffer>) {
  try {
    await cache?.delete(url.href, { ignoreSearch: true }); // the file's older versions
    await cache?.put(cacheKey(url, entry), new Response(bytes));
  } catch {
    // as said above
  }
}
