// A film of a few frames: they play twice at a press, and lie side by side for those who would rather look.
import { html, type TemplateResult } from "lit";
import type { ModelName } from "../runtime/client.js";
import { beats } from "./beat.js";
import { picture, type Pixels } from "./canvas.js";
import { button } from "./figure-parts.js";
import { t } from "./strings.js";

/** What draws a clip. */
export const CLIP_MODELS = [
  "clip/text",
  "text_few_steps",
  "film",
  "autoencoder/decoder",
] as const satisfies readonly ModelName[];

const FRAME_TIME = 125; // milliseconds: a second for eight frames
const ROUNDS = 2;

export interface Host {
  requestUpdate(): void;
}

export class Clip {
  frames: readonly Pixels[] = [];
  words = "";
  private at = 0;
  private stop: (() => void) | undefined;

  constructor(private readonly host: Host) {}

  show(frames: readonly Pixels[], words: string): void {
    this.end();
    [this.frames, this.words] = [frames, words];
    this.host.requestUpdate();
  }

  play(): void {
    this.end();
    let left = ROUNDS * this.frames.length;
    this.stop = beats(() => {
      this.at = (this.at + 1) % this.frames.length;
      if (--left <= 0) this.end();
      this.host.requestUpdate();
    }, FRAME_TIME);
  }

  end(): void {
    this.stop?.();
    this.stop = undefined;
    this.at = 0;
  }

  part(): TemplateResult {
    const { frames, words } = this;
    return html`<div class="clip">
      ${picture(frames[this.at] ?? null, t("shell.clip", { words, n: frames.length }))}
      <ol class="clip-frames">
        ${frames.map((frame, i) => html`<li>${picture(frame, t("shell.frame", { i: i + 1, n: frames.length }), "thumb")}</li>`)}
      </ol>
      ${button(t("shell.play-clip"), () => this.play(), "", !frames.length)}
    </div>`;
  }
}
