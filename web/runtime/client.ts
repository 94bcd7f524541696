/** The page's side of the runtime, and the only part that figures talk to. */
import { RuntimeError } from "./errors.js";
import type {
  AnswerOptions,
  Calls,
  CloudLearned,
  CloudOptions,
  CloudStep,
  DenoiseOptions,
  Filmed,
  FilmOptions,
  FilmStep,
  GameNumber,
  GameOptions,
  KeptGame,
  GanRound,
  GenerateOptions,
  GuessOptions,
  LookOptions,
  ModelConfig,
  ModelName,
  Part,
  PlayOptions,
  Progress,
  Reply,
  RunOptions,
  SampleOptions,
  Seen,
  SoundMade,
  SoundOptions,
  Start,
  StartOptions,
  StepEvent,
  TextHidden,
  Word,
  WriteOptions,
  Written,
} from "./messages.js";
import { checkBrowser } from "./session.js";

export { RuntimeError, type ErrorKind } from "./errors.js";
export type * from "./messages.js";
export type { SamplerName } from "./samplers.js";

export interface Cancellable {
  signal?: AbortSignal;
}

/** For work of several parts. */
export interface Parted {
  onPart?: (part: Part) => void;
}

export interface Stepped extends Cancellable {
  onStep?: (event: StepEvent) => void;
}

interface Waiting {
  resolve: (answer: never) => void;
  reject: (error: RuntimeError) => void;
  onEvent?: (event: never) => void;
}

/** How long a cancelled request may stay unanswered before its worker counts as hung. */
const PATIENCE = 8000;

export class Runtime {
  private static page?: Runtime;
  private worker?: Worker;
  private waiting = new Map<number, Waiting>();
  private lastId = 0;

  constructor(
    private readonly start: () => Worker,
    private readonly patience = PATIENCE,
  ) {}

  /** The page's one runtime; its worker starts with the first request. */
  static get(): Runtime {
    return (Runtime.page ??= new Runtime(() => {
      const root = new URL(document.documentElement.dataset["root"] ?? "./", document.baseURI);
      return new Worker(new URL("assets/js/worker.js", root), { type: "module" });
    }));
  }

  /** Opens these models and releases all others, so call it before each use: what is open already costs nothing. */
  async load<Name extends ModelName>(
    models: readonly Name[],
    o: { onProgress?: (progress: Progress) => void } & Cancellable = {},
  ): Promise<Record<Name, ModelConfig>> {
    checkBrowser();
    return this.ask("load", models, o.signal, o.onProgress);
  }

  /** A network's outputs by their names. */
  run(options: RunOptions, o: Cancellable = {}): Promise<Record<string, Float32Array>> {
    return this.ask("run", options, o.signal);
  }

  /** Unit vectors [256]: what text-to-image is told of a sentence as a whole. Needs clip/text alone. */
  summarise(texts: string[], o: Cancellable = {}): Promise<Float32Array[]> {
    return this.ask("summarise", texts, o.signal);
  }

  /** Unit embeddings [256], by clip/text and clip/order. */
  encodeText(texts: string[], o: Cancellable = {}): Promise<Float32Array[]> {
    return this.ask("encodeText", texts, o.signal);
  }

  /** Pictures RGBA 64 x 64 with straight alpha, seen over white -> unit embeddings [256]. */
  encodeImage(pictures: Uint8ClampedArray[], o: Cancellable = {}): Promise<Float32Array[]> {
    return this.ask("encodeImage", pictures, o.signal);
  }

  tokens(text: string) {
    return this.ask("tokens", text);
  }

  /** A prompt, or "", as what `generate` is told of it. */
  encodePrompt(prompt: string, o: Cancellable = {}): Promise<TextHidden> {
    return this.ask("encodePrompt", prompt, o.signal);
  }

  /** A picture as what `generate` begins from, by autoencoder/encoder. */
  startFrom(options: StartOptions, o: Cancellable = {}): Promise<Start> {
    return this.ask("startFrom", options, o.signal);
  }

  generate(options: GenerateOptions, o: Stepped = {}) {
    return this.ask("generate", options, o.signal, o.onStep);
  }

  /** A small picture of a class by pixel diffusion or its student: planes R, G, B [3, 32, 32] in [-1, 1]. */
  sample(options: SampleOptions, o: Stepped = {}): Promise<Float32Array> {
    return this.ask("sample", options, o.signal, o.onStep);
  }

  /** The clean small picture that pixel diffusion imagines in a noisy one: planes R, G, B [3, 32, 32]. */
  guess(options: GuessOptions, o: Cancellable = {}): Promise<Float32Array> {
    return this.ask("guess", options, o.signal);
  }

  /** The clean estimate at one noise level, without guidance. */
  denoise(options: DenoiseOptions, o: Cancellable = {}): Promise<Float32Array> {
    return this.ask("denoise", options, o.signal);
  }

  /** A latent [8, 16, 16] -> a picture RGBA 64 x 64 with straight alpha. */
  decode(latents: Float32Array): Promise<Uint8ClampedArray> {
    return this.ask("decode", latents);
  }

  /** A picture RGBA 64 x 64 -> the same drawn at 128 x 128. */
  enlarge(picture: Uint8ClampedArray, o: Cancellable = {}): Promise<Uint8ClampedArray> {
    return this.ask("enlarge", picture, o.signal);
  }

  /** What the vision-language model sees in a picture, for many questions. */
  look(options: LookOptions, o: Cancellable = {}): Promise<Seen> {
    return this.ask("look", options, o.signal);
  }

  /** The pieces of the answer, each as soon as it is there. */
  answer(options: AnswerOptions, o: { onWord?: (word: Word) => void } & Cancellable = {}): Promise<Word[]> {
    return this.ask("answer", options, o.signal, o.onWord);
  }

  /** A tiny story, by writer/next_word or writer/unmask; its drafts come as they are written. */
  write(options: WriteOptions, o: { onDraft?: (draft: Written) => void } & Cancellable = {}): Promise<Written> {
    return this.ask("write", options, o.signal, o.onDraft);
  }

  /** A sound effect of one second, by sound; onStep sees its spectrogram come out of noise. */
  sound(options: SoundOptions, o: Stepped & Parted = {}): Promise<SoundMade> {
    return this.ask("sound", options, o.signal, (event) =>
      "begins" in event ? o.onPart?.(event.begins) : o.onStep?.(event),
    );
  }

  /** A film of eight frames, by clip/text, text_few_steps, autoencoder/decoder and film. */
  film(options: FilmOptions, o: { onStep?: (step: FilmStep) => void } & Cancellable & Parted = {}): Promise<Filmed> {
    return this.ask("film", options, o.signal, (event) =>
      "begins" in event ? o.onPart?.(event.begins) : o.onStep?.(event),
    );
  }

  /** A new game of generator and discriminator, which the worker keeps; what its untrained players show. */
  startGame(options: GameOptions, o: Cancellable = {}) {
    return this.ask("startGame", options, o.signal);
  }

  /** A copy of a game as it is after the calls before; undefined where none has begun. */
  keepGame(game: GameNumber): Promise<KeptGame | undefined> {
    return this.ask("keepGame", game);
  }

  /** Plays on, after the calls before, and answers with the last round's pictures. To play 0 rounds ends them. */
  playGame(options: PlayOptions, o: { onRound?: (round: GanRound) => void } & Cancellable = {}) {
    return this.ask("playGame", options, o.signal, o.onRound);
  }

  /** A small network that learns a cloud of points in the worker. No model is needed for it. */
  learnCloud(
    options: CloudOptions,
    o: { onStep?: (step: CloudStep) => void } & Cancellable = {},
  ): Promise<CloudLearned> {
    return this.ask("learnCloud", options, o.signal, o.onStep);
  }

  private ask<K extends keyof Calls>(
    call: K,
    argument: Calls[K]["argument"],
    signal?: AbortSignal,
    onEvent?: (event: Calls[K]["event"]) => void,
  ): Promise<Calls[K]["answer"]> {
    return new Promise((resolve, reject) => {
      const cancelled = (): void => reject(new RuntimeError("cancelled", "cancelled"));
      if (signal?.aborted) return cancelled();
      const worker = (this.worker ??= this.startWorker());
      const id = ++this.lastId;
      const onAbort = (): void => {
        cancelled();
        worker.postMessage({ id, call: "cancel" });
        const hung = setTimeout(() => this.drop(worker, "the worker hung"), this.patience);
        const answered = (): void => clearTimeout(hung);
        this.waiting.set(id, { resolve: answered, reject: answered }); // and hears no more events
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const settled = (): void => signal?.removeEventListener("abort", onAbort);
      this.waiting.set(id, {
        resolve: (answer: Calls[K]["answer"]) => (settled(), resolve(answer)),
        reject: (error) => (settled(), reject(error)),
        onEvent,
      });
      worker.postMessage({ id, call, argument });
    });
  }

  private startWorker(): Worker {
    const worker = this.start();
    worker.onmessage = ({ data }: MessageEvent<Reply>) => this.hear(worker, data);
    worker.onerror = ({ message }) => this.drop(worker, `the worker stopped (${message ?? "no script"})`);
    return worker;
  }

  private hear(worker: Worker, reply: Reply): void {
    const waiting = this.waiting.get(reply.id);
    if (!waiting) return;
    if ("event" in reply) return waiting.onEvent?.(reply.event as never);
    this.waiting.delete(reply.id);
    if ("answer" in reply) return waiting.resolve(reply.answer as never);
    waiting.reject(new RuntimeError(reply.error.kind, reply.error.message, reply.error.values));
    if (reply.fatal) this.drop(worker, reply.error.message);
  }

  /** Ends a worker that is of no more use, and every request to it; the next request starts another. */
  private drop(worker: Worker, message: string): void {
    if (this.worker !== worker) return;
    worker.terminate();
    this.worker = undefined;
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of waiting) reject(new RuntimeError("failed", `${message}: try again`));
  }
}
