// The GAN that the package ships: noise and a class in, a picture out, in one pass. Counterpart: make in
// src/bozzetto/runtime/sample.py
import { html, nothing, type TemplateResult } from "lit";
import { concat, split } from "../../runtime/arrays.js";
import { type Cancellable, type ModelConfig, Runtime } from "../../runtime/client.js";
import { normal } from "../../runtime/noise.js";
import { toSolidPicture } from "../../runtime/pixels.js";
import { picture, type Pixels, pixels } from "../../ui/canvas.js";
import { classOf, classWords } from "../../ui/classes.js";
import type { Code } from "../../ui/code.js";
import { type Content } from "../../ui/figure-parts.js";
import { number, t } from "../../ui/strings.js";

export const EMOJI_GAN = "gan/generator";
export const MANY = 16;
const SIDE = 32;

export interface Drawn {
  label: string;
  pictures: Pixels[];
  milliseconds: number; // a picture
}

/** Pictures of one class, of this seed and the ones after it. */
export async function drawEmoji(
  { config }: ModelConfig,
  label: string,
  seed: number,
  count: number,
  o: Cancellable = {},
): Promise<Drawn> {
  const size = config["noise_size"] as number;
  const noise = concat(Array.from({ length: count }, (_, i) => normal(seed + i, size)));
  const index = config.classes!.indexOf(classOf(label) ?? "") + 1; // 0 for any class
  const inputs = {
    noise: { data: noise, dims: [count, size] },
    label: { data: new BigInt64Array(count).fill(BigInt(index)), dims: [count] },
  };
  const began = performance.now();
  const { pixels: planes } = await Runtime.get().run({ model: EMOJI_GAN, inputs }, o);
  const milliseconds = (performance.now() - began) / count;
  const pictures = split(planes!, count).map((one) => pixels(toSolidPicture(one), SIDE));
  return { label, pictures, milliseconds };
}

/** What it has drawn; `asked` is how many will be there. */
export function emojiPart(drawn: Drawn | undefined, asked: number): Content {
  if (!asked) return nothing;
  const label = (i: number) => t("step-the-game.emoji-label", { index: i + 1, label: classWords(drawn?.label ?? "") });
  const pictures = Array.from({ length: asked }, (_, i): TemplateResult => picture(drawn?.pictures[i], label(i)));
  const time = drawn && t("step-the-game.emoji-time", { ms: number(drawn.milliseconds, 1) });
  return html`<div class="emoji-drawn ${asked > 1 ? "many" : ""}">${pictures}</div>
    <p role="status">${time ?? "…"}</p>`;
}

export function emojiCode(label: string, seed: number, count: number): Required<Code> {
  const named = classOf(label);
  const python = `import bozzetto

pictures = bozzetto.sample("gan", ${named ? `label="${named}", ` : ""}seed=${seed}, n=${count})`;
  const shell = `bozzetto sample gan ${named ? `--label ${named} ` : ""}--seed ${seed} --n ${count} -o emoji.png`;
  return { python, shell };
}
