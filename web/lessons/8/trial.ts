// Several quick pictures beside each other, and CLIP as their scorer.
import { html, nothing } from "lit";
import { cosines, dequantise, dot } from "../../core/vectors.js";
import { picture, type Pixels } from "../../ui/canvas.js";
import { cardUrl, type Content } from "../../ui/figure-parts.js";
import { optionalFile, optionalJson } from "../../ui/site.js";
import { t } from "../../ui/strings.js";
import { rivals, seenInstead } from "./words.js";

export const SKETCH_STEPS = 8; // enough to see where a picture goes

interface Tile {
  name: string;
  pixels?: Pixels;
  /** With a scorer: what CLIP sees in it, "" for the words that were asked for. */
  seen?: string;
}

/** Several quick pictures: a prompt growing word by word, or neighbouring seeds. */
export interface Trial {
  kind: "grow" | "seeds";
  prompt: string;
  /** How many names the words had to beat. */
  rivals: number;
  tiles: Tile[];
}

/** data/labels.json and labels.embeddings.bin: the names of the picture world as CLIP's text half encodes them. */
interface Labels {
  names: string[];
  embedding_scale: number;
}

export interface Scorer {
  /** How many names there are to see instead. */
  rivals: number;
  /** What CLIP sees in a picture, by its vector: "" for the words that were asked for. */
  sees: (vector: Float32Array) => string;
}

/** CLIP as a scorer: are the words of the prompt nearer to a picture than every name that has none of them? */
export async function openScorer(prompt: string, target: Float32Array): Promise<Scorer | undefined> {
  const labels = await optionalJson<Labels>("data/labels.json");
  const file = await optionalFile("data/labels.embeddings.bin");
  if (!labels || !file) return undefined;
  const table = dequantise(new Int8Array(await file.arrayBuffer()), labels.embedding_scale, labels.names.length);
  const places = rivals(prompt, labels.names);
  const sees = (vector: Float32Array): string => {
    const other = seenInstead(dot(target, vector), cosines(vector, table), places);
    return other === undefined ? "" : labels.names[other]!;
  };
  return { rivals: places.length, sees };
}

export function trialPart(trial: Trial | undefined): Content {
  if (!trial) return nothing;
  const scored = trial.tiles.filter(({ seen }) => seen !== undefined);
  const right = scored.filter(({ seen }) => seen === "").length;
  const values = { right, n: scored.length, names: trial.rivals };
  const card = cardUrl("clip");
  return html`<section class="trial ${trial.kind}">
    <h3>${t(`words-steer.${trial.kind}-title`, { prompt: trial.prompt, steps: SKETCH_STEPS })}</h3>
    <ol>
      ${trial.tiles.map(
        ({ name, pixels, seen }) => html`<li class="shot">
        ${picture(pixels ?? null, t("words-steer.tile", { name }))} <bdi>${name}</bdi>
        ${
          seen === undefined
            ? nothing
            : html`<span class=${seen ? "no" : "yes"}>
          ${seen ? t("words-steer.disagrees", { seen }) : t("words-steer.agrees")}
        </span>`
        }
      </li>`,
      )}
    </ol>
    ${
      trial.kind === "grow"
        ? nothing
        : html`<p class="hint">
      ${scored.length ? t("words-steer.count", values) : t("words-steer.no-judge")}
      ${scored.length ? html`<a href=${card}>${t("words-steer.judge-card")}</a>` : nothing}
    </p>`
    }
  </section>`;
}
