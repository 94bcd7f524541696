// Pictures and captions as points on a sheet, before CLIP's training and after it.
import { html, nothing, type TemplateResult } from "lit";
import { dot } from "../../core/vectors.js";
import { picture } from "../../ui/canvas.js";
import type { Alternative } from "../../ui/figure-parts.js";
import { fixed, t } from "../../ui/strings.js";
import { labels, type Point } from "./labels.js";
import { lay, openUntrained, type Sheet, type Untrained } from "./map.js";
import { type Compared, heads, type Host, type Mode, radios, TIMES, two } from "./mode.js";
import type { Space } from "./space.js";

const TRAVEL = 1400; // milliseconds

type Places = Sheet["places"];

const percentages = (place: Point) => place.map((value) => 50 + 44 * value) as [number, number];

export class MapMode implements Mode {
  private untrained: Untrained | undefined;
  private readonly sheets = new Map<string, Sheet>(); // before and after
  private way: { from: Places; to: Places; now: Places; began: number } | undefined;
  private labelled: { to: Places; width: number; chosen: number; at: (Point | undefined)[] } | undefined;

  constructor(private readonly host: Host) {}

  async open(): Promise<void> {
    this.untrained ??= await openUntrained();
  }

  compared(): Compared {
    return { texts: this.untrained?.texts ?? [], entries: [] };
  }

  /** What the map shows of a time; undefined until all its vectors are there. */
  private mapped(space: Space, time = this.host.state.time): Sheet | undefined {
    const { untrained, sheets } = this;
    if (untrained && !sheets.has(time)) {
      const pairs = time === "before" ? untrained : space.pairs(untrained);
      if (pairs) sheets.set(time, lay(pairs));
    }
    return sheets.get(time);
  }

  /** Where the points are now: on their way from where they were, at first from before the training. */
  private places(space: Space): Places | undefined {
    const to = this.mapped(space)?.places;
    if (!to) return undefined;
    if (this.way?.to !== to) {
      const from = this.way?.now ?? this.mapped(space, "before")!.places;
      this.way = { from, to, now: from, began: performance.now() };
    }
    const { from, began } = this.way;
    const share = this.host.still ? 1 : Math.min(1, (performance.now() - began) / TRAVEL);
    if (share < 1) requestAnimationFrame(() => this.host.requestUpdate());
    const eased = share * share * (3 - 2 * share);
    const between = (a: number, b: number) => a + eased * (b - a);
    this.way.now = to.map(([x, y], i) => [between(from[i]![0], x), between(from[i]![1], y)]);
    return this.way.now;
  }

  /** Where words have room once the points have come to rest: steps away from their dots, in pixels. */
  private labels(to: Places, texts: string[]): (Point | undefined)[] {
    const map = this.host.querySelector<HTMLElement>(".map");
    const width = map?.clientWidth || 600;
    const side = map?.querySelector<HTMLElement>(".thumb")?.offsetWidth || 36;
    const chosen = Math.min(this.host.state.point, texts.length - 1);
    const { labelled } = this;
    if (labelled && labelled.to === to && labelled.width === width && labelled.chosen === chosen) return labelled.at;
    const points = to.map((place) =>
      percentages(place).map((value, axis) => (value / 100) * width * (axis ? 0.75 : 1)),
    );
    const [pictures, dots] = [points.slice(0, texts.length), points.slice(texts.length)] as unknown as [
      Point[],
      Point[],
    ];
    const at = labels(dots, texts, pictures, side, [width, 0.75 * width], chosen);
    this.labelled = { to, width, chosen, at };
    return at;
  }

  draw(space: Space): TemplateResult {
    const { untrained } = this;
    const places = this.places(space);
    const placed = places && this.labels(this.way!.to, untrained!.texts);
    const point = this.host.state.point;
    const at = (place: Point) => {
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
      const [away, text] = [placed![i], untrained!.texts[i]!];
      return html`<svg class=${chosen} viewBox="0 0 100 100" preserveAspectRatio="none">
          <line x1=${x1} y1=${y1} x2=${x2} y2=${y2} />
        </svg>
        <span class="map-picture ${chosen}" .style=${at(seen)} @click=${choose(i)}>
          ${picture(space.gallery.pixels(index), "", "thumb")}
        </span>
        <span class="map-caption ${chosen}" .style=${at(read)} title=${text} @click=${choose(i)}>
          ${away ? html`<span .style=${`left: ${away[0]}px; top: ${away[1]}px`}>${text}</span>` : nothing}
        </span>`;
    });
    const names = html`${untrained?.items.map(
      (index, i) => html`<option value=${i} ?selected=${i === point}>
      ${space.gallery.items[index]!.name}</option>`,
    )}`;
    return html`${radios(this.host, "time", TIMES)}
      <p class="hint">${t(`match-score.time-${this.host.state.time}-means`)}</p>
      <div class="mapped">
      <div class="map" aria-hidden="true">${points}</div>
      <div>
      <label class="field">
        ${t("match-score.picture")}
        <select @change=${(event: Event) => choose(Number((event.target as HTMLSelectElement).value))()}>
          ${names}
        </select>
      </label>
      <p class="match-said">${this.sentence(space)}</p>
      <p class="hint">${t("match-score.map-how")}</p>
      </div></div>`;
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
