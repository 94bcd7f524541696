// "The speed-quality dial": one run watched step by step, the same noise under other step counts and samplers, and what
// we measured. It runs on pixel diffusion and its few-step student.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state as reactive } from "lit/decorators.js";
import { Recent } from "../../core/cache.js";
import { Runtime, type SamplerName, type Stepped } from "../../runtime/client.js";
import { count } from "../../runtime/arrays.js";
import { GUIDANCE, SMALL_SHAPE } from "../../runtime/generated.js";
import { gain, picture, type Pixels, solid } from "../../ui/canvas.js";
import { chart, logTicks, type Mark } from "../../ui/chart.js";
import { classField, classOf, classOptions, classWords } from "../../ui/classes.js";
import { type Code } from "../../ui/code.js";
import { type Alternative, type BadgeFacts, button, type Content, dataTable } from "../../ui/figure-parts.js";
import { FILM_FIELDS, FilmFigure, SAMPLER_NAMES } from "../../ui/film-figure.js";
import { optionalJson } from "../../ui/site.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { number, t } from "../../ui/strings.js";
import {
  buttonsOf,
  byName,
  type Cell,
  type Dial,
  enough,
  jumps,
  LONG,
  MOST_STEPS,
  NOTCHES,
  notchOf,
  quickestFirst,
  removed,
  stepsAt,
  stepsOf,
  STUDENT,
  type Way,
} from "./dial.js";
import { Sentence } from "./sentence.js";

const WAYS: readonly Way[] = [...SAMPLER_NAMES, STUDENT];
const KEPT = 500; // finished pictures of runs: more than a table has

interface Drawn {
  pixels: Pixels;
  milliseconds: number;
}

const FIELDS = defineFields({
  label: classField("face-smiling"),
  ...FILM_FIELDS,
  num_inference_steps: { kind: "int", default: 20, min: 1, max: MOST_STEPS },
  at: { kind: "int", default: MOST_STEPS, min: 0, max: MOST_STEPS },
  guidance_scale: { kind: "float", default: GUIDANCE.diffusion, min: 0, max: 10 },
  sampler: { kind: "choice", default: "dpmpp_2m", options: WAYS },
  axis: { kind: "choice", default: "steps", options: ["steps", "milliseconds"] },
});
type State = StateOf<typeof FIELDS>;

/** What makes the picture of a run. */
const NAMES = ["label", "seed", "num_inference_steps", "guidance_scale", "sampler"] as const;
type Run = Pick<State, (typeof NAMES)[number]>;

@customElement("bz-speed-dial")
export class SpeedDial extends FilmFigure<State, Run> {
  protected readonly fields = FIELDS;

  protected models = ["diffusion", STUDENT] as const;
  protected names = NAMES;
  protected views = ["noisy", "clean"] as const;
  protected size = count(SMALL_SHAPE);
  @reactive() private dial: Dial | undefined;
  /** Finished pictures by run. */
  private readonly cells = new Recent<string, Drawn>(KEPT);
  /** Which rows of the table are shown: the chosen sampler's, or all. */
  @reactive() private rows: readonly Way[] = [];
  private readonly sentence = new Sentence(this);

  override connectedCallback(): void {
    super.connectedCallback();
    void optionalJson<Dial>("data/dial.json").then((dial) => (this.dial = dial));
  }

  override reset(): void {
    super.reset();
    this.sentence.forget();
    this.rows = [];
  }

  /** The student knows few step counts, and its guidance is built in. */
  protected override runOf(changes: Partial<Run>): Run {
    const run = super.runOf(changes);
    if (run.sampler !== STUDENT) return run;
    return { ...run, num_inference_steps: jumps(run.num_inference_steps), guidance_scale: 1 };
  }

  protected decode(planes: Float32Array): Promise<Pixels> {
    return Promise.resolve(solid(planes));
  }

  protected make({ label, sampler, seed, num_inference_steps, guidance_scale }: Run, o: Stepped) {
    const options = { label: classOf(label), seed, num_inference_steps };
    if (sampler === STUDENT) return Runtime.get().sample({ ...options, model: STUDENT }, o);
    return Runtime.get().sample({ ...options, guidance_scale, sampler }, o);
  }

  protected override finish(): void {
    const film = this.film;
    if (!film?.complete) return;
    const milliseconds = film.frames.reduce((sum, frame) => sum + (frame.milliseconds ?? 0), 0);
    this.cells.set(film.settings, { pixels: solid(film.frames[film.last]!.noisy!), milliseconds });
    this.requestUpdate();
  }

  /** Fills rows of the table, skipping what is there. */
  private compare(samplers: readonly Way[]): void {
    this.rows = samplers;
    void this.work.run(async (signal) => {
      await this.prepare(signal);
      const runs = quickestFirst(samplers).map((cell) => this.cellRun(cell));
      for (const [i, run] of runs.entries()) {
        const key = JSON.stringify(run);
        if (this.cells.has(key)) continue;
        const values = { sampler: this.way(run.sampler), steps: run.num_inference_steps, i: i + 1, n: runs.length };
        this.work.report(t("speed-dial.filling", values), i, runs.length);
        const began = performance.now();
        const planes = await this.make(run, { signal });
        const milliseconds = performance.now() - began;
        this.cells.set(key, { pixels: solid(planes), milliseconds });
        this.requestUpdate();
      }
    });
  }

  private cellRun({ sampler, steps }: Cell): Run {
    return this.runOf({ sampler, num_inference_steps: steps });
  }

  private look(run: Run): void {
    this.set({ sampler: run.sampler, num_inference_steps: run.num_inference_steps });
    void this.draw();
  }

  /** What a sampler or model is called. */
  private way(name: string): string {
    return this.word("sampler", name);
  }

  /** The same beside a line of a chart. */
  private shortWay(name: string): string {
    const short = this.word("short", name);
    return short === name ? this.way(name) : short;
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const { film, at } = this;
    if (!film) return html`${this.beforeRun()} ${this.dialPart()}`;
    const shot = (view: "noisy" | "clean") => html`<div class="shot">
      ${picture(film.picture(at, view), t(`speed-dial.${view}`))} <span>${t(`speed-dial.${view}`)}</span>
    </div>`;
    return html`<div class="run">
      <div class="shown"><div class="shots">${shot("noisy")} ${shot("clean")}</div>${this.scrubber()}</div>
      <div class="beside">${this.dialPart()} ${this.subtraction()}</div>
    </div>`;
  }

  /** before - removed = after, in pixels. What was removed may be of either sign: grey is nothing. */
  private subtraction(): TemplateResult {
    const { film, at } = this;
    const from = film && at > 0 ? film.kept(at - 1) : 0;
    const [before, after] = [film?.frames[from]?.noisy, at > from ? film?.frames[at]?.noisy : undefined];
    const change = before && after && removed(before, after);
    if (!change) return html`<p class="hint">${t(`speed-dial.nothing-${film?.recorded ? "recorded" : "yet"}`)}</p>`;
    const times = gain(change);
    const shot = (planes: Float32Array, text: string) => html`<div class="shot">
      ${picture(solid(planes), text)} <span>${text}</span>
    </div>`;
    const text = times > 1 ? t("speed-dial.removed-times", { times }) : t("speed-dial.removed");
    const steps = at - from;
    return html`<div class="subtraction" role="group" aria-label=${t("speed-dial.subtraction")}>
      ${shot(before, steps > 1 ? t("speed-dial.before-some", { steps }) : t("speed-dial.before"))} <b aria-hidden="true">−</b>
      ${shot(
        change.map((value) => value * times),
        text,
      )}
      <b aria-hidden="true">=</b> ${shot(after, t("speed-dial.after"))}
    </div>`;
  }

  private dialPart(): Content {
    const { sampler, num_inference_steps: steps } = this.runOf({});
    const choose = (num_inference_steps: number) => () => this.set({ num_inference_steps });
    return this.shows("num_inference_steps")
      ? html`<div class="controls dial-steps" role="group" aria-label=${this.label("num_inference_steps")}>
            <span class="hint">${this.label("num_inference_steps")}</span>
            ${
              sampler === STUDENT
                ? nothing
                : html`<input type="range" class="dial" min="0" max=${NOTCHES} .value=${String(notchOf(steps))}
                    aria-label=${t("speed-dial.dial")} aria-valuetext=${number(steps)}
                    @input=${(event: Event) => choose(stepsAt(Number((event.target as HTMLInputElement).value)))()} />
                  <output>${number(steps)}</output>`
            }
            <div class="presets">${buttonsOf(sampler).map(
              (count) => html`<button type="button" class="button" @click=${choose(count)}
              aria-pressed=${count === steps ? "true" : "false"}>${number(count)}</button>`,
            )}</div>
            ${this.runButton()} ${steps > LONG ? html`<span class="hint">${t("speed-dial.long")}</span>` : nothing}
          </div>`
      : nothing;
  }

  protected override more(): TemplateResult {
    const { sampler } = this.runOf({});
    return html`<div class="controls">
      ${this.field("label", classOptions)} ${this.field("sampler")}
      ${sampler === STUDENT ? nothing : this.field("guidance_scale")} ${this.dial ? this.field("axis") : nothing}
      <span class="hint">${t(`speed-dial.about-${sampler}`)}</span>
    </div>`;
  }

  protected override below(): TemplateResult {
    const { sampler, seed, num_inference_steps: steps } = this.runOf({});
    const own = t("speed-dial.compare-steps", { sampler: this.way(sampler) });
    const all = t("speed-dial.compare-all");
    return html`<div class="controls">
        ${button(own, () => this.compare([sampler]), "", !this.ready)}
        ${button(all, () => this.compare(WAYS), "", !this.ready)}
      </div>
      ${this.table()} ${this.sentence.part(seed, steps)} ${this.measurements()}`;
  }

  /** The same noise under each sampler and step count. A picture is a button that shows its run. */
  private table(): Content {
    if (!this.rows.length) return nothing;
    return html`<section class="multiples">
      <h3>${t("speed-dial.table", { seed: String(this.state.seed) })}</h3>
      ${this.rows.map(
        (sampler) => html`
        <h4>${this.way(sampler)} <span class="hint">${t(`speed-dial.about-${sampler}`)}</span></h4>
        <ol>
          ${stepsOf(sampler).map((steps) => {
            const run = this.cellRun({ sampler, steps });
            const cell = this.cells.get(JSON.stringify(run));
            const name = t("speed-dial.cell", { sampler: this.way(sampler), steps });
            const time = cell && t("speed-dial.seconds", { seconds: number(cell.milliseconds / 1000, 2) });
            return html`<li class="shot">
              <button type="button" class="cell" aria-label=${name} ?disabled=${!cell} @click=${() => this.look(run)}>
                ${picture(cell?.pixels ?? null, name)}
              </button>
              <b>${number(steps)}</b> <span>${time ?? "…"}</span>
            </li>`;
          })}
        </ol>`,
      )}
      <p class="hint">${t("speed-dial.table-note")}</p>
    </section>`;
  }

  /** What we measured over many pictures: quality against steps, or against time. */
  private measurements(): Content {
    const { dial } = this;
    if (!dial?.rows.length) return nothing;
    const groups = byName(dial.rows);
    const chosen = this.runOf({}).sampler;
    const own = groups.get(chosen) ?? [];
    const stop = enough(own);
    const helps = stop === own.at(-1); // to the last that was measured
    const { axis } = this.state;
    // The chosen sampler among all, and beside it the makers that are no sampler.
    const series = [...groups].map(([name, rows]) => ({
      name: this.shortWay(name),
      quiet: name !== chosen && SAMPLER_NAMES.includes(name as SamplerName),
      points: rows.map((row) => ({ x: row[axis], y: row.frechet, low: row.low, high: row.high })),
    }));
    const over = (values: number[]) => logTicks(Math.min(...values), Math.max(...values));
    const format = (value: number) => number(value);
    const places = over(dial.rows.map((row) => row[axis]));
    const x = { label: t(`speed-dial.axis-${axis}`), log: true, ticks: places, format };
    const heights = [dial.floor, ...dial.rows.flatMap(({ low, high }) => [low, high])];
    const y = { label: t("speed-dial.distance"), log: true, ticks: over(heights), format };
    const marks: Mark[] = [{ y: dial.floor, label: t("speed-dial.floor") }];
    const sampler = this.shortWay(chosen);
    if (stop && !helps) marks.push({ x: stop[axis], label: t("speed-dial.enough-mark", { sampler }) });
    const head = ["sampler", "steps", "distance", "interval", "ms"].map((name) => t(`speed-dial.col-${name}`));
    const rows = [...groups.values()].flat().map(({ name, steps, frechet, low, high, milliseconds }) => {
      const interval = `${number(low, 0)} – ${number(high, 0)}`;
      return [this.way(name), number(steps), number(frechet, 0), interval, number(milliseconds, 0)];
    });
    const values = { n: dial.n, floor: number(dial.floor, 0), guidance: dial.guidance_scale };
    return html`<section class="measured">
      <h3>${t("speed-dial.measured")}</h3>
      ${chart(t("speed-dial.measured"), series, x, y, marks)}
      <div>
      ${stop ? html`<p>${t(`speed-dial.${helps ? "helps" : "enough"}`, { sampler, steps: stop.steps })}</p>` : nothing}
      <p>${t("speed-dial.gan")}</p>
      <p class="hint" title=${t("speed-dial.distance-name")}>${t("speed-dial.distance-means", values)}</p>
      <details>
        <summary>${t("speed-dial.numbers")}</summary>
        ${dataTable({ head, rows })}
      </details>
      </div>
    </section>`;
  }

  protected override badge(): BadgeFacts {
    const facts = super.badge();
    return { ...facts, models: [...facts.models, ...this.sentence.models] };
  }

  protected override code(): Code {
    const { label, sampler, ...run } = this.runOf({});
    const { seed, num_inference_steps: steps, guidance_scale } = run;
    const what = classOf(label);
    const student = sampler === STUDENT;
    const model = student ? "few-steps" : "diffusion";
    const more = student ? "" : `,\n    guidance_scale=${guidance_scale}, sampler="${sampler}"`;
    return {
      python: `import bozzetto

[picture] = bozzetto.sample(
    "${model}"${what ? `, label="${what}"` : ""}, seed=${seed}, num_inference_steps=${steps}${more},
)
picture.save("picture.png")`,
      shell:
        `bozzetto sample ${model} -o picture.png -n 1${what ? ` --label ${what}` : ""} --seed ${seed} ` +
        `--steps ${steps}${student ? "" : ` --guidance ${guidance_scale} --sampler ${sampler}`}`,
    };
  }

  protected override alternative(): Alternative {
    const { label, seed } = this.runOf({});
    const cells = this.rows.flatMap((sampler) => stepsOf(sampler).map((steps) => ({ sampler, steps })));
    const rows = cells.flatMap(({ sampler, steps }) => {
      const cell = this.cells.get(JSON.stringify(this.cellRun({ sampler, steps })));
      return cell ? [[this.way(sampler), number(steps), number(cell.milliseconds / 1000, 2)]] : [];
    });
    const filled = cells.length ? t("speed-dial.filled", { done: rows.length, n: cells.length }) : "";
    const says = { label: classWords(label), seed: String(seed), at: this.atWords() };
    const told = this.sentence.says;
    const shown = this.film ? t("speed-dial.says", says) : told ? "" : this.atWords();
    const head = ["sampler", "steps", "seconds"].map((name) => t(`speed-dial.col-${name}`));
    return { sentence: [shown, filled, told].filter(Boolean).join(" "), table: { head, rows } };
  }
}
