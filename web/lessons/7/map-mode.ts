// Pictures and captions as points on a sheet, before CLIP's training and after it.
import { html, nothing, type TemplateResult } from "lit";
import { dot } from "../../core/vectors.js";
import { picture } from "../../ui/canvas.js";
import type { Alternative } from "../../ui/figure-parts.js";
import { fixed, t } from "../../ui/strings.js";
import { lay, openUntrained, type Sheet, type Untrained } from "./map.js";
import { type Compared, heads, type Host, type Mode, radios, TIMES, two } from "./mode.js";
import type { Space } from "./space.js";

export class MapMode implements Mode {
  private untrained: Untrained | undefined;
  private readonly sheets = new Map<string, Sheet>(); // before and after

  constructor(private readonly host: Host) {}

  async open(): Promise<void> {
    this.untrained ??= await openUntrained();
  }

  compared(): Compared {
    return { texts: this.untrained?.texts ?? [], entries: [] };
  }

  /** What the map shows; undefined until all its vectors are there. */
  private mapped(space: Space): Sheet | undefined {
    const { untrained, sheets } = this;
    const { time } = this.host.state;
    if (untrained && !sheets.has(time)) {
      const pairs = time === "before" ? untrained : space.pairs(untrained);
      if (pairs) sheets.set(time, lay(pairs));
    }
    return sheets.get(time);
  }

  draw(space: Space): TemplateResult {
    const { untrained } = this;
    const places = this.mapped(space)?.places;
    const point = this.host.state.point;
    const percentages = (place: [number, number]) => place.map((value) => 50 + 44 * value) as [number, number];
    const at = (place: [number, number]) => {
      const [x, y] = percentages(place);
      return `left: ${x}%; top: ${y}%`;
    };
    const choose = (i: number) => () => this.host.set({ point: i });
    const points = (untrained?.items ?? []).map((index, i) => {
      const [seen, read] = [places?.[i], places?.[i + untrained!.items.length]];
      if (!seen || !read) return nothing;
      const chosen = i === point ? "chosen" : "";
      const [x1, y1] = percentages(seen);
      const [x2, y2] = percentages(read);
      return html`<svg class=${chosen} viewBox="0 0 100 100" preserveAspectRatio="none">
          <line x1=${x1} y1=${y1} x2=${x2} y2=${y2} />
        </svg>
        <span class="map-picture ${chosen}" .style=${at(seen)} @click=${choose(i)}>
          ${picture(space.gallery.pixels(index), "", "thumb")}
        </span>
        <span class="map-caption ${chosen}" .style=${at(read)} @click=${choose(i)}>${untrained!.texts[i]}</span>`;
    });
    const names = html`${untrained?.items.map(
      (index, i) => html`<option value=${i} ?selected=${i === point}>
      ${space.gallery.items[index]!.name}</option>`,
    )}`;
    return html`${radios(this.host, "time", TIMES)}
      <p class="hint">${t(`match-score.time-${this.host.state.time}-means`)}</p>
      <div class="map" aria-hidden="true">${points}</div>
      <label class="field">
        ${t("match-score.picture")}
        <select @change=${(event: Event) => choose(Number((event.target as HTMLSelectElement).value))()}>
          ${names}
        </select>
      </label>
      <p class="match-said">${this.sentence(space)}</p>
      <p class="hint">${t("match-score.map-how")}</p>`;
  }

  private sentence(space: Space): string {
    const [{ untrained }, shown] = [this, this.mapped(space)];
    if (!untrained || !shown) return t("match-score.waiting");
    const point = Math.min(this.host.state.point, untrained.items.length - 1);
    const own = t("match-score.map-own", {
      name: space.gallery.items[untrained.items[point]!]!.name,
      caption: untrained.texts[shown.closest[point]!]!,
      value: two(dot(shown.pictures[point]!, shown.captions[point]!)),
    });
    const right = shown.closest.filter((caption, i) => caption === i).length;
    const all = t("match-score.map-all", { right, count: shown.closest.length, gap: fixed(shown.gap, 2) });
    return `${own} ${all}`;
  }

  alternative(space: Space): Alternative {
    const { untrained } = this;
    const shown = this.mapped(space);
    const rows = (shown?.closest ?? []).map((caption, i) => [
      space.gallery.items[untrained!.items[i]!]!.name,
      untrained!.texts[caption]!,
      two(dot(shown!.pictures[i]!, shown!.captions[i]!)),
    ]);
    return { sentence: this.sentence(space), table: { head: heads("picture", "closest-head", "own-head"), rows } };
  }
}
