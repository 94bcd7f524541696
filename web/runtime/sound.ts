/** One-second sound effects from words. Counterparts: src/bozzetto/runtime/sound.py and spectrogram.py */
import { concat, split } from "./arrays.js";
import { RuntimeError } from "./errors.js";
import { LIMITS, SOUND as FACTS } from "./generated.js";
import type { Begins, Control, SoundMade, SoundOptions, StepEvent } from "./messages.js";
import type { Models } from "./models.js";
import { chosen, walk } from "./pipeline.js";

const { rate, bands, frames, window: WINDOW, hop, lowest, highest, range, silent, full } = FACTS;
const BINS = WINDOW / 2 + 1;
const BEFORE = (WINDOW - hop) / 2; // samples of the first frame before the sound begins
const WORD = /power[- ]?up\b|[\p{L}\p{N}_]+/gu;
const KINDS: readonly (readonly string[])[] = [FACTS.classes, ...FACTS.axes];
const WORDS = KINDS.flat();

/** A prompt as the network's label [4], and the words that are not read. */
export function readWords(prompt: string): { label: number[]; unread: string[] } {
  const found = prompt.toLowerCase().match(WORD) ?? [];
  const words = [...new Set(found.map((word) => (/^power.?up$/.test(word) ? "power-up" : word)))];
  const known = words.filter((word) => WORDS.includes(word));
  if (known.length === 0) {
    const [classes, axes] = [FACTS.classes, FACTS.axes.flat()].map((known) => known.join(", "));
    const why = `prompt has no word that the model knows: say one of ${classes}; ${axes}`;
    throw new RuntimeError("no-sound-word", why, { classes: classes!, axes: axes! });
  }
  const label = KINDS.map((kind) => {
    const [first, second] = known.filter((word) => kind.includes(word));
    if (second) {
      const message = `prompt says both "${first}" and "${second}": leave one of them out`;
      throw new RuntimeError("two-words", message, { first: first!, second });
    }
    return first ? WORDS.indexOf(first) + 1 : 0;
  });
  const fillers: readonly string[] = FACTS.fillers;
  return { label, unread: words.filter((word) => !WORDS.includes(word) && !fillers.includes(word)) };
}

/** Makes a sound; every step of its picture [1, 64, 64] is an event, and so is the beginning of each part. */
export async function sound(
  models: Models,
  { prompt, seed, ...asked }: SoundOptions,
  { emit, pause }: Omit<Control<StepEvent | Begins>, "signal">,
): Promise<SoundMade> {
  emit({ begins: "label" });
  const length = [...prompt].length;
  if (length > LIMITS.prompt) {
    throw new RuntimeError("failed", `prompt has ${length} characters: keep it to ${LIMITS.prompt} at most`);
  }
  const [read] = await models.readable([prompt]);
  const { label, unread } = readWords(read!);
  const [sampling] = chosen(models, "sound", asked);
  if (!label.some(Boolean)) sampling.guidance_scale = 1; // both estimates would be the same
  emit({ begins: "noise" });
  let begun = false;
  const ask = async (x: Float32Array, t: number, both: boolean): Promise<Float32Array[]> => {
    if (!begun) emit({ begins: "denoise" });
    begun = true;
    const labels = both ? [label, label.map(() => 0)] : [label];
    const { clean } = await models.run("sound", {
      x: { data: concat(labels.map(() => x)), dims: [labels.length, 1, bands, frames] },
      t: { data: new Float32Array(labels.length).fill(t), dims: [labels.length] },
      label: { data: BigInt64Array.from(labels.flat(), BigInt), dims: [labels.length, label.length] },
    });
    return split(clean!, labels.length);
  };
  const picture = await walk(sampling, false, seed, [1, bands, frames], ask, { emit, pause });
  emit({ begins: "hear" });
  await pause();
  return { picture, samples: toSound(picture), rate, unread };
}

/** The discrete Fourier transform of re + i im, in place; its length is a power of 2 (Cooley & Tukey 1965). */
export function transform(re: Float64Array, im: Float64Array): void {
  const size = re.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j |= bit;
    if (i < j) [re[i], re[j], im[i], im[j]] = [re[j]!, re[i]!, im[j]!, im[i]!];
  }
  for (let half = 1; half < size; half *= 2) {
    for (let k = 0; k < half; k++) {
      const c = Math.cos((Math.PI * k) / half);
      const s = Math.sin((Math.PI * k) / half);
      for (let a = k; a < size; a += 2 * half) {
        const b = a + half;
        const real = re[b]! * c + im[b]! * s;
        const imaginary = im[b]! * c - re[b]! * s;
        re[b] = re[a]! - real;
        im[b] = im[a]! - imaginary;
        re[a] = re[a]! + real;
        im[a] = im[a]! + imaginary;
      }
    }
  }
}

const WINDOWED = Float64Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW));
const OVERLAP = new Float64Array(rate + WINDOW - hop);
for (let frame = 0; frame < frames; frame++) {
  for (let i = 0; i < WINDOW; i++) OVERLAP[frame * hop + i]! += WINDOWED[i]! ** 2;
}

/** 64 frames of 513 complex numbers. */
interface Spectrum {
  re: Float64Array;
  im: Float64Array;
}

/** A sound with silence around it -> its spectrum. Two frames are transformed at once, the second one as the imaginary
 * part: what is even in the answer comes from the first, what is odd from the second. */
function spectrum(padded: Float64Array): Spectrum {
  const all: Spectrum = { re: new Float64Array(frames * BINS), im: new Float64Array(frames * BINS) };
  const a = new Float64Array(WINDOW);
  const b = new Float64Array(WINDOW);
  for (let frame = 0; frame < frames; frame += 2) {
    const at = frame * hop;
    for (let i = 0; i < WINDOW; i++) {
      a[i] = padded[at + i]! * WINDOWED[i]!;
      b[i] = padded[at + hop + i]! * WINDOWED[i]!;
    }
    transform(a, b);
    for (let k = 0, j = frame * BINS; k < BINS; k++, j++) {
      const mirrored = (WINDOW - k) % WINDOW;
      all.re[j] = (a[k]! + a[mirrored]!) / 2;
      all.im[j] = (b[k]! - b[mirrored]!) / 2;
      all.re[j + BINS] = (b[k]! + b[mirrored]!) / 2;
      all.im[j + BINS] = (a[mirrored]! - a[k]!) / 2;
    }
  }
  return all;
}

/** The sound whose spectrum is nearest, with silence around it. */
function fromSpectrum({ re, im }: Spectrum): Float64Array {
  const padded = new Float64Array(OVERLAP.length);
  const a = new Float64Array(WINDOW);
  const b = new Float64Array(WINDOW);
  for (let frame = 0; frame < frames; frame += 2) {
    for (let k = 0, j = frame * BINS; k < BINS; k++, j++) {
      const real = k === 0 || k === BINS - 1; // in a real sound these have no imaginary part
      const [first, second] = real ? [0, 0] : [im[j]!, im[j + BINS]!];
      // The conjugate goes in, so that the transform is the way back.
      a[k] = re[j]! - second;
      b[k] = -(first + re[j + BINS]!);
      if (real) continue;
      a[WINDOW - k] = re[j]! + second;
      b[WINDOW - k] = first - re[j + BINS]!;
    }
    transform(a, b);
    const at = frame * hop;
    for (let i = 0; i < WINDOW; i++) {
      padded[at + i]! += (a[i]! / WINDOW) * WINDOWED[i]!;
      padded[at + hop + i]! -= (b[i]! / WINDOW) * WINDOWED[i]!;
    }
  }
  for (let at = 0; at < padded.length; at++) {
    const inside = at >= BEFORE && at < BEFORE + rate;
    padded[at] = inside ? padded[at]! / Math.max(OVERLAP[at]!, 1e-3) : 0;
  }
  return padded;
}

function mel(frequency: number): number {
  return 2595 * Math.log10(1 + frequency / 700);
}

// For each number of a spectrum the band whose middle is next below, counted from 1, and what part of it belongs to the
// band above. Bands 0 and 65 are there for what lies outside, and are silent.
const PLACES = Float64Array.from({ length: BINS }, (_, k) => {
  const place = ((mel((k * rate) / WINDOW) - mel(lowest)) / (mel(highest) - mel(lowest))) * (bands + 1);
  return Math.min(Math.max(place, 0), bands + 1);
});

/** What the triangles make of a spectrum's magnitudes [513]: [66]. */
function toBands(magnitudes: Float64Array): Float64Array {
  const gathered = new Float64Array(bands + 2);
  for (let k = 0; k < BINS; k++) {
    const below = Math.floor(PLACES[k]!);
    const above = PLACES[k]! - below;
    gathered[below] = gathered[below]! + (1 - above) * magnitudes[k]!;
    if (above > 0) gathered[below + 1] = gathered[below + 1]! + above * magnitudes[k]!;
  }
  gathered[0] = gathered[bands + 1] = 0;
  return gathered;
}

/** Its transpose: [66] -> [513]. */
function fromBands(values: Float64Array): Float64Array {
  const spread = new Float64Array(BINS);
  for (let k = 0; k < BINS; k++) {
    const below = Math.floor(PLACES[k]!);
    const above = PLACES[k]! - below;
    spread[k] = (1 - above) * values[below]! + (above > 0 ? above * values[below + 1]! : 0);
  }
  return spread;
}

/** The magnitudes [64, 513] whose bands are nearest to those of a picture. */
function magnitudes(picture: Float32Array): Float64Array {
  const all = new Float64Array(frames * BINS);
  const areas = toBands(new Float64Array(BINS).fill(1));
  for (let frame = 0; frame < frames; frame++) {
    const target = new Float64Array(bands + 2);
    for (let band = 1; band <= bands; band++) {
      const value = picture[(bands - band) * frames + frame]!;
      target[band] = value > silent ? full * 10 ** (((value - 1) * range) / 40) : 0;
    }
    const found = fromBands(target.map((value, band) => (value ? value / areas[band]! : 0)));
    const wanted = fromBands(target);
    for (let step = 0; step < FACTS.undo_steps; step++) {
      const now = fromBands(toBands(found));
      for (let k = 0; k < BINS; k++) found[k] = (found[k]! * wanted[k]!) / Math.max(now[k]!, 1e-9);
    }
    all.set(found, frame * BINS);
  }
  return all;
}

/** A sound [16000] with this picture [64, 64], by Griffin-Lim. */
export function toSound(picture: Float32Array): Float32Array {
  const wanted = magnitudes(picture);
  const aim: Spectrum = { re: wanted.slice(), im: new Float64Array(wanted.length) };
  let before: Spectrum = { re: wanted.slice(), im: aim.im.slice() };
  for (let step = 0; step < FACTS.phase_steps; step++) {
    const now = spectrum(fromSpectrum(aim));
    for (let k = 0; k < wanted.length; k++) {
      const re = now.re[k]! + FACTS.momentum * (now.re[k]! - before.re[k]!);
      const im = now.im[k]! + FACTS.momentum * (now.im[k]! - before.im[k]!);
      const scale = wanted[k]! / Math.max(Math.sqrt(re * re + im * im), 1e-9);
      aim.re[k] = re * scale;
      aim.im[k] = im * scale;
    }
    before = now;
  }
  const heard = fromSpectrum(aim).subarray(BEFORE, BEFORE + rate);
  const loudest = heard.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return Float32Array.from(heard, (value) => value / loudest);
}
