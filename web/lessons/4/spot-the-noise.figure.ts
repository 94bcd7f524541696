// <bz-spot-the-noise>: how much of the noise can a model spot, and of the picture under it? One slider, two views: a
// picture with pixel diffusion, and a cloud of points with a tiny network that learns in the page.
import { html, nothing, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { beats } from "../../ui/beat.js";
import { classOf, classOptions } from "../../ui/classes.js";
import { type Code } from "../../ui/code.js";
import { BzFigure } from "../../ui/figure.js";
import { type Alternative, type BadgeFacts, button, choices, type Content } from "../../ui/figure-parts.js";
import { t } from "../../ui/strings.js";
import { CloudView } from "./cloud-view.js";
import { MODELS, PictureView } from "./picture-view.js";
import { FIELDS, type Host, MOST, type State, type View, VIEWS } from "./view.js";

@customElement("bz-spot-the-noise")
export class SpotTheNoise extends BzFigure<State> implements Host {
  protected readonly fields = FIELDS;
  private readonly pictureView = new PictureView(this);
  private readonly cloudView = new CloudView(this);
  /** The view that is in sight. */
  private seen: View | undefined;
  private endBeats: (() => void) | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.changed();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.pause();
    this.view.leave();
    this.seen = undefined;
  }

  private get view(): View {
    return this.state.view === "cloud" ? this.cloudView : this.pictureView;
  }

  protected override changed(): void {
    if (this.view !== this.seen) {
      this.pause();
      this.work.cancel();
      this.seen?.leave();
      this.seen = this.view;
    }
    this.view.answer();
  }

  override reset(): void {
    this.pause();
    this.pictureView.forget();
    this.cloudView.forget();
    super.reset();
  }

  // ---------------------------------------------------------------- playing

  private by(steps: number): void {
    const noise = this.state.noise + steps * this.view.pace.by;
    this.follow({ noise: Math.max(0, Math.min(MOST, noise)) });
  }

  /** Whether Play has come to its end: pure noise for a picture, none for the cloud. */
  private get over(): boolean {
    return this.state.noise === (this.view.pace.by > 0 ? MOST : 0);
  }

  override play(): void {
    const { by, every } = this.view.pace;
    if (this.over) this.follow({ noise: by > 0 ? 0 : MOST });
    this.playing = true;
    this.endBeats?.();
    this.endBeats = beats(() => {
      this.by(this.still ? MOST : 1);
      if (this.over) this.pause();
    }, every);
  }

  override pause(): void {
    this.playing = false;
    this.endBeats?.();
  }

  override step(): void {
    this.pause();
    this.by(Math.abs(5 / this.view.pace.by));
  }

  override back(): void {
    this.pause();
    this.by(-Math.abs(5 / this.view.pace.by));
  }

  // ---------------------------------------------------------------- what is drawn

  protected override figure(): TemplateResult {
    const named = VIEWS.map((view) => [view, t(`spot-the-noise.view-${view}`)] as const);
    const chosen: State["view"] = this.state.view;
    const tabs = choices("tabs", "spot-the-noise-view", this.label("view"), named, chosen, (view) =>
      this.set({ view }),
    );
    return html`${this.shows("view") ? tabs : nothing} ${this.view.draw()}`;
  }

  /** In sight, under the picture, are Play and new noise. */
  buttons(): TemplateResult {
    const { view } = this.state;
    const flow = view === "cloud" && !this.playing && this.shows("play");
    const fromNoise = () => {
      this.follow({ noise: MOST });
      this.play();
    };
    const renew = () => this.set({ seed: Math.floor(1e6 * Math.random()) });
    return html`<div class="controls">
      ${
        flow
          ? button(t("spot-the-noise.flow"), fromNoise, "primary", !this.cloudView.ready)
          : this.transport("play", "primary")
      }
      ${this.shows("seed") ? button(t(`spot-the-noise.new-${view}`), renew) : nothing}
    </div>`;
  }

  protected override more(): TemplateResult {
    const cloud = this.state.view === "cloud";
    return html`<h3>${t(`spot-the-noise.other${cloud ? "-cloud" : ""}`)}</h3>
      ${cloud ? this.cloudView.input() : this.pictureView.input()}
      ${cloud ? nothing : html`<div class="controls">${this.field("label", classOptions)} ${this.field("truth")}</div>`}`;
  }

  protected override below(): Content {
    return this.view.below();
  }

  protected override alternative(): Alternative {
    const told = this.view.alternative();
    return this.playing ? { ...told, sentence: t(`spot-the-noise.playing-${this.state.view}`) } : told;
  }

  protected override badge(): BadgeFacts {
    const cloud = this.state.view === "cloud";
    return cloud
      ? { models: [], recorded: false }
      : { models: MODELS, recorded: false, milliseconds: this.pictureView.milliseconds };
  }

  protected override code(): Code {
    const { view, noise, seed, label } = this.state;
    if (view === "cloud") return { python: CLOUD };
    const what = classOf(label);
    return {
      python: `import bozzetto

noisy, guess = bozzetto.denoise("picture.png", ${noise / 100}${what ? `, label="${what}"` : ""}, seed=${seed})
noisy.save("noisy.png")
guess.save("guess.png")`,
    };
  }
}

/** The perfect denoiser of a cloud has a formula, and the samplers of Bozzetto walk with it. */
const CLOUD = `import numpy as np
from bozzetto.diffusion import SAMPLERS, flow, normal

angle = 2 * np.pi * np.arange(300) / 300
ring = 1.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)

def denoise(x, t):  # the mean of all points of the ring, each as likely as x makes it
    apart = ((x[:, None] - (1 - t) * ring) ** 2).sum(-1) / (2 * t * t)
    weight = np.exp(apart.min(1, keepdims=True) - apart)
    return weight @ ring / weight.sum(1, keepdims=True)

points = SAMPLERS["euler"](denoise, normal(7, (400, 2)), flow(100))`;
