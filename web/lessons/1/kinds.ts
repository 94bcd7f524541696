// Makers of four kinds of data: the one above draws; the others write, sound and film at a press.
import { html, nothing, type TemplateResult } from "lit";
import { type ModelName, Runtime, type SoundMade } from "../../runtime/client.js";
import { pixels } from "../../ui/canvas.js";
import { Clip, CLIP_MODELS } from "../../ui/clip.js";
import { button, type Content } from "../../ui/figure-parts.js";
import { soundPart, SOUNDS } from "../../ui/heard.js";
import { t } from "../../ui/strings.js";
import type { Work } from "../../ui/work.js";

const KINDS = ["picture", "text", "sound", "video"] as const;
const MOTIONS = ["moves left", "grows", "spins", "bounces", "fades"] as const;
const MADE_BY = {
  text: ["writer/next_word"],
  sound: ["sound"],
  video: CLIP_MODELS,
} satisfies Record<string, readonly ModelName[]>;
type Kind = keyof typeof MADE_BY;
export const MAKERS = ["text", "sound", "video"] as const satisfies readonly Kind[];

/** Whose makers they are. */
export interface Host {
  requestUpdate(): void;
  readonly work: Work;
}

export class Kinds {
  /** How many of each were made: the next press makes another. */
  private readonly made: Record<Kind, number> = { text: 0, sound: 0, video: 0 };
  private making: { kind: Kind; signal: AbortSignal } | undefined;
  private tale = "";
  private heard: SoundMade | undefined;
  private heardWords = "";
  private readonly clip: Clip;

  constructor(private readonly host: Host) {
    this.clip = new Clip(host);
  }

  forget(...kinds: Kind[]): void {
    for (const kind of kinds) {
      if (this.at === kind) this.host.work.cancel();
      this.made[kind] = 0;
    }
    if (kinds.includes("text")) this.tale = "";
    if (kinds.includes("sound")) this.heard = undefined;
    if (kinds.includes("video")) this.clip.show([], "");
  }

  /** What is being made. */
  get at(): Kind | undefined {
    return this.making?.signal === this.host.work.signal ? this.making?.kind : undefined;
  }

  /** Of all that was made here and is seen. */
  get models(): ModelName[] {
    const seen = { text: this.tale, sound: this.heard, video: this.clip.frames.length };
    return MAKERS.filter((kind) => seen[kind]).flatMap((kind) => [...MADE_BY[kind]]);
  }

  private make(kind: Kind, idea: string, seed: number): void {
    const turn = this.made[kind];
    void this.host.work.run(async (signal) => {
      this.making = { kind, signal };
      await this.host.work.load(MADE_BY[kind], signal);
      await this.runs[kind](idea, seed + turn, turn, signal);
      this.made[kind] = turn + 1;
      this.host.requestUpdate();
    });
  }

  private readonly runs: Record<
    Kind,
    (idea: string, seed: number, turn: number, signal: AbortSignal) => Promise<void>
  > = {
    text: async (prompt, seed, _, signal) => {
      const onDraft = ({ text }: { text: string }): void => {
        this.tale = text;
        this.host.requestUpdate();
      };
      await Runtime.get().write({ prompt, seed }, { signal, onDraft });
    },
    sound: async (_, seed, turn, signal) => {
      const prompt = SOUNDS[turn % SOUNDS.length]!;
      this.heard = await Runtime.get().sound({ prompt, seed }, { signal });
      this.heardWords = prompt;
    },
    video: async (idea, seed, turn, signal) => {
      const prompt = `${idea} ${MOTIONS[turn % MOTIONS.length]!}`;
      const { frames } = await Runtime.get().film({ prompt, seed }, { signal });
      this.clip.show(
        frames.map((frame) => pixels(frame)),
        prompt,
      );
    },
  };

  private shown(kind: (typeof KINDS)[number]): Content {
    const { heard, heardWords, clip, tale } = this;
    if (kind === "text" && tale) return html`<p class="kind-tale" lang="en">${tale}</p>`;
    if (kind === "sound" && heard) {
      return html`<p lang="en">${heardWords}</p>${soundPart(heard.picture, heardWords, heard, this.host.work)}`;
    }
    if (kind === "video" && clip.frames.length) return html`<p lang="en">${clip.words}</p>${clip.part()}`;
    return nothing;
  }

  /** idea: what is written and filmed, in English. */
  part(idea: string | undefined, seed: number): TemplateResult {
    return html`<ul class="kinds" aria-label=${t("sorter-maker.kinds")}>
      ${KINDS.map((kind) => {
        const key = `sorter-maker.kind-${kind}`;
        const wait = !idea || this.host.work.busy;
        const make = kind !== "picture" && button(t(`${key}-make`), () => this.make(kind, idea!, seed), "", wait);
        return html`<li><b>${t(key)}</b> <span>${t(`${key}-where`)}</span> ${make || nothing} ${this.shown(kind)}</li>`;
      })}
    </ul>`;
  }

  /** For the figure in words. */
  get says(): string {
    const { heard, heardWords, clip, tale } = this;
    return [
      tale && t("sorter-maker.kind-text-says", { text: tale }),
      heard && t("sorter-maker.kind-sound-says", { words: heardWords }),
      clip.frames.length && t("sorter-maker.kind-video-says", { words: clip.words, n: clip.frames.length }),
    ]
      .filter(Boolean)
      .join(" ");
  }
}
