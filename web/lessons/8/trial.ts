// Several quick pictures beside each other, and CLIP as their scorer.
import { html, nothing, type TemplateResult } from "lit";
import { cosines, dequantise, dot } from "../../core/vectors.js";
import { conceptOf } from "../../core/words.js";
import { Runtime } from "../../runtime/client.js";
import { FRAME, NOUNS } from "../../runtime/generated.js";
import { picture, type Pixels } from "../../ui/canvas.js";
import { cardUrl, type Content, dataTable } from "../../ui/figure-parts.js";
import { optionalFile, optionalJson } from "../../ui/site.js";
import { percent, t } from "../../ui/strings.js";
import type { Asked } from "./asked.js";
import type { Found, Mark, Named } from "./composition.js";
import type { WeakSpot } from "./weak-spots.js";
import { rivals, seenInstead } from "./words.js";

export const SKETCH_STEPS = 8; // enough to see where a picture goes

interface Tile {
  name: string;
  pixels?: Pixels;
  /** With a scorer: what CLIP sees in it, "" for the words that were asked for. */
  seen?: string;
  /** Of a scene: what of it the picture holds. */
  marks?: Mark[];
}

/** Several quick pictures: a prompt growing word by word, or neighbouring seeds, drawn whole or in layers. */
export interface Trial {
  kind: "grow" | "seeds" | "layers";
  prompt: string;
  /** What was asked for, if its pictures can be checked. */
  scene?: Asked;
  /** How many names the words had to beat. */
  rivals: number;
  tiles: Tile[];
}

/** data/labels.json and labels.embeddings.bin: the names of the picture world as CLIP's text half encodes them. */
interface Labels {
  names: string[];
  embedding_scale: number;
}

async function openLabels(): Promise<{ names: string[]; table: Float32Array[] } | undefined> {
  const labels = await optionalJson<Labels>("data/labels.json");
  const file = await optionalFile("data/labels.embeddings.bin");
  if (!labels || !file) return undefined;
  const { names, embedding_scale } = labels;
  return { names, table: dequantise(new Int8Array(await file.arrayBuffer()), embedding_scale, names.length) };
}

export interface Scorer {
  /** How many names there are to see instead. */
  rivals: number;
  /** What CLIP sees in a picture, by its vector: "" for the words that were asked for. */
  sees: (vector: Float32Array) => string;
}

/** CLIP as a scorer: are the words of the prompt nearer to a picture than every name that has none of them? */
export async function openScorer(prompt: string, target: Float32Array): Promise<Scorer | undefined> {
  const opened = await openLabels();
  if (!opened) return undefined;
  const { names, table } = opened;
  const places = rivals(prompt, names);
  const sees = (vector: Float32Array): string => {
    const other = seenInstead(dot(target, vector), cosines(vector, table), places);
    return other === undefined ? "" : names[other]!;
  };
  return { rivals: places.length, sees };
}

/** Two things are told apart by CLIP: how well it finds that each is called by each noun of scenes. Undefined where it
 * has no place for one of the wanted names. */
export async function openNaming(
  wanted: readonly string[],
): Promise<((picture: Uint8ClampedArray, found: Found[]) => Promise<Named>) | undefined> {
  const opened = await openLabels();
  if (!opened) return undefined;
  const names = NOUNS.filter((noun) => opened.names.includes(conceptOf(noun)));
  if (!wanted.every((name) => (names as string[]).includes(name))) return undefined;
  const rows = names.map((noun) => opened.table[opened.names.indexOf(conceptOf(noun))]!);
  return async (picture, found) => {
    const vectors = await Runtime.get().encodeImage(found.map((one) => alone(picture, one)));
    return { names, scores: vectors.map((vector) => cosines(vector, rows)) };
  };
}

/** A thing cut out, in the middle of a picture of its own. */
function alone(picture: Uint8ClampedArray, { mask, left, top, right, bottom }: Found): Uint8ClampedArray {
  const [width, height] = [right - left, bottom - top];
  const side = Math.max(width, height) + 2 * Math.max(1, Math.max(width, height) >> 4);
  const cut = new OffscreenCanvas(FRAME, FRAME);
  const data = picture.map((value, i) => (mask[i >> 2] ? value : 0));
  cut.getContext("2d")!.putImageData(new ImageData(data, FRAME, FRAME), 0, 0);
  const context = new OffscreenCanvas(FRAME, FRAME).getContext("2d", { willReadFrequently: true })!;
  context.imageSmoothingQuality = "high";
  const scale = FRAME / side;
  const place = [(FRAME - scale * width) / 2, (FRAME - scale * height) / 2, scale * width, scale * height] as const;
  context.drawImage(cut, left, top, width, height, ...place);
  return context.getImageData(0, 0, FRAME, FRAME).data;
}

export function trialPart(trial: Trial | undefined, spots: readonly WeakSpot[]): Content {
  if (!trial) return nothing;
  return html`<section class="trial ${trial.kind}">
    <h3>${t(`words-steer.${trial.kind}-title`, { prompt: trial.prompt, steps: SKETCH_STEPS })}</h3>
    <ol>
      ${trial.tiles.map(
        ({ name, pixels, seen, marks }) => html`<li class="shot">
        ${picture(pixels ?? null, t("words-steer.tile", { name }))} <bdi>${name}</bdi>
        ${marks?.map(({ fact, met, saw }) => verdict(met, t(`words-steer.mark-${fact}`, { saw })))}
        ${seen === undefined ? nothing : verdict(!seen, t(`words-steer.${seen ? "disagrees" : "agrees"}`, { seen }))}
      </li>`,
      )}
    </ol>
    ${trial.kind === "grow" ? nothing : totals(trial, spots)}
  </section>`;
}

function verdict(yes: boolean, text: string): TemplateResult {
  return html`<span class=${yes ? "yes" : "no"}>${yes ? "✓" : "✗"} ${text}</span>`;
}

/** How many of a trial's pictures got what right, and how often our model does. */
function totals({ kind, scene, tiles, rivals }: Trial, spots: readonly WeakSpot[]): TemplateResult {
  const marked = tiles.flatMap(({ marks }) => (marks ? [marks] : []));
  if (marked.length) {
    const rows = marked[0]!.map(({ fact }) => {
      const right = marked.filter((marks) => marks.some((mark) => mark.fact === fact && mark.met)).length;
      // Numbers were measured where several things of one kind were asked for.
      const several = scene!.count > 1 && scene!.names.length === 1;
      const asMeasured = kind === "layers" ? `${fact}-layers` : fact;
      const spot = fact === "count" && !several ? undefined : spots.find((one) => one.fact === asMeasured);
      const measured = spot ? t("words-steer.measured", { rate: percent(spot.rate), n: spot.n }) : "–";
      return [t(`words-steer.fact-${fact}`), t("words-steer.of", { right, n: marked.length }), measured];
    });
    return html`${dataTable({ head: ["what", "here", "usual"].map((key) => t(`words-steer.total-${key}`)), rows })}
      <p class="hint">${t("words-steer.checked")}</p>`;
  }
  const scored = tiles.filter(({ seen }) => seen !== undefined);
  const right = scored.filter(({ seen }) => seen === "").length;
  const values = { right, n: scored.length, names: rivals };
  return html`<p class="hint">
    ${scored.length ? t("words-steer.count", values) : t("words-steer.no-judge")}
    ${scored.length ? html`<a href=${cardUrl("clip")}>${t("words-steer.judge-card")}</a>` : nothing}
  </p>`;
}
