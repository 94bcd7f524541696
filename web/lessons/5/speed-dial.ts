// "The speed-quality dial": one run watched step by step, the same noise under other step counts and samplers, and what
// we measured. It runs on the latent model of lesson 8 and says so.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state as reactive } from "lit/decorators.js";
import { Runtime } from "../../runtime/client.js";
import type { SamplerName } from "../../runtime/samplers.js";
import { mosaic, picture, type Pixels, pixels } from "../../ui/canvas.js";
import { chart, logTicks, ticks } from "../../ui/chart.js";
import { dataTable, optionalJson, type Twin } from "../../ui/figure.js";
import { FILM_FIELDS, FilmFigure, type Run, SAMPLER_NAMES } from "../../ui/film-figure.js";
import { number, percent, t } from "../../ui/strings.js";
import { bySampler, DIAL, enough, gain, type Measured, quickestFirst, removed } from "./dial.js";

interface Cell {
  pixels: Pixels;
  milliseconds: number;
}

@customElement("bz-speed-dial")
export class SpeedDial extends FilmFigure {
  static override fields = [
    ...FILM_FIELDS,
    { name: "axis", kind: "choice", default: "steps", options: ["steps", "milliseconds"] },
  ] as const;

  protected views = ["noisy", "clean"] as const;
  @reactive() private measured: Measured[] = [];
  /** Finished pictures by run. */
  @reactive() private cells = new Map<string, Cell>();
  /** How many rows of the table are shown: the chosen sampler's, or all. */
  @reactive() private rows: SamplerName[] = [];

  override connectedCallback(): void {
    super.connectedCallback();
    void optionalJson<Measured[]>("data/dial.json").then((rows) => (this.measured = rows ?? []));
  }

  override reset(): void {
    super.reset();
    this.rows = [];
  }

  protected override async finish(): Promise<void> {
    const film = this.film;
    if (!film?.complete) return;
    const milliseconds = film.frames.reduce((sum, frame) => sum + (frame.milliseconds ?? 0), 0);
    const shown = await this.decode(film.frames[film.last]!.noisy!);
    this.cells = new Map(this.cells).set(film.settings, { pixels: shown, milliseconds });
  }

  /** Fills rows of the table, skipping what is there. */
  private compare(samplers: SamplerName[]): void {
    this.rows = samplers;
    void this.work(async (signal) => {
      await this.prepare(signal);
      const runs = quickestFirst(samplers).map((cell) => this.cellRun(cell));
      for (const [i, run] of runs.entries()) {
        const key = JSON.stringify(run);
        if (this.cells.has(key)) continue;
        const values = { sampler: run.sampler, steps: run.num_inference_steps, i: i + 1, n: runs.length };
        this.doing = { text: t("speed-dial.filling", values), value: i, max: runs.length };
        const began = performance.now();
        const made = await Runtime.get().generate(this.options(run), { signal });
        const milliseconds = performance.now() - began;
        this.cells = new Map(this.cells).set(key, { pixels: pixels(made.picture), milliseconds });
      }
    });
  }

  private cellRun({ sampler, steps }: { sampler: SamplerName; steps: number }): Run {
    return this.runOf({ sampler, num_inference_steps: steps });
  }

  private look(run: Run): void {
    this.set({ sampler: run.sampler, num_inference_steps: run.num_inference_steps });
    void this.draw();
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const { film, at } = this;
    const shot = (view: "noisy" | "clean") => html`<div class="shot">
      ${picture(film!.picture(at, view), t(`speed-dial.${view}`))} <span>${t(`speed-dial.${view}`)}</span>
    </div>`;
    return html`<p class="film-note">
        <span class="chip">${t("speed-dial.latent-chip")}</span> ${t("speed-dial.latent-note")}
      </p>
      ${film
        ? html`<div class="run"><div class="shots">${shot("noisy")} ${shot("clean")}</div>${this.subtraction()}</div>
            ${this.scrubber()} ${this.filmNote()}`
        : this.beforeRun()}`;
  }

  /** before - removed = after, in the latent, where the arithmetic is done. */
  private subtraction(): TemplateResult {
    const { film, at } = this;
    const [before, after] = [film?.frames[at - 1]?.noisy, film?.frames[at]?.noisy];
    if (!before || !after) {
      return html`<p class="hint">${t(`speed-dial.nothing-${film?.recorded ? "recorded" : "yet"}`)}</p>`;
    }
    const change = removed(before, after);
    const times = gain(change);
    const shot = (values: Float32Array, range: number, text: string) => html`<div class="shot">
      ${picture(mosaic(values, range), text, "numbers")} <span>${text}</span>
    </div>`;
    return html`<div class="subtraction" role="group" aria-label=${t("speed-dial.subtraction")}>
      ${shot(before, 3, t("speed-dial.before"))} <b aria-hidden="true">−</b>
      ${shot(change, 3 / times, times > 1 ? t("speed-dial.removed-times", { times }) : t("speed-dial.removed"))}
      <b aria-hidden="true">=</b> ${shot(after, 3, t("speed-dial.after"))}
    </div>`;
  }

  protected override controls(): TemplateResult {
    const { sampler, num_inference_steps: steps } = this.runOf({});
    const choose = (num_inference_steps: number) => () => this.set({ num_inference_steps });
    return html`${this.shows("num_inference_steps")
        ? html`<div class="controls dial-steps" role="group" aria-label=${this.label("num_inference_steps")}>
            <span class="hint">${this.label("num_inference_steps")}</span>
            ${DIAL.map((count) => html`<button type="button" class="button ${count === steps ? "primary" : ""}"
              aria-pressed=${count === steps ? "true" : "false"} @click=${choose(count)}>${count}</button>`)}
            ${this.runButton()}
          </div>`
        : nothing}
      <div class="controls">
        ${this.field("prompt")} ${this.field("sampler")} ${this.field("guidance_scale")} ${this.field("style")}
      </div>
      <div class="controls">
        ${this.button(t("speed-dial.compare-steps", { sampler }), () => this.compare([sampler]), "", !this.ready)}
        ${this.button(t("speed-dial.compare-all"), () => this.compare(SAMPLER_NAMES), "", !this.ready)}
      </div>
      ${this.table()} ${this.measurements()}`;
  }

  /** The same noise under each sampler and step count. A picture is a button that shows its run. */
  private table(): TemplateResult | typeof nothing {
    if (!this.rows.length) return nothing;
    return html`<section class="multiples">
      <h3>${t("speed-dial.table", { seed: String(this.state.seed) })}</h3>
      ${this.rows.map((sampler) => html`
        <h4>${sampler} <span class="hint">${t(`speed-dial.about-${sampler}`)}</span></h4>
        <ol>
          ${DIAL.map((steps) => {
            const run = this.cellRun({ sampler, steps });
            const cell = this.cells.get(JSON.stringify(run));
            const name = t("speed-dial.cell", { sampler, steps });
            const time = cell && t("speed-dial.seconds", { seconds: number(cell.milliseconds / 1000, 1) });
            return html`<li class="shot">
              <button type="button" class="cell" aria-label=${name} ?disabled=${!cell} @click=${() => this.look(run)}>
                ${picture(cell?.pixels ?? null, name)}
              </button>
              <b>${steps}</b> <span>${time ?? "…"}</span>
            </li>`;
          })}
        </ol>`)}
      <p class="hint">${t("speed-dial.table-note")}</p>
    </section>`;
  }

  /** What we measured over many pictures: quality against steps, or against time. */
  private measurements(): TemplateResult | typeof nothing {
    const groups = bySampler(this.measured);
    const own = groups.get(this.runOf({}).sampler) ?? [...groups.values()][0];
    const stop = own && enough(own);
    if (!own || !stop) return nothing;
    const axis = this.state.axis === "milliseconds" ? "milliseconds" : "steps";
    const series = [...groups].map(([name, rows]) => ({
      name,
      points: rows.map((row) => ({ x: row[axis], y: row.agreement, low: row.low, high: row.high })),
    }));
    const xs = this.measured.map((row) => row[axis]);
    const top = Math.max(...this.measured.map(({ high }) => high));
    const places = axis === "steps" ? [...DIAL] : logTicks(Math.min(...xs), Math.max(...xs));
    const format = (value: number) => number(value);
    const x = { label: t(`speed-dial.axis-${axis}`), log: true, ticks: places, format };
    const y = { label: t("speed-dial.agreement"), ticks: ticks(0, top, 4), format: percent };
    const mark = { x: stop[axis], label: t("speed-dial.enough-mark", { sampler: stop.sampler }) };
    const head = ["sampler", "steps", "agreement", "interval", "ms"].map((name) => t(`speed-dial.col-${name}`));
    const rows = [...groups.values()].flat().map(({ sampler, steps, agreement, low, high, milliseconds }) => {
      const interval = `${percent(low)} – ${percent(high)}`;
      return [sampler, String(steps), percent(agreement), interval, number(milliseconds, 0)];
    });
    const title = t("speed-dial.measured", { n: own[0]!.n });
    return html`<section class="measured">
      <h3>${title}</h3>
      <div class="controls">${this.field("axis")}</div>
      ${chart(title, series, x, y, mark)}
      <p>${t("speed-dial.enough", { sampler: stop.sampler, steps: stop.steps })}</p>
      <details>
        <summary>${t("speed-dial.numbers")}</summary>
        ${dataTable({ head, rows })}
      </details>
    </section>`;
  }

  protected override twin(): Twin {
    const { prompt, seed } = this.runOf({});
    const rows = this.rows.flatMap((sampler) => DIAL.flatMap((steps) => {
      const cell = this.cells.get(JSON.stringify(this.cellRun({ sampler, steps })));
      return cell ? [[sampler, String(steps), number(cell.milliseconds / 1000, 1)]] : [];
    }));
    const n = DIAL.length * this.rows.length;
    const filled = n ? t("speed-dial.filled", { done: rows.length, n }) : "";
    const shown = this.film ? t("speed-dial.says", { prompt, seed: String(seed), at: this.atWords() }) : this.atWords();
    const head = ["sampler", "steps", "seconds"].map((name) => t(`speed-dial.col-${name}`));
    return { sentence: `${shown} ${filled}`.trim(), table: { head, rows } };
  }
}
