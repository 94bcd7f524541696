// <bz-draw>: the field of the first page. What is typed is drawn right there, by the few-step student.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, state as reactive } from "lit/decorators.js";
import { Runtime } from "../runtime/client.js";
import { BEST_STYLE, LIMITS } from "../runtime/generated.js";
import { inLayers, read } from "../runtime/layers.js";
import { picture, type Pixels } from "../ui/canvas.js";
import { enlarged } from "../ui/enlarge.js";
import { button, type Content, workPart } from "../ui/figure-parts.js";
import { number, t } from "../ui/strings.js";
import { Work } from "../ui/work.js";

const MODELS = ["clip/text", "text_few_steps", "autoencoder/decoder", "enlarger"] as const;
const STEPS = 4; // the first guess of a student has blots, which three more looks take away

interface Drawn {
  prompt: string;
  seed: number;
  what: Pixels;
  unknown: string[];
  seconds: number;
}

@customElement("bz-draw")
export class Draw extends LitElement {
  private readonly work = new Work(this);
  private seed = 7;
  @reactive() private prompt = t("draw.example");
  @reactive() private drawn: Drawn | undefined;
  @reactive() private begun = false;

  protected override createRenderRoot(): HTMLElement {
    this.replaceChildren();
    return this;
  }

  private draw(seed = this.seed): void {
    const prompt = this.prompt.trim();
    if (!prompt) return;
    this.seed = seed;
    this.begun = true;
    void this.work.run(async (signal) => {
      await this.work.load(MODELS, signal);
      const runtime = Runtime.get();
      const { unknown } = await runtime.tokens(prompt);
      const began = performance.now();
      const options = { model: "text_few_steps", num_inference_steps: STEPS, style: BEST_STYLE, seed } as const;
      const draw = async (thing: string) => (await runtime.generate({ ...options, prompt: thing }, { signal })).picture;
      const what = await enlarged(await inLayers(prompt, draw), signal);
      const seconds = (performance.now() - began) / 1000;
      this.drawn = { prompt, seed, what, unknown, seconds };
    });
  }

  protected override render(): TemplateResult {
    const typed = (event: Event): void => void (this.prompt = (event.target as HTMLInputElement).value);
    const submit = (event: Event): void => {
      event.preventDefault();
      this.draw();
    };
    return html`<form @submit=${submit}>
        <label for="draw-prompt">${t("draw.draw")}</label>
        <input id="draw-prompt" type="text" dir="auto" autocomplete="off" maxlength=${LIMITS.prompt}
          .value=${this.prompt} @input=${typed} />
        <button class="button primary" ?disabled=${!this.prompt.trim()}>${t("draw.go")}</button>
      </form>
      ${this.begun ? this.answer() : html`<p class="hint">${t("draw.hint")}</p>`}
      <p class="ideas">${t("draw.or")} ${t("draw.ideas")
        .split("; ")
        .map((idea) => this.idea(idea))}</p>`;
  }

  private idea(prompt: string): TemplateResult {
    const draw = (): void => {
      this.prompt = prompt;
      this.draw();
    };
    return button(prompt, draw, "quiet");
  }

  private answer(): TemplateResult {
    const { drawn, work } = this;
    const label = drawn ? t("draw.picture", { prompt: drawn.prompt }) : "";
    const another = (): void => this.draw(Math.floor(1e6 * Math.random()));
    return html`<div class="drawing">
      ${picture(work.busy ? undefined : drawn?.what, label)}
      <div>
        <p role="status">${drawn && !work.busy ? this.says(drawn) : nothing}</p>
        ${workPart(work)}
        ${drawn ? html`<p>${button(t("draw.another"), another)}</p><p>${this.onward(drawn)}</p>` : nothing}
      </div>
    </div>`;
  }

  private says({ prompt, seed, unknown, seconds }: Drawn): string {
    const things = read(prompt)?.things.map((thing) => `“${thing}”`);
    return [
      t("draw.says", { prompt, seed: String(seed), seconds: number(seconds, 1) }),
      ...(things ? [t(`draw.layers-${things.length > 1 ? "many" : "one"}`, { things: things.join(", ") })] : []),
      ...(unknown.length ? [t("draw.unknown", { words: unknown.slice(0, 8).join(", ") })] : []),
    ].join(" ");
  }

  /** The same words and noise in the lesson that draws them step by step: of layers, those of the first. */
  private onward({ prompt, seed }: Drawn): Content {
    const { lesson = "", figure = "" } = this.dataset;
    const wanted = { prompt: read(prompt)?.things[0] ?? prompt, seed: String(seed), style: BEST_STYLE };
    const state = new URLSearchParams(Object.entries(wanted).map(([name, value]) => [`${figure}.${name}`, value]));
    return html`<a href="${lesson}#${state}">${t("draw.onward")}</a>`;
  }
}
