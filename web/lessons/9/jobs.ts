// The jobs of "Same blocks": what each needs, what it is asked, and how its state reads in a link.
import type { ModelName, Part } from "../../runtime/client.js";
import { FILM, FRAME, GUIDANCE, LIMITS, SOUND } from "../../runtime/generated.js";
import { CLIP_MODELS } from "../../ui/clip.js";
import { SOUNDS } from "../../ui/heard.js";
import { defineFields, type StateOf } from "../../ui/state.js";

export const JOBS = ["vary", "make", "repaint", "story", "tale", "sound", "clip", "find", "ask"] as const;
export type Job = (typeof JOBS)[number];

/** A block of a chain. The encoder and the decoder are lesson 3's, the towers lesson 7's, looker and talker lesson 6's. */
export type Block = Part | "encode" | "see" | "match" | "look" | "talk" | "tell";

/** The blocks of each job, in the order in which something passes through them. */
export const CHAINS: Record<Job, readonly Block[]> = {
  vary: ["encode", "noise", "words", "denoise", "decode"],
  make: ["noise", "words", "denoise", "decode", "see", "match"],
  repaint: ["encode", "noise", "words", "denoise", "decode"],
  story: ["noise", "words", "denoise", "decode"],
  tale: ["tell", "noise", "words", "denoise", "decode", "look", "talk"],
  sound: ["label", "noise", "denoise", "hear"],
  clip: ["words", "student", "noise", "film", "decode"],
  find: ["words", "see", "match", "look", "talk"],
  ask: ["look", "talk"],
};

const DRAWING = ["clip/text", "text_to_image", "autoencoder/decoder"] as const;
const EDITING = ["autoencoder/encoder", ...DRAWING] as const;
const READING = ["vlm", "vlm/look.onnx"] as const;
export const MODELS: Record<Job, readonly ModelName[]> = {
  vary: EDITING,
  make: [...DRAWING, "clip/order", "clip/image"],
  repaint: EDITING,
  story: DRAWING,
  tale: ["writer/next_word", ...DRAWING, ...READING],
  sound: ["sound"],
  clip: CLIP_MODELS,
  find: ["clip/text", "clip/order", ...READING],
  ask: READING,
};

/** How many pictures a job draws; they have the seeds after each other, or one and the same where they tell a story. */
export const DRAWN = { vary: 4, make: 4, repaint: 1, story: 3, tale: 2 } as const;
/** How many pictures of the gallery are found. */
export const FOUND = 6;
/** What is asked of what was found or drawn: English, as the model reads it. */
export const CAPTION = "describe the picture.";
/** What can be looked for and asked, to begin with. */
export const IDEAS: Partial<Record<Job, readonly string[]>> = {
  tale: ["a yellow star.", "a red apple.", "a sun above a house.", "two happy ghosts"],
  sound: SOUNDS,
  clip: ["a red apple moves left", "a robot grows", "a yellow star spins", "a heart fades"],
  find: ["a red fruit", "a vehicle", "a musical instrument", "a happy face", "a sea animal"],
  ask: ["what is this?", "what color is it?", "is there a dog?", "how many things are there?", "describe the picture."],
};

/** The words that a job knows, where it knows so few. */
export const KNOWN: Partial<Record<Job, readonly string[]>> = {
  sound: [...SOUND.classes, ...SOUND.axes.flat()],
  clip: Object.keys(FILM.motions),
};

/** What a tale is drawn from: its first sentence and its last. */
export function ends(tale: string): string[] {
  const told = tale.split(".").map((sentence) => sentence.trim());
  const whole = told.filter(Boolean);
  return [...whole.slice(0, 1), ...whole.slice(-1)];
}

/** In a storyboard's sentence this stands for who it is about. */
export const WHO = "*";

/** Squares of a mask, in a row and in a column. */
export const SQUARES = 16;
const SQUARE = FRAME / SQUARES;

export type Mask = readonly boolean[]; // by rows

/** Four squares a letter. */
export function parseMask(text: string): Mask {
  return [...text].flatMap((letter) => [8, 4, 2, 1].map((bit) => (parseInt(letter, 16) & bit) > 0));
}

export function writeMask(mask: Mask): string {
  return Array.from({ length: mask.length / 4 }, (_, i) => {
    return mask
      .slice(4 * i, 4 * i + 4)
      .reduce((sum, painted) => 2 * sum + +painted, 0)
      .toString(16);
  }).join("");
}

/** The mask of each pixel. */
export function maskPixels(mask: Mask): Uint8Array {
  const at = (i: number) => Math.floor(Math.floor(i / FRAME) / SQUARE) * SQUARES + Math.floor((i % FRAME) / SQUARE);
  return Uint8Array.from({ length: FRAME * FRAME }, (_, i) => +mask[at(i)]!);
}

/** The squares on the way from one to another, both among them. */
export function between(from: number, to: number): number[] {
  const [x, y] = [from % SQUARES, Math.floor(from / SQUARES)];
  const [dx, dy] = [(to % SQUARES) - x, Math.floor(to / SQUARES) - y];
  const steps = Math.max(Math.abs(dx), Math.abs(dy));
  return Array.from({ length: steps + 1 }, (_, i) => {
    const share = steps ? i / steps : 0;
    return Math.round(y + share * dy) * SQUARES + Math.round(x + share * dx);
  });
}

/** Whether nothing of a picture is to be seen. */
export function isEmpty(picture: Uint8ClampedArray): boolean {
  for (let i = 3; i < picture.length; i += 4) if (picture[i]) return false;
  return true;
}

/** The sentences of a storyboard. */
export function scenes({ who, scene_1, scene_2, scene_3 }: State): string[] {
  return [scene_1, scene_2, scene_3].map((scene) => scene.replaceAll(WHO, who.trim()).trim());
}

const ABOVE = "f".repeat(32) + "0".repeat(32); // the upper half
const text = (words: string) => ({ kind: "text", default: words, max: LIMITS.prompt }) as const;

export const FIELDS = defineFields({
  job: { kind: "choice", default: "vary", options: JOBS },
  picture: { kind: "int", default: -1, min: -1, max: 99_999 },
  vary: text("a rocket"),
  strength: { kind: "float", default: 0.6, min: 0, max: 1, step: 0.05 },
  make: text("a happy robot"),
  repaint: text("a cactus"),
  mask: { kind: "text", default: ABOVE, max: 64, form: /^[0-9a-f]{64}$/ },
  who: { kind: "text", default: "heart", max: 60 },
  scene_1: { kind: "text", default: `a red ${WHO}`, max: 120 },
  scene_2: { kind: "text", default: `a broken ${WHO}`, max: 120 },
  scene_3: { kind: "text", default: `a sparkling ${WHO}`, max: 120 },
  tale: text("a yellow star."), // with its full stop the first sentence is short, and drawn well
  sound: text("a rising laser"),
  clip: text("a red apple moves left"),
  find: text("a red fruit"),
  ask: { kind: "text", default: "what is this?", max: LIMITS.question },
  seed: { kind: "int", default: 7, min: 0, max: Number.MAX_SAFE_INTEGER - 3 },
  num_inference_steps: { kind: "int", default: 8, min: 1, max: 50 },
  guidance_scale: { kind: "float", default: GUIDANCE.text_to_image, min: 0, max: 10 },
});
export type State = StateOf<typeof FIELDS>;

const DRAWN_BY = ["seed", "num_inference_steps", "guidance_scale"] as const;
/** The fields on which a job's result depends, a picture of one's own aside. */
export const ASKED: Record<Job, readonly (keyof State)[]> = {
  vary: ["picture", "vary", "strength", ...DRAWN_BY],
  make: ["make", ...DRAWN_BY],
  repaint: ["picture", "repaint", "mask", ...DRAWN_BY],
  story: ["who", "scene_1", "scene_2", "scene_3", ...DRAWN_BY],
  tale: ["tale", ...DRAWN_BY],
  sound: ["sound", "seed"],
  clip: ["clip", "seed"],
  find: ["find"],
  ask: ["picture", "ask"],
};

/** Whether a job begins with a picture. */
export function takesPicture(job: Job): boolean {
  return (ASKED[job] as readonly string[]).includes("picture");
}
