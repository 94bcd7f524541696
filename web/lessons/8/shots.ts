// What a run shows: the way from words to a picture, and the films of its steps.
import { html, nothing, type TemplateResult } from "lit";
import { once } from "../../core/cache.js";
import { CONTEXT_LENGTH, LATENT_SHAPE } from "../../runtime/generated.js";
import type { Tokenizer } from "../../runtime/tokenizer.js";
import { cells, difference, heat, mosaic, picture, type Pixels } from "../../ui/canvas.js";
import type { Film, View } from "../../ui/film.js";
import { number, t } from "../../ui/strings.js";

const PAIR = ["withoutPrompt", "withPrompt", "difference"];

// One source, one picture, so that a canvas is painted only when there is something new.
const drawn = new WeakMap<Float32Array | Pixels, Pixels>();

/** Words, vector, latent, picture: each with its size in numbers. */
export function pipelinePart(
  chips: unknown,
  vector: Float32Array | undefined,
  film: Film | undefined,
  at: number,
): TemplateResult {
  const latents = film?.frames[at]?.noisy;
  const stage = (name: string, content: unknown) => html`<li>
    <strong>${t(`words-steer.${name}`)}</strong> ${content} <span>${t(`words-steer.${name}-size`)}</span>
  </li>`;
  const unseen = html`<span class="unseen">${t("words-steer.unseen")}</span>`;
  return html`<ol class="pipeline">
    ${stage("tokens", html`<span class="chips">${chips}</span>`)}
    ${stage(
      "vector",
      vector
        ? picture(
            once(drawn, vector, () => cells(vector, 16, 0.15)),
            t("words-steer.vector"),
            "numbers",
          )
        : unseen,
    )}
    ${stage(
      "latent",
      latents
        ? picture(
            once(drawn, latents, () => mosaic(latents, LATENT_SHAPE)),
            t("words-steer.latent"),
            "numbers",
          )
        : unseen,
    )}
    ${stage("decoded", film ? picture(film.picture(at, "noisy"), t("words-steer.noisy"), "small picture") : unseen)}
  </ol>
  <p class="hint">${t("shell.number-colours")}</p>`;
}

/** A prompt in the pieces that the model reads. */
export function chips(prompt: string, tokenizer: Tokenizer | undefined): unknown {
  if (!tokenizer) return html`<bdi class="chip">${prompt}</bdi>`;
  const pieces = tokenizer.tokenize(prompt);
  return pieces.slice(0, 40).map((piece, i) => {
    const kind = i >= CONTEXT_LENGTH - 1 ? "unread" : piece === "[unk]" || piece.startsWith("##") ? "unknown" : "";
    return html`<bdi class="chip ${kind}">${piece}</bdi>`;
  });
}

/** What the few-step student draws of a run's words, on the run's noise. */
export interface Sketch {
  pixels: Pixels;
  steps: number;
  milliseconds: number;
}

function sketched({ steps, milliseconds }: Sketch): string {
  return t("words-steer.sketch", { steps, seconds: number(milliseconds / 1000, 1) });
}

function shot(what: Pixels | null | undefined, text: string): TemplateResult {
  return html`<div class="shot">${picture(what, text)} <span>${text}</span></div>`;
}

/** Of a guess that is not there. */
function toCome(view: string): TemplateResult {
  return html`<div class="shot"><span class="unseen"></span> <span>${t(`words-steer.${view}`)}</span></div>`;
}

function heading(prompt: string, letter: string): TemplateResult {
  return html`<h3>${letter ? html`<span class="chip">${letter}</span>` : nothing} <bdi>${prompt}</bdi></h3>`;
}

/** What is shown of a run whose models are still to come. */
export function sketchPart(sketch: Sketch | undefined, prompt: string, letter: string): TemplateResult {
  return html`<section class="film">
    ${heading(prompt, letter)}
    <div class="shots">
      ${letter ? nothing : shot(null, t("words-steer.noisy"))}
      ${shot(sketch?.pixels, sketch ? sketched(sketch) : t("words-steer.sketching-first"))}
    </div>
  </section>`;
}

/** A step of a run; `letter` tells films beside each other apart. Before the run's first guess its sketch stands large,
 * then small beside the guesses. */
export function filmPart(film: Film, at: number, prompt: string, letter: string, sketch?: Sketch): TemplateResult {
  const k = Math.min(at, film.last);
  const show = (view: View) => shot(film.picture(k, view), t(`words-steer.${view}`));
  const pair = film.has(k, "withPrompt");
  const why = k === 0 ? "noise" : "guidance";
  const begun = k > 0 || !sketch;
  const small = [
    sketch && begun ? shot(sketch.pixels, sketched(sketch)) : nothing,
    letter ? show("noisy") : nothing,
    ...(pair ? [show("withoutPrompt"), show("withPrompt"), differenceShot(film, k)] : PAIR.map(toCome)),
  ];
  // What is asked for last is decoded first: the big pictures.
  const beside = html`<div class="shots small">
    ${small} ${pair ? nothing : html`<p class="hint">${t(`words-steer.no-pair-${why}`)}</p>`}
  </div>`;
  const big = html`<div class="shots">
    ${letter ? nothing : show("noisy")} ${begun ? show("clean") : shot(sketch.pixels, sketched(sketch))}
  </div>`;
  return html`<section class="film">${heading(prompt, letter)} ${big} ${beside}</section>`;
}

function differenceShot(film: Film, k: number): TemplateResult {
  const [one, other] = [film.picture(k, "withPrompt"), film.picture(k, "withoutPrompt")];
  const draw = (a: Pixels, b: Pixels) =>
    heat(
      difference(a, b).map((value) => 2 * value),
      64,
    );
  const map = one && other ? once(drawn, one, () => draw(one, other)) : undefined;
  return shot(map, t("words-steer.difference"));
}
