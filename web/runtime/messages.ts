/** What the page and its worker say to each other; postMessage can carry all of it. */
import type { ErrorKind } from "./errors.js";
import type { MODELS } from "./generated.js";
import type { Settings, State } from "./gan-round.js";
import type { SamplerName } from "./samplers.js";
import type { Input } from "./session.js";

/** A model by its folder, or another graph over the weights of one: "clip/image/steer.onnx". */
export type ModelName = (typeof MODELS)[number] | `${(typeof MODELS)[number]}/${string}.onnx`;

export interface FileEntry {
  bytes: number;
  sha256: string;
}

/** How a denoiser is best sampled. */
export interface Sampling {
  sampler: SamplerName;
  num_inference_steps: number;
  guidance_scale: number; // 1 asks only for the estimate with the prompt
  guidance_interval: [number, number];
  shift: number; // of the times of the steps, see flow
}

/** A model folder's config.json. */
export interface ModelConfig {
  format: number;
  model: string;
  parameters: number;
  config: { classes?: string[]; jumps?: boolean; [size: string]: unknown }; // jumps: a few-step student
  files: Record<string, FileEntry>;
  needs?: Record<string, string>; // the SHA-256 sums of the weights it was trained on top of, by model
  shares?: string[]; // models whose weights its graph points into as well as into its own
  styles?: string[]; // of a denoiser
  defaults?: Partial<Sampling> & { temperature?: number }; // of a denoiser, or a writer
  names?: string[]; // of a writer: words that begin large
  logit_scale?: number; // of CLIP: match = sigmoid(scale * cosine + bias), share = softmax(scale * cosine)
  logit_bias?: number;
  settings?: Record<string, Settings>; // of the GAN that trains in the page
  latent_mean?: number[]; // of an autoencoder of a few numbers: where those of all training pictures lie
  latent_std?: number[];
}

/** Bytes of model files. */
export interface Progress {
  loaded: number;
  total: number;
  /** A model is being opened, the first time with the runtime itself still to come. */
  opening?: boolean;
}

/** A prompt as the text tower hands it on, so that a lesson with fixed prompts need not load the tower. */
export interface TextHidden {
  hidden: Float32Array; // [24, 192]
  words: Float32Array; // [24, 192]
  mask: Float32Array; // [24], 1 where a token is
  embedding: Float32Array; // [256]
}

export type Prompt = string | TextHidden;

/** A picture to begin from, or to paint a part of. */
export interface StartOptions {
  picture: Uint8ClampedArray; // RGBA 64 x 64
  strength: number; // 0 to 1, how much of the way from noise is walked
  mask?: Uint8Array; // [64 * 64], not 0 where to paint, if the rest is to stay
}

/** The same in latents; mask is one for all of their channels. */
export interface Start {
  latents: Float32Array;
  strength: number;
  mask?: Float32Array;
}

/** What is left out of a Sampling comes from the model's config.json. A few-step student has its own way to walk and
 * its guidance built in: it has no use for a sampler and a scale, and begins from noise alone. */
export interface GenerateOptions extends Partial<Sampling> {
  prompt: Prompt;
  negative_prompt?: Prompt; // by default "", for which the text tower must be loaded, unless guidance_scale is 1
  seed: number;
  style?: string;
  model?: ModelName; // the denoiser, by default text_to_image; or its student, text_few_steps
  start?: Start; // a picture, by default there is noise alone
}

export interface DenoiseOptions {
  latents: Float32Array;
  t: number;
  prompt: Prompt;
  style?: string;
  model?: ModelName;
}

/** What pixel diffusion is asked about one noise level, without guidance. */
export interface GuessOptions {
  noisy: Float32Array; // planes R, G, B [3, 32, 32]: (1 - t) of a picture and t of noise
  t: number;
  label?: string; // a class of the model, by default any
  model?: ModelName; // by default diffusion
}

/** A student: as in GenerateOptions. */
export interface SampleOptions extends Partial<Sampling> {
  label?: string; // a class of the model, by default any
  prompt?: string; // instead of a label: CLIP steers towards it, by clip/text, clip/order and clip/image/steer.onnx
  clip_guidance_scale?: number; // how strongly
  seed: number;
  model?: ModelName; // by default diffusion
}

/** After a step. All arrays are latents [8, 16, 16], or small pictures' planes R, G, B [3, 32, 32], or spectrograms
 * [1, 64, 64]. */
export interface StepEvent {
  step: number; // from 0
  steps: number;
  t: number; // the time at which the step began and `clean` was guessed
  noisy: Float32Array; // after the step
  clean: Float32Array; // the guess at its start
  withPrompt?: Float32Array; // under guidance, the two guesses of which `clean` was made
  withoutPrompt?: Float32Array;
  milliseconds: number;
}

export interface Generated {
  latents: Float32Array;
  picture: Uint8ClampedArray; // RGBA 64 x 64, straight alpha
}

export interface Tokens {
  pieces: string[];
  unknown: string[]; // words, each once, that are read in pieces or not at all
  unread: string[]; // words at the end that no longer fit
}

export interface GameOptions {
  seed: number;
  game?: GameNumber;
  kept?: KeptGame; // goes on from here, with what its last round showed
}

/** All that a game goes on from. */
export interface KeptGame {
  state: State;
  frozen: Pick<State, "generator" | "discriminator">[]; // their weights alone
  right: number[];
  passed: number[];
  shown: GanFrame;
}

/** The worker keeps two games, so that one can be played beside the other. */
export type GameNumber = 0 | 1;

/** Rounds of a game that the worker keeps; trains: whether generator and discriminator learn in them. */
export interface PlayOptions {
  settings: Settings; // one of config.json
  trains: [boolean, boolean];
  rounds: number; // 0 ends the calls before this one, after their round in hand
  game?: GameNumber;
}

/** What a round showed: 64 fakes [64, 3, 16, 16], their kinds, and how probably each picture is real by the verdict. */
export interface GanFrame {
  rounds: number;
  fakes: Float32Array;
  verdicts_real: Float32Array;
  verdicts_fake: Float32Array;
  kinds: number[]; // -1 where a fake is of no kind
}

/** Today's players against those frozen at the rounds FROZEN, as far as they are there. */
export interface GanSkill {
  rounds: number;
  fooled: number[]; // share of today's fakes that each frozen discriminator takes for real
  told: number[]; // share of each frozen generator's fakes, and as many real pictures, that today's discriminator
  // tells right
  passed: number; // the same two of the game itself, over the rounds since the last measurement
  raw: number;
}

/** After a round; pictures come at most three times a second. */
export interface GanRound {
  rounds: number;
  losses: Float32Array; // generator, discriminator
  milliseconds: number;
  frame?: GanFrame;
  skill?: GanSkill;
}

/** What the vision-language model keeps of a picture: keys and values of its layers, for the 64 patches. */
export interface Seen {
  keys: Float32Array;
  values: Float32Array;
}

export interface LookOptions {
  picture: Uint8ClampedArray; // RGBA 64 x 64
  seen?: boolean; // false: as if it was not there
}

export interface AnswerOptions {
  seen: Seen;
  question: string;
}

export interface Guess {
  text: string; // of a piece, with the space before it; "" is the end of the answer
  probability: number;
}

/** A piece of an answer. */
export interface Word extends Guess {
  looked: Float32Array; // [64], how much it looked at each patch: the mean of all layers
  alternatives: Guess[]; // the three most probable pieces, itself first
}

export type WriterName = "writer/next_word" | "writer/unmask";

export interface WriteOptions {
  prompt?: string; // how the story begins; by default from nothing
  seed: number;
  temperature?: number; // 0 always takes the likeliest; by default that of the model
  method?: "next_word" | "unmask"; // one word after the other, or out of blanks; its model must be loaded
  num_inference_steps?: number; // tokens more at most; or in how many steps all blanks are filled
}

/** A story so far. */
export interface Written {
  step: number; // 0 before the first
  steps: number;
  text: string; // "_" for a blank
  places: (string | null)[]; // the piece at each place, null for a blank, "" after the end
}

/** A part of the work that makes a sound or a film. */
export type Part = "label" | "words" | "noise" | "student" | "denoise" | "film" | "hear" | "decode";

/** It begins, and the one before is done. */
export interface Begins {
  begins: Part;
}

export interface SoundOptions extends Partial<Sampling> {
  prompt: string; // a class, and a word of each axis at most
  seed: number;
}

export interface SoundMade {
  picture: Float32Array; // the log-mel spectrogram [64, 64] in -1 .. 1, its first row the highest band
  samples: Float32Array; // [16000] in -1 .. 1
  rate: number; // samples a second
  unread: string[]; // words of the prompt that the model does not know
}

export interface FilmOptions {
  prompt: string; // a thing and its motion: "a red car moves left"
  seed: number;
  style?: string;
  num_inference_steps?: number; // 1, 2 or 4; by default those of the model
}

/** All frames of a film after a step, as latents [8, 16, 16]. */
export interface FilmStep {
  step: number; // from 0
  steps: number;
  t: number; // where it began
  noisy: Float32Array[];
  clean: Float32Array[]; // what the network imagines
  milliseconds: number;
}

export interface Filmed {
  thing: string; // what of the prompt moves
  motion: string | null; // and how; null: nothing that the model knows was said, so it stays
  picture: Uint8ClampedArray; // RGBA 64 x 64, as it was drawn first
  frames: Uint8ClampedArray[];
}

/** One network on its own, by the names of its graph's inputs. */
export interface RunOptions {
  model: ModelName;
  inputs: Record<string, Input>;
}

/** A cloud for the small network of lesson 4 to learn, with noise that then flows into it. */
export interface CloudOptions {
  points: Float64Array; // [n, 2]
  noise: Float64Array; // [m, 2]
  seed: number; // of its first weights and its practice
  steps?: number;
}

export interface CloudStep {
  steps: number; // so far
  loss: number;
  parameters: Float64Array;
}

export interface CloudLearned {
  flowing: Float32Array[]; // [m, 2] at each level, from pure noise to none
}

interface Call<Argument, Answer, Event = never> {
  argument: Argument;
  answer: Answer;
  event: Event;
}

/** What the worker can be asked. */
export interface Calls {
  load: Call<readonly ModelName[], Record<string, ModelConfig>, Progress>;
  run: Call<RunOptions, Record<string, Float32Array>>;
  summarise: Call<string[], Float32Array[]>;
  encodeText: Call<string[], Float32Array[]>;
  encodeImage: Call<Uint8ClampedArray[], Float32Array[]>;
  tokens: Call<string, Tokens>;
  denoise: Call<DenoiseOptions, Float32Array>;
  encodePrompt: Call<string, TextHidden>;
  startFrom: Call<StartOptions, Start>;
  generate: Call<GenerateOptions, Generated, StepEvent>;
  sample: Call<SampleOptions, Float32Array, StepEvent>;
  guess: Call<GuessOptions, Float32Array>;
  decode: Call<Float32Array, Uint8ClampedArray>;
  enlarge: Call<Uint8ClampedArray, Uint8ClampedArray>;
  look: Call<LookOptions, Seen>;
  answer: Call<AnswerOptions, Word[], Word>;
  write: Call<WriteOptions, Written, Written>;
  sound: Call<SoundOptions, SoundMade, StepEvent | Begins>;
  film: Call<FilmOptions, Filmed, FilmStep | Begins>;
  startGame: Call<GameOptions, GanFrame>;
  keepGame: Call<GameNumber, KeptGame | undefined>;
  learnCloud: Call<CloudOptions, CloudLearned, CloudStep>;
  playGame: Call<PlayOptions, GanFrame | undefined, GanRound>;
}

export type Request<K extends keyof Calls = keyof Calls> = {
  [C in K]: { id: number; call: C; argument: Calls[C]["argument"] };
}[K];

/** Ends the request of this id within one step; its answer is the error "cancelled". */
export interface Cancel {
  id: number;
  call: "cancel";
}

/** After a `fatal` error the worker is of no more use. */
export type Reply =
  | { id: number; event: Calls[keyof Calls]["event"] }
  | { id: number; answer: Calls[keyof Calls]["answer"] }
  | { id: number; error: { kind: ErrorKind; message: string; values: Record<string, string> }; fatal: boolean };

/** What a request is answered with in hand. */
export interface Control<Event = never> {
  emit: (event: Event) => void;
  /** Lets the worker hear messages; throws once the request is cancelled. */
  pause: () => Promise<void>;
  signal: AbortSignal;
}
