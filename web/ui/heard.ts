// A second of sound as one can meet it: a picture of it, and a button that plays it. It never plays by itself.
import { html, type TemplateResult } from "lit";
import type { SoundMade } from "../runtime/client.js";
import { picture, type Pixels } from "./canvas.js";
import { button } from "./figure-parts.js";
import { t } from "./strings.js";
import type { Work } from "./work.js";

/** What can be asked for, to begin with. */
export const SOUNDS = ["a rising laser", "a coin", "a long low bell", "a short high jump"] as const;

const PATIENCE = 2000; // milliseconds until a device that says nothing counts as none

let context: AudioContext | undefined;

/** Plays a sound. Rejects where the page may not, or nothing is there to play it on. */
async function play({ samples, rate }: Pick<SoundMade, "samples" | "rate">): Promise<void> {
  const silent = new Error(t("shell.no-sound"));
  try {
    context ??= new AudioContext();
    const late = new Promise<never>((_, reject) => setTimeout(reject, PATIENCE, silent));
    await Promise.race([context.resume(), late]);
    const source = context.createBufferSource();
    source.buffer = context.createBuffer(1, samples.length, rate);
    source.buffer.copyToChannel(new Float32Array(samples), 0);
    source.connect(context.destination);
    source.start();
  } catch {
    throw silent;
  }
}

/** Values in -1 .. 1, a square of them, as pixels: loud is dark, as ink on paper. */
function spectrogram(values: Float32Array): Pixels {
  const width = Math.sqrt(values.length);
  const data = new Uint8ClampedArray(4 * values.length);
  values.forEach((value, i) => data.set([...INK.map((ink) => 250 - ((value + 1) / 2) * (250 - ink)), 255], 4 * i));
  return { data, width, height: width };
}

const INK = [44, 30, 22] as const;

/** `sound` plays beside whatever `work` is doing, which says when nothing can be heard. */
export function soundPart(
  values: Float32Array,
  words: string,
  sound: SoundMade | undefined,
  work: Work,
): TemplateResult {
  const listen = () => void play(sound!).catch((error: unknown) => work.fail(error));
  return html`<div class="heard">
    ${button(t("shell.listen"), listen, "", !sound)}
    ${picture(spectrogram(values), t("shell.spectrogram", { words }))}
  </div>`;
}
