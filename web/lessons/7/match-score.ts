// <bz-match-score>: how close are a picture and a caption? One pair on a dial, a whole table, search, and the traps.
import { html, nothing, svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { dot, type Range } from "../../core/vectors.js";
import { a } from "../../core/words.js";
import { top } from "../../runtime/arrays.js";
import { Runtime, type Tokens } from "../../runtime/client.js";
import { picture, pixels } from "../../ui/canvas.js";
import { type Code, python } from "../../ui/code.js";
import { BzFigure } from "../../ui/figure.js";
import { type Alternative, type BadgeFacts, button, type Content } from "../../ui/figure-parts.js";
import "../../ui/picture-input.js";
import type { Picked } from "../../ui/picture-input.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { fixed, percent, t } from "../../ui/strings.js";
import { lay, openUntrained, type Sheet, type Untrained } from "./map.js";
import { type Comparison, type Entry, Space } from "./space.js";
import { pairs, THINGS, trial, TRAPS, type Trial } from "./traps.js";

const MODES = ["score", "matrix", "search", "map", "traps"] as const;
const TIMES = ["before", "after"] as const; // CLIP's training
const MOST = 28; // points of a kind on the map
const SIDE = 6; // of the table
const FOUND = 24;
const TRIALS = 40;
const BATCH = 8; // trials between two looks at the cancel button
const LONGEST = 120;
const TEXT = ["clip/text", "clip/order"] as const;
const BOTH = [...TEXT, "clip/image"] as const;
const TRUTH = { true: "✓", false: "✗" };
const ARROWS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -SIDE, ArrowDown: SIDE };

/** A cosine as it is written everywhere in the figure. */
function two(cosine: number | undefined): string {
  return cosine === undefined ? "…" : fixed(cosine, 2);
}

/** Whether there is a picture among them that the gallery has no vector for. */
function unread(entries: Entry[]): boolean {
  return entries.some(({ index }) => index === undefined);
}

const FIELDS = defineFields({
  mode: { kind: "choice", default: "score", options: MODES },
  picture: { kind: "int", default: -1, min: -1, max: 99_999 },
  caption: { kind: "text", default: "", max: LONGEST },
  captions: { kind: "text", default: "", max: SIDE * (LONGEST + 1) },
  cell: { kind: "int", default: 0, min: 0, max: SIDE * SIDE - 1 },
  query: { kind: "text", default: "", max: LONGEST },
  time: { kind: "choice", default: "after", options: TIMES },
  point: { kind: "int", default: 3, min: 0, max: MOST - 1 },
  trap: { kind: "choice", default: TRAPS[0], options: TRAPS },
  seed: { kind: "int", default: 7, min: 0, max: 2 ** 31 - 1 },
});
type State = StateOf<typeof FIELDS>;

@customElement("bz-match-score")
export class MatchScore extends BzFigure<State> {
  protected readonly fields = FIELDS;

  private space: Space | undefined;
  private untrained: Untrained | undefined;
  private readonly sheets = new Map<unknown, Sheet>(); // before and after
  private own: Entry | undefined;
  private words = new Map<string, Tokens>();
  private measured = new Map<string, number>();
  private searched = "";
  private seeing = false; // the picture tower is open
  private answering = false;
  private stale = false;

  override connectedCallback(): void {
    super.connectedCallback();
    this.answer();
  }

  protected override changed(): void {
    this.answer();
  }

  override reset(): void {
    this.own = undefined;
    super.reset();
  }

  // ---------------------------------------------------------------- what is asked

  private get mode(): (typeof MODES)[number] {
    return this.state.mode;
  }

  /** The chosen picture and five others that the seed chooses. */
  private six(space: Space): Entry[] {
    const chosen = this.state.picture;
    const first = chosen >= 0 && chosen < space.gallery.items.length ? space.entry(chosen) : this.own;
    const others = new Set(pairs(space.things, this.state.seed, 2 * SIDE).flat());
    if (first) others.delete(first.name);
    const found = [...others].map((thing) => space.gallery.find(thing));
    return [...(first ? [first] : []), ...found.slice(0, first ? SIDE - 1 : SIDE).map((index) => space.entry(index))];
  }

  private nameOf({ name, index }: Entry): string {
    if (index === undefined) return t("match-score.own-caption");
    return THINGS.includes(name) ? a(name) : name;
  }

  /** The captions of the table: a picture's name until something else is typed. */
  private captions(six: Entry[]): string[] {
    const typed = this.state.captions.split("|");
    return six.map((entry, i) => typed[i]?.trim() || this.nameOf(entry));
  }

  /** What the score compares: the caption typed or chosen, and the names of the six pictures. */
  private candidates(six: Entry[]): { caption: string; captions: string[] } {
    const names = six.map((entry) => this.nameOf(entry));
    const caption = this.state.caption.trim() || names[0]!;
    return { caption, captions: [...new Set([caption, ...names])] };
  }

  private get query(): string {
    return this.state.query.trim() || t("match-score.query-first");
  }

  private trial(space: Space, index = 0): Trial {
    const chosen = pairs(space.things, this.state.seed, index + 1)[index]!;
    return trial(this.state.trap, ...chosen);
  }

  /** The texts and the pictures that are compared in this mode, and the text that was typed. */
  private compared(space: Space): { texts: string[]; entries: Entry[]; typed?: string } {
    const six = this.six(space);
    if (this.mode === "matrix") return { texts: this.captions(six), entries: six };
    if (this.mode === "search") return { texts: [this.query], entries: [], typed: this.query };
    if (this.mode === "map") return { texts: this.untrained?.texts ?? [], entries: [] };
    if (this.mode === "traps") {
      const now = this.trial(space);
      return { texts: now.captions, entries: [space.scene(now)] };
    }
    const { caption, captions } = this.candidates(six);
    return { texts: captions, entries: six.slice(0, 1), typed: caption };
  }

  // ---------------------------------------------------------------- what is answered

  /** One answer at a time, and after it the one that is wanted by then. A first or failed one shows its progress. */
  private answer(): void {
    this.stale = true;
    if (this.answering) return;
    this.answering = true;
    const slow = () => this.work.run((signal) => this.answerAll(signal));
    const quick = this.space && (this.seeing || !unread(this.compared(this.space).entries));
    void (quick ? this.answerAll().catch(slow) : slow()).finally(() => (this.answering = false));
  }

  private async answerAll(signal?: AbortSignal): Promise<void> {
    const space = (this.space ??= await Space.open());
    do {
      this.stale = false;
      if (this.mode === "map") this.untrained ??= await openUntrained();
      const { texts, entries, typed } = this.compared(space);
      this.seeing ||= unread(entries);
      const models = this.seeing ? BOTH : TEXT;
      await (signal ? this.work.load(models, signal) : Runtime.get().load(models));
      await space.read(texts, entries, signal);
      if (typed && !this.words.has(typed)) this.words.set(typed, await Runtime.get().tokens(typed));
      if (this.mode === "search") this.searched = this.query;
      this.requestUpdate();
      if (!space.usual && !this.stale) await space.measure(signal);
      this.requestUpdate();
    } while (this.stale);
  }

  private async measure(space: Space, signal: AbortSignal): Promise<void> {
    const key = this.trapKey;
    const trials = Array.from({ length: TRIALS }, (_, i) => this.trial(space, i));
    await this.work.load(BOTH, signal);
    let right = 0;
    for (let i = 0; i < TRIALS; i += BATCH) {
      this.work.report(t("match-score.measuring", { done: i, count: TRIALS }), i, TRIALS);
      const batch = trials.slice(i, i + BATCH);
      await space.read(batch.flatMap(({ captions }) => captions), batch.map((one) => space.scene(one)), signal);
      right += batch.filter((one) => one.right.includes(space.compare(space.scene(one), one.captions)!.best)).length;
    }
    this.measured.set(key, right);
  }

  private get trapKey(): string {
    return `${this.state.trap} ${this.state.seed}`;
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const { space } = this;
    const { scorePart, matrixPart, searchPart, mapPart, trapsPart } = this;
    const parts = { score: scorePart, matrix: matrixPart, search: searchPart, map: mapPart, traps: trapsPart };
    return html`${this.radios("mode", MODES)}
      ${space ? parts[this.mode].call(this, space) : html`<p class="hint">${t("picture-input.opening")}</p>`}`;
  }

  protected override controls(): TemplateResult {
    return html`<p class="hint">${t("match-score.vectors")}</p>`;
  }

  private radios(field: "mode" | "time" | "trap", options: readonly string[]): TemplateResult {
    return html`<fieldset class="picks tabs">
      <legend class="visually-hidden">${this.label(field)}</legend>
      ${options.map(
        (option) => html`<label class="pick">
          <input type="radio" name="match-score-${field}" .checked=${this.state[field] === option}
            @change=${() => this.set({ [field]: option })} />
          <span>${t(`match-score.${field}-${option}`)}</span>
        </label>`,
      )}
    </fieldset>`;
  }

  private textBox(field: "caption" | "query", typed: string): TemplateResult {
    const read = this.words.get(typed);
    const note = (key: "unknown" | "unread") => {
      const values = { words: read?.[key].join(", ") ?? "", pieces: read?.pieces.join(" · ") ?? "" };
      return values.words ? html`<p class="hint">${t(`match-score.${key}`, values)}</p>` : nothing;
    };
    return html`<label class="field wide">
        ${this.label(field)}
        <input type="text" dir="auto" autocomplete="off" maxlength=${LONGEST} .value=${String(this.state[field])}
          @input=${(event: Event) => this.set({ [field]: (event.target as HTMLInputElement).value })} />
      </label>
      ${note("unknown")} ${note("unread")}`;
  }

  /** A caption's cosine, and its share as a bar. */
  private numbers(scores: Comparison | undefined, i: number): TemplateResult {
    const share = scores?.shares[i];
    return html`<span class="match-number">${two(scores?.cosines[i])}</span>
      <span class="match-bar" aria-hidden="true"><i .style=${`width: ${100 * (share ?? 0)}%`}></i></span>
      <span class="match-number">${share === undefined ? "…" : percent(share)}</span>`;
  }

  private star(best: boolean): Content {
    return best ? html`<span class="star" role="img" aria-label=${t("match-score.best")}>★</span>` : nothing;
  }

  private get listHead(): TemplateResult {
    const heads = ["caption-head", "cosine-head", "share"].map((key) => html`<span>${t(`match-score.${key}`)}</span>`);
    return html`<div class="match-row match-head" aria-hidden="true">${heads}</div>`;
  }

  private scorePart(space: Space): TemplateResult {
    const six = this.six(space);
    const { caption, captions } = this.candidates(six);
    const scores = space.compare(six[0], captions);
    const onPicked = ({ detail: { data, name, index } }: CustomEvent<Picked>) => {
      if (index === undefined) this.own = { name, pixels: pixels(data) };
      this.set({ picture: index ?? -1, caption: "" });
    };
    return html`<div class="match-pair">
        ${picture(six[0]!.pixels, six[0]!.name, "picture hero")}
        ${this.dial(space, scores?.cosines[captions.indexOf(caption)])}
      </div>
      <div class="match-score">
        <div class="match-captions">
          ${this.textBox("caption", caption)}
          <fieldset class="match-list">
            <legend class="visually-hidden">${t("match-score.among", { count: captions.length })}</legend>
            ${this.listHead}
            ${captions.map(
              (text, i) => html`<label class="match-row">
                <input type="radio" name="match-score-caption" .checked=${text === caption}
                  @change=${() => this.set({ caption: text })} />
                <span dir="auto">${text} ${this.star(scores?.best === i)}</span> ${this.numbers(scores, i)}
              </label>`,
            )}
          </fieldset>
          <p class="hint">${t("match-score.share-means")}</p>
        </div>
        <bz-picture-input .gallery=${space.gallery} .selected=${six[0]!.index ?? -1}
          @picked=${onPicked}></bz-picture-input>
      </div>`;
  }

  /** A half circle from -1 to 1, with where pictures and their own or another's name usually lie. */
  private dial({ usual }: Space, value: number | undefined): TemplateResult {
    const point = (cosine: number, radius: number) => {
      const angle = (Math.PI * (1 - cosine)) / 2;
      return [(120 + radius * Math.cos(angle)).toFixed(1), (118 - radius * Math.sin(angle)).toFixed(1)] as const;
    };
    const arc = (from: number, to: number, radius: number) =>
      `M ${point(from, radius).join(" ")} A ${radius} ${radius} 0 0 1 ${point(to, radius).join(" ")}`;
    const band = (range: Range, radius: number, kind: string) =>
      svg`<path class="dial-band ${kind}" d=${arc(range.low, range.high, radius)} />`;
    return html`<div class="dial">
      <svg viewBox="0 0 240 136" role="img" aria-label=${t("match-score.dial", { value: two(value) })}>
        <path class="dial-scale" d=${arc(-1, 1, 94)} />
        ${usual ? [band(usual.match, 86, "match"), band(usual.mismatch, 75, "mismatch")] : nothing}
        ${[-1, -0.5, 0, 0.5, 1].map((tick) => {
          const [x, y] = point(tick, 94);
          const [labelX, labelY] = point(tick, 109);
          const ends = Math.abs(tick) === 1;
          const place = ends ? { x, y: 133 } : { x: labelX, y: Number(labelY) + 4 };
          return svg`<circle class="dial-tick" cx=${x} cy=${y} r="2.5" />
            <text x=${place.x} y=${place.y} text-anchor="middle">${fixed(tick, tick % 1 ? 1 : 0)}</text>`;
        })}
        ${value === undefined
          ? nothing
          : svg`<path class="dial-needle" d=${`M 120 118 L ${point(value, 92).join(" ")}`} />`}
        <circle class="dial-hub" cx="120" cy="118" r="5" />
      </svg>
      <output>${t("match-score.cosine", { value: two(value) })}</output>
      <p class="hint">${t("match-score.not-percent")}</p>
      ${usual
        ? html`<ul class="dial-legend">
            ${(["match", "mismatch"] as const).map((kind) => {
              const { low, high } = usual[kind];
              return html`<li class=${kind}>${t(`match-score.usual-${kind}`, { low: two(low), high: two(high) })}</li>`;
            })}
          </ul>`
        : nothing}
    </div>`;
  }

  private matrixPart(space: Space): TemplateResult {
    const six = this.six(space);
    const captions = this.captions(six);
    const type = (index: number, event: Event) => {
      const text = (event.target as HTMLTextAreaElement).value.replace(/[|\n]/g, " ").slice(0, LONGEST);
      this.set({ captions: captions.map((caption, i) => (i === index ? text : caption)).join("|") });
    };
    const row = (entry: Entry, r: number) => {
      const scores = space.compare(entry, captions);
      return html`<tr>
        <th scope="row">${picture(entry.pixels, entry.name, "thumb")} <span aria-hidden="true">${entry.name}</span></th>
        ${captions.map((_, c) => {
          const index = r * SIDE + c;
          const pressed = index === this.state.cell;
          const shade = Math.min(1, Math.max(0, (scores?.cosines[c] ?? 0) / 0.6));
          return html`<td>
            <button type="button" class="match-cell ${scores?.best === c ? "best" : ""}" .style=${`--shade: ${shade}`}
              aria-pressed=${pressed} tabindex=${pressed ? 0 : -1} @click=${() => this.set({ cell: index })}>
              ${two(scores?.cosines[c])} ${this.star(scores?.best === c)}
            </button>
          </td>`;
        })}
      </tr>`;
    };
    return html`<p class="hint">${t("match-score.matrix-how")}</p>
      <div class="scroller" role="region" tabindex="0" aria-label=${t("match-score.mode-matrix")}>
        <table class="matrix" @keydown=${this.onMatrixKey}>
          <thead><tr>
            <th scope="col">${t("match-score.picture")}</th>
            ${captions.map((caption, i) => html`<th scope="col">
              <textarea rows="2" aria-label=${t("match-score.caption-of", { index: i + 1, caption })} .value=${caption}
                @change=${(event: Event) => type(i, event)}></textarea>
            </th>`)}
          </tr></thead>
          <tbody>${six.map(row)}</tbody>
        </table>
      </div>
      <p class="match-said">${this.cellSentence(space)}</p>`;
  }

  private onMatrixKey(event: KeyboardEvent): void {
    const by = ARROWS[event.key];
    if (by === undefined || !(event.target as HTMLElement).matches(".match-cell")) return;
    event.preventDefault();
    const cell = this.state.cell;
    const column = (cell % SIDE) + (Math.abs(by) === 1 ? by : 0);
    if (column < 0 || column >= SIDE || cell + by < 0 || cell + by >= SIDE * SIDE) return;
    this.set({ cell: cell + by });
    void this.updateComplete.then(() => this.querySelector<HTMLElement>(".match-cell[aria-pressed=true]")?.focus());
  }

  private searchPart(space: Space): TemplateResult {
    const { gallery } = space;
    const hint = this.state.query ? "" : t("match-score.query-hint", { text: this.query });
    return html`${this.textBox("query", this.query)}
      <p class="hint">${hint} ${t("match-score.search-how", { found: FOUND, count: gallery.items.length })}</p>
      <ol class="results">
        ${space.search(this.searched, FOUND).map(({ index, cosine }) => {
          const { name, style } = gallery.items[index]!;
          const use = () => this.set({ picture: index, mode: "score", caption: this.query });
          return html`<li>
            <button type="button" class="result" @click=${use}>
              ${picture(gallery.pixels(index), t("picture-input.item", { name, style }), "thumb")}
              <span aria-hidden="true">${name}</span> <span class="match-number">${two(cosine)}</span>
            </button>
          </li>`;
        })}
      </ol>`;
  }

  /** What the map shows; undefined until all its vectors are there. */
  private mapped(space: Space): Sheet | undefined {
    const { untrained, sheets } = this;
    const { time } = this.state;
    if (untrained && !sheets.has(time)) {
      const pairs = time === "before" ? untrained : space.pairs(untrained);
      if (pairs) sheets.set(time, lay(pairs));
    }
    return sheets.get(time);
  }

  private mapPart(space: Space): TemplateResult {
    const { untrained } = this;
    const places = this.mapped(space)?.places;
    const point = this.state.point;
    const percentages = (place: [number, number]) => place.map((value) => 50 + 44 * value) as [number, number];
    const at = (place: [number, number]) => {
      const [x, y] = percentages(place);
      return `left: ${x}%; top: ${y}%`;
    };
    const choose = (i: number) => () => this.set({ point: i });
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
    const names = html`${untrained?.items.map((index, i) => html`<option value=${i} ?selected=${i === point}>
      ${space.gallery.items[index]!.name}</option>`)}`;
    return html`${this.radios("time", TIMES)}
      <p class="hint">${t(`match-score.time-${this.state.time}-means`)}</p>
      <div class="map" aria-hidden="true">${points}</div>
      <label class="field">
        ${t("match-score.picture")}
        <select @change=${(event: Event) => this.set({ point: Number((event.target as HTMLSelectElement).value) })}>
          ${names}
        </select>
      </label>
      <p class="match-said">${this.mapSentence(space)}</p>
      <p class="hint">${t("match-score.map-how")}</p>`;
  }

  private trapsPart(space: Space): TemplateResult {
    const now = this.trial(space);
    const shown = space.scene(now);
    const scores = space.compare(shown, now.captions);
    const right = this.measured.get(this.trapKey);
    const measure = () => void this.work.run((signal) => this.measure(space, signal));
    const counts = { right: right ?? 0, count: TRIALS, chance: Math.round(TRIALS / now.captions.length) };
    return html`${this.radios("trap", TRAPS)}
      <p>${t(`match-score.trap-${this.state.trap}-means`)}</p>
      <div class="trap">
        ${picture(shown.pixels, shown.name, "picture hero")}
        <div class="match-list">
          ${this.listHead}
          ${now.captions.map((caption, i) => {
            const truth = now.right.includes(i) ? "true" : "false";
            return html`<div class="match-row">
              <span class="truth ${truth}" role="img" aria-label=${t(`match-score.${truth}`)}>${TRUTH[truth]}</span>
              <span>${caption} ${this.star(scores?.best === i)}</span> ${this.numbers(scores, i)}
            </div>`;
          })}
          <p class="hint">${t("match-score.marks")}</p>
        </div>
      </div>
      <p class="match-said">${this.trapSentence(now, scores)}</p>
      ${now.right.length
        ? html`<div class="pager">
            ${button(t("match-score.measure", { count: TRIALS }), measure)}
            <span role="status">${right === undefined ? "" : t("match-score.measured", counts)}</span>
          </div>`
        : nothing}`;
  }

  // ---------------------------------------------------------------- what is said

  private cellSentence(space: Space): string {
    const six = this.six(space);
    const [r, c] = [Math.floor(this.state.cell / SIDE), this.state.cell % SIDE];
    const captions = this.captions(six);
    const scores = space.compare(six[r], captions);
    if (!scores) return t("match-score.waiting");
    const rank = top(scores.cosines).indexOf(c) + 1;
    const values = { name: six[r]!.name, caption: captions[c]!, rank, count: SIDE };
    return t("match-score.cell", { ...values, value: two(scores.cosines[c]), share: percent(scores.shares[c]!) });
  }

  private mapSentence(space: Space): string {
    const [{ untrained }, shown] = [this, this.mapped(space)];
    if (!untrained || !shown) return t("match-score.waiting");
    const point = Math.min(this.state.point, untrained.items.length - 1);
    const own = t("match-score.map-own", {
      name: space.gallery.items[untrained.items[point]!]!.name,
      caption: untrained.texts[shown.closest[point]!]!,
      value: two(dot(shown.pictures[point]!, shown.captions[point]!)),
    });
    const right = shown.closest.filter((caption, i) => caption === i).length;
    const all = t("match-score.map-all", { right, count: shown.closest.length, gap: fixed(shown.gap, 2) });
    return `${own} ${all}`;
  }

  private trapSentence({ right, captions }: Trial, scores: Comparison | undefined): string {
    if (!scores) return t("match-score.waiting");
    const verdict = !right.length ? "nothing-right" : right.includes(scores.best) ? "read-right" : "read-wrong";
    const share = percent(scores.shares[scores.best]!);
    return t(`match-score.${verdict}`, { caption: captions[scores.best]!, share });
  }

  protected override alternative(): Alternative {
    const { space } = this;
    const head = (...keys: string[]) => keys.map((key) => t(`match-score.${key}`));
    if (!space) return { sentence: t("match-score.waiting"), table: { head: [], rows: [] } };
    const { texts, entries, typed } = this.compared(space);
    if (this.mode === "matrix") {
      const rows = entries.map((entry) => [entry.name, ...(space.compare(entry, texts)?.cosines ?? []).map(two)]);
      return { sentence: this.cellSentence(space), table: { head: [...head("picture"), ...texts], rows } };
    }
    if (this.mode === "search") {
      const found = space.search(this.searched, FOUND);
      const rows = found.map(({ index, cosine }) => [space.gallery.items[index]!.name, two(cosine)]);
      const names = rows.slice(0, 3).map(([name]) => name).join(", ");
      const sentence = t("match-score.search-said", { text: this.searched, names });
      return { sentence, table: { head: head("picture", "cosine-head"), rows } };
    }
    if (this.mode === "map") {
      const shown = this.mapped(space);
      const rows = (shown?.closest ?? []).map((caption, i) => [
        space.gallery.items[this.untrained!.items[i]!]!.name,
        texts[caption]!,
        two(dot(shown!.pictures[i]!, shown!.captions[i]!)),
      ]);
      const table = { head: head("picture", "closest-head", "own-head"), rows };
      return { sentence: this.mapSentence(space), table };
    }
    const scores = space.compare(entries[0], texts);
    const rows = texts.map((text, i) => [text, two(scores?.cosines[i]), scores ? percent(scores.shares[i]!) : "…"]);
    let sentence = t("match-score.waiting");
    if (scores && typed) {
      const [caption, value, share] = rows[texts.indexOf(typed)] as [string, string, string];
      const values = { name: entries[0]!.name, caption, value, share, count: texts.length };
      sentence = t("match-score.score-said", values);
    } else if (scores) sentence = this.trapSentence(this.trial(space), scores);
    return { sentence, table: { head: head("caption-head", "cosine-head", "share"), rows } };
  }

  protected override badge(): BadgeFacts {
    const recorded = this.mode === "map" && this.state.time === "before";
    return { models: BOTH, recorded, milliseconds: this.space?.milliseconds };
  }

  protected override code(): Code {
    const { texts } = this.space ? this.compared(this.space) : { texts: [] };
    return {
      python: `import bozzetto

picture = bozzetto.encode_image("picture.png")
for caption in [${texts.map(python).join(", ")}]:
    print(caption, picture @ bozzetto.encode_text(caption))  # the cosine`,
    };
  }
}
