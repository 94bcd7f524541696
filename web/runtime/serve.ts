/** The worker's side of messages.ts: answer requests, hear a cancel between two steps, tell errors apart. */
import { answer as answerQuestion, look } from "./ask.js";
import { learnCloud } from "./cloud.js";
import { RuntimeError } from "./errors.js";
import { film } from "./film.js";
import { GAN_ROUND, type GanRoundGraph, type Sizes } from "./gan-round.js";
import { GanGame } from "./gan-game.js";
import type { Calls, Cancel, Control, Reply, Request } from "./messages.js";
import type { Models } from "./models.js";
import { nextTask } from "./next-task.js";
import {
  decode,
  denoise,
  encodeImage,
  encodePrompt,
  encodeText,
  enlarge,
  generate,
  guess,
  sample,
  startFrom,
  summarise,
  tokens,
} from "./pipeline.js";
import { sound } from "./sound.js";
import { write } from "./write.js";

/** What is used of a worker's own scope. */
export interface Port {
  onmessage: ((message: MessageEvent<Request | Cancel>) => unknown) | null;
  postMessage(reply: Reply, transfer: Transferable[]): void;
}

type Handlers = {
  [K in keyof Calls]: (
    argument: Calls[K]["argument"],
    control: Control<Calls[K]["event"]>,
  ) => Promise<Calls[K]["answer"]> | Calls[K]["answer"];
};

export function serve(port: Port, models: Models): void {
  const games = [0, 1].map(() => new GanGame(() => gan(models)));
  const handlers: Handlers = {
    load: (names, control) => models.load(names, control),
    run: ({ model, inputs }) => models.run(model, inputs),
    summarise: (texts, { pause }) => summarise(models, texts, pause),
    encodeText: (texts, { pause }) => encodeText(models, texts, pause),
    encodeImage: (pictures, { pause }) => encodeImage(models, pictures, pause),
    tokens: (text) => tokens(models, text),
    denoise: (options) => denoise(models, options),
    encodePrompt: (prompt) => encodePrompt(models, prompt),
    startFrom: (options) => startFrom(models, options),
    generate: (options, control) => generate(models, options, control),
    sample: (options, control) => sample(models, options, control),
    guess: (options) => guess(models, options),
    decode: (latents) => decode(models, latents),
    enlarge: (picture) => enlarge(models, picture),
    look: (options) => look(models, options),
    answer: (options, control) => answerQuestion(models, options, control),
    write: (options, control) => write(models, options, control),
    sound: (options, control) => sound(models, options, control),
    film: (options, control) => film(models, options, control),
    learnCloud: (options, control) => learnCloud(options, control),
    startGame: ({ seed, game = 0, kept }) => games[game]!.start(seed, kept),
    keepGame: (game) => games[game]!.keep(),
    playGame: (options, control) => games[options.game ?? 0]!.play(options, control),
  };
  const running = new Map<number, AbortController>();

  async function answer<K extends keyof Calls>({ id, call, argument }: Request<K>, signal: AbortSignal): Promise<void> {
    const control = {
      signal,
      emit: (event: Calls[K]["event"]) => port.postMessage({ id, event }, []),
      pause: async () => {
        await nextTask();
        if (signal.aborted) throw new RuntimeError("cancelled", "cancelled");
      },
    };
    try {
      const answer = await handlers[call](argument, control);
      port.postMessage({ id, answer }, buffers(answer));
    } catch (error) {
      const known = error instanceof RuntimeError;
      const { kind, message, values } = known ? error : new RuntimeError("failed", String(error));
      // What ONNX Runtime throws can leave its memory in any state.
      port.postMessage({ id, error: { kind, message, values }, fatal: !known }, []);
    }
  }

  port.onmessage = async ({ data }) => {
    if (data.call === "cancel") return running.get(data.id)?.abort();
    const abort = new AbortController();
    running.set(data.id, abort);
    await answer(data, abort.signal);
    running.delete(data.id);
  };
}

function gan(models: Models): GanRoundGraph {
  const { config, settings } = models.config(GAN_ROUND);
  return { run: (inputs) => models.run(GAN_ROUND, inputs), sizes: config as unknown as Sizes, settings: settings! };
}

/** The memory behind an answer, which is handed over instead of copied. */
function buffers(answer: unknown): Transferable[] {
  if (ArrayBuffer.isView(answer)) return [answer.buffer as ArrayBuffer];
  return answer instanceof Object ? Object.values(answer).flatMap(buffers) : [];
}
