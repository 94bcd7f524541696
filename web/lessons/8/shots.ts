// What a run shows: the way from words to a picture, and the films of its steps.
import { html, nothing, type TemplateResult } from "lit";
import { once } from "../../core/cache.js";
import { CONTEXT_LENGTH, LATENT_SHAPE } from "../../runtime/generated.js";
import type { Tokenizer } from "../../runtime/tokenizer.js";
import { cells, difference, heat, mosaic, picture, type Pixels } from "../../ui/canvas.js";
import type { Film, View } from "../../ui/film.js";
import { t } from "../../ui/strings.js";

// One array, one picture, so that a canvas is painted only when there is something new.
const drawn = new WeakMap<Float32Array, Pixels>();

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
  </ol>`;
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

/** A step of a run; `letter` tells films beside each other apart. */
export function filmPart(film: Film, at: number, prompt: string, letter: string): TemplateResult {
  const k = Math.min(at, film.last);
  const show = (view: View) =>
    html`<div class="shot">
      ${picture(film.picture(k, view), t(`words-steer.${view}`))} <span>${t(`words-steer.${view}`)}</span>
    </div>`;
  const frame = film.frames[k];
  const why = film.recorded ? "recorded" : k === 0 ? "noise" : "guidance";
  // What is asked for last is decoded first: the big pictures.
  const guesses = frame?.withPrompt
    ? html`<div class="shots thirds">${show("withoutPrompt")} ${show("withPrompt")} ${differenceShot(film, k)}</div>`
    : html`<p class="hint">${t(`words-steer.no-pair-${why}`)}</p>`;
  const big = html`<div class="shots">${show("noisy")} ${show("clean")}</div>`;
  return html`<section class="film">
    <h3>
      ${letter ? html`<span class="chip">${letter}</span>` : nothing}
      <bdi>${prompt}</bdi>
    </h3>
    ${big} ${guesses}
  </section>`;
}

function differenceShot(film: Film, k: number): TemplateResult {
  const [one, other] = [film.picture(k, "withPrompt"), film.picture(k, "withoutPrompt")];
  const frame = film.frames[k]!.withPrompt!;
  const draw = (a: Pixels, b: Pixels) =>
    heat(
      difference(a, b).map((value) => 2 * value),
      64,
    );
  const map = one && other ? once(drawn, frame, () => draw(one, other)) : undefined;
  return html`<div class="shot">
    ${picture(map, t("words-steer.difference"))} <span>${t("words-steer.difference")}</span>
  </div>`;
}
