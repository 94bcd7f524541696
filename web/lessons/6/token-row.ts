// The picture as the model reads it: tiles to cover and mix, and its patches in a row with the words of the question.
import { html, nothing, type TemplateResult } from "lit";
import type { Tokens } from "../../runtime/client.js";
import { button, type Content } from "../../ui/figure-parts.js";
import type { Gallery } from "../../ui/gallery.js";
import { t } from "../../ui/strings.js";
import type { Host, Pictures } from "./pictures.js";
import { cell, covers, order, TILES } from "./scene.js";

const STRIPS = 4; // of the row: it is as wide as there is room

/** The picture cut into tiles, each a button that covers it; `blind` is the control of that field. */
export function tiles(host: Host, pictures: Pictures, gallery: Gallery, blind: Content): TemplateResult {
  const covered = host.state.covered;
  const mixed = host.state.shuffle !== 0;
  const shuffle = () => host.set({ shuffle: mixed ? 0 : 1 + Math.floor(999_998 * Math.random()) });
  return html`<div class="shot">
    <div class="tiles" role="group" aria-label=${t("read-the-picture.tiles")}>
      ${order(host.state.shuffle).map((tile, place) => {
        const { row, column } = cell(place, TILES);
        return html`<button type="button" aria-pressed=${covers(covered, tile)}
          aria-label=${t("read-the-picture.tile", { row: row + 1, column: column + 1 })}
          @click=${() => host.set({ covered: covered ^ (1 << tile) })}>
          ${pictures.tile(gallery, place)}
        </button>`;
      })}
    </div>
    <span>${t("read-the-picture.cover")}</span>
    <div class="pager">
      ${button(t(`read-the-picture.${mixed ? "unshuffle" : "shuffle"}`), shuffle)}
      ${covered ? button(t("read-the-picture.uncover"), () => host.set({ covered: 0 })) : nothing}
      ${blind}
    </div>
  </div>`;
}

/** What stands in the model's row: the patches, then the words of the question. */
export function tokenRow(
  host: Host,
  pictures: Pictures,
  gallery: Gallery,
  question: string,
  known: Tokens | undefined,
): TemplateResult {
  const pieces = known?.pieces ?? question.split(/\s+/).filter(Boolean);
  const unknown = known?.unknown.join(", ");
  const words = pieces.map((piece) => {
    const odd = known && (piece === "[unk]" || piece.startsWith("##"));
    return html`<bdi class="chip ${odd ? "unknown" : ""}">${piece}</bdi>`;
  });
  return html`<div class="token-row ${host.state.blind ? "blind" : ""}" role="group"
      aria-label=${t("read-the-picture.row")}>
      ${Array.from({ length: STRIPS }, (_, index) => pictures.strip(gallery, index, STRIPS))}
      <span class="pieces">${words}</span>
    </div>
    <p class="hint">
      ${t(host.state.blind ? "read-the-picture.blind-means" : "read-the-picture.row-means", { words: pieces.length })}
      ${unknown ? t("read-the-picture.unknown", { words: unknown, pieces: pieces.join(" · ") }) : nothing}
    </p>`;
}
