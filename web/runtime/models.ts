/** The open models: those that the last `load` named, and no others, since memory is short on small devices. */
import { RuntimeError } from "./errors.js";
import type { Control, ModelConfig, Progress } from "./messages.js";
import { Reader } from "./reading.js";
import type { Input, Session, Weights } from "./session.js";
import { readConfig, readFile } from "./store.js";
import { Tokenizer } from "./tokenizer.js";

interface Open {
  config: ModelConfig;
  session: Session;
  tokenizer?: Tokenizer;
}

const VOCABULARY = "vocabulary.txt";
const WEIGHTS = "model.safetensors";

/** A model's folder and graph. "clip/image/steer.onnx" is another graph over the weights of clip/image. */
function parts(name: string): [folder: string, graph: string] {
  const cut = name.lastIndexOf("/");
  return name.endsWith(".onnx") ? [name.slice(0, cut), name.slice(cut + 1)] : [name, "graph.onnx"];
}

/** The files of a model that are needed for one of its graphs. */
function filesFor(graph: string, { files }: ModelConfig): string[] {
  return Object.keys(files).filter((file) => file === graph || !file.endsWith(".onnx"));
}

export class Models {
  private readonly opened = new Map<string, Open>();
  private loading: Promise<unknown> = Promise.resolve();
  private readonly reader: Reader;

  constructor(
    /** The site's models/ folder. */
    private readonly folder: URL,
    private readonly openSession: (graph: Uint8Array, weights: Weights) => Promise<Session>,
  ) {
    this.reader = new Reader(new URL("../data/emoji.tsv", folder));
  }

  /** Open these, release the others. One load waits for the one before, so that the last one decides. */
  load(names: readonly string[], control: Control<Progress>): Promise<Record<string, ModelConfig>> {
    const loading = this.loading.then(() => this.loadNow(names, control));
    this.loading = loading.catch(() => undefined);
    return loading;
  }

  private async loadNow(names: readonly string[], { emit, pause, signal }: Control<Progress>) {
    const configs = await Promise.all(
      names.map(async (name) => this.opened.get(name)?.config ?? readConfig(this.folder, parts(name)[0], signal)),
    );
    checkNeeds(configs);
    for (const [name, { session }] of this.opened) {
      if (names.includes(name)) continue;
      this.opened.delete(name);
      await session.release();
    }
    // By folder, so that graphs over the same weights fetch them once.
    const closed = new Map<string, { config: ModelConfig; graphs: [name: string, graph: string][] }>();
    for (const [i, name] of names.entries()) {
      if (this.opened.has(name)) continue;
      const [folder, graph] = parts(name);
      const { graphs } = closed.get(folder) ?? { graphs: [] };
      closed.set(folder, { config: configs[i]!, graphs: [...graphs, [name, graph]] });
    }
    const folders = [...closed.values()].map(({ config, graphs }) => {
      const wanted = [...new Set(graphs.flatMap(([, graph]) => filesFor(graph, config)))];
      return { config, graphs, wanted };
    });
    const sizes = folders.flatMap(({ config, wanted }) => wanted.map((file) => config.files[file]!.bytes));
    const progress = { loaded: 0, total: sizes.reduce((sum, size) => sum + size, 0) };
    if (folders.length > 0) emit({ ...progress });
    const read = new Map<string, Uint8Array>();
    for (const { config, graphs, wanted } of folders) {
      const fetched = async (file: string) => {
        const onBytes = (count: number): void => emit({ ...progress, loaded: (progress.loaded += count) });
        return [file, await readFile(this.folder, config, file, { signal, onBytes })] as const;
      };
      const files = Object.fromEntries(await Promise.all(wanted.map(fetched)));
      read.set(config.model, files[WEIGHTS]!);
      const weights = await this.weights(config, read, signal);
      const words = files[VOCABULARY];
      const tokenizer = words && Tokenizer.read(words);
      for (const [name, graph] of graphs) {
        emit({ ...progress, opening: true });
        await pause();
        const session = await this.openSession(files[graph]!, weights);
        this.opened.set(name, { config, session, tokenizer });
      }
    }
    return Object.fromEntries(names.map((name, i) => [name, configs[i]!]));
  }

  /** What the graphs of a model point into: its own weights, of those `read` in this load, and those that it shares. */
  private async weights(config: ModelConfig, read: Map<string, Uint8Array>, signal: AbortSignal): Promise<Weights> {
    const own = read.get(config.model)!;
    if (!config.shares) return { [WEIGHTS]: own };
    const weights = { [`${config.model}/${WEIGHTS}`]: own };
    for (const other of config.shares) {
      const kept = read.get(other);
      const shared =
        kept ?? (await readFile(this.folder, await readConfig(this.folder, other, signal), WEIGHTS, { signal }));
      weights[`${other}/${WEIGHTS}`] = shared;
    }
    return weights;
  }

  private find(name: string): Open {
    const open = this.opened.get(name);
    if (!open) throw new RuntimeError("failed", `the model ${name} is not loaded, or was released by a later load`);
    return open;
  }

  config(name: string): ModelConfig {
    return this.find(name).config;
  }

  run(name: string, inputs: Record<string, Input>): Promise<Record<string, Float32Array>> {
    return this.find(name).session.run(inputs);
  }

  /** Texts as the tokenizer takes them. */
  async readable(texts: string[]): Promise<string[]> {
    await this.reader.learn(texts);
    return texts.map((text) => this.reader.read(text));
  }

  /** That of a model; without a name that of the models that read pictures or draw, which have one vocabulary. */
  tokenizer(name?: string): Tokenizer {
    const reader = ["clip/text", "vlm"].find((model) => this.opened.get(model)?.tokenizer);
    return this.find(name ?? reader ?? "clip/text").tokenizer!;
  }
}

/** A model works only with the very weights that it was trained on top of. */
function checkNeeds(configs: ModelConfig[]): void {
  for (const { model, needs = {} } of configs) {
    for (const other of configs) {
      const expected = needs[other.model];
      if (expected && other.files["model.safetensors"]?.sha256 !== expected) {
        throw new RuntimeError("hash", `${model} was trained with another ${other.model} than the one that is here`);
      }
    }
  }
}
