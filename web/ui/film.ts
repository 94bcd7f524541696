// A film is one run of a sampler, frame by frame. Frame 0 is the noise it starts from, frame k is how things are after
// k steps. Latents are kept; pictures are decoded when they are asked for, the one asked for last first, and kept too.
import type { Pixels } from "./canvas.js";

export const VIEWS = ["noisy", "clean", "withPrompt", "withoutPrompt"] as const;
export type View = (typeof VIEWS)[number];
export type Frame = Partial<Record<View, Float32Array>> & { milliseconds?: number };

/** A run of more steps than this keeps the pictures of some of them, so that a long one takes no more memory. */
const WHOLE = 100;
const KEPT = 50;

type Decode = (latents: Float32Array) => Promise<Pixels>;

export class Film {
  readonly frames: Frame[] = [];
  private readonly pictures = new Map<string, Pixels>();
  private queue: string[] = [];
  private decoding = false;
  private whole = 0; // the newest frame that was seen whole, and the one that is decoded after it
  private next = 0;

  /** `settings` says which run this is, `times` how noisy it is before and after every step; `onPicture` is told when a picture that was asked for is there. A recorded film
   * has its pictures, and nothing to decode. */
  constructor(
    readonly settings: string,
    private readonly times: readonly number[],
    readonly recorded: boolean,
    private readonly decode?: Decode,
    private readonly onPicture?: () => void,
  ) {}

  get steps(): number {
    return this.times.length - 1;
  }

  /** The first frame that can be seen: a recording may begin after its first step. */
  get first(): number {
    return this.frames[0]?.noisy || this.pictures.has("0 noisy") ? 0 : 1;
  }

  /** The newest frame's number. */
  get last(): number {
    return this.frames.length - 1;
  }

  /** From one frame that is kept with its pictures to the next. */
  get stride(): number {
    return this.steps > WHOLE ? Math.ceil(this.steps / KEPT) : 1;
  }

  /** The nearest kept frame at or before k. The last one of a run is kept. */
  kept(k: number): number {
    return k >= this.steps ? this.steps : k - (k % this.stride);
  }

  /** The kept frame after k. */
  after(k: number): number {
    return Math.min(this.kept(k) + this.stride, this.steps);
  }

  /** The next frame of a run, with its pictures where it is one of those that are kept. */
  add(frame: Frame): void {
    const k = this.frames.length;
    this.frames.push(this.kept(k) === k ? frame : { milliseconds: frame.milliseconds });
  }

  get complete(): boolean {
    return this.last === this.steps;
  }

  /** The share of noise after k steps: the time, for the path is straight. */
  noise(k: number): number {
    return this.times[k]!;
  }

  /** The median time of a step. */
  get milliseconds(): number | undefined {
    const each = this.frames.flatMap(({ milliseconds }) => milliseconds ?? []).sort((a, b) => a - b);
    return each[each.length >> 1];
  }

  /** Keeps a picture that needs no decoding. */
  keep(k: number, view: View, pixels: Pixels): void {
    this.pictures.set(`${k} ${view}`, pixels);
  }

  /** Whether a frame has such a picture, decoded or not. */
  has(k: number, view: View): boolean {
    return this.frames[k]?.[view] !== undefined || this.pictures.has(`${k} ${view}`);
  }

  /** The picture of a frame; undefined while it is being decoded, null when there is none. */
  picture(k: number, view: View): Pixels | undefined | null {
    const key = `${k} ${view}`;
    const known = this.pictures.get(key);
    if (known) return known;
    if (!this.frames[k]?.[view]) return null;
    this.queue = [key, ...this.queue.filter((other) => other !== key)];
    void this.work();
    return undefined;
  }

  /** The newest frame that can be seen whole, in all of these views. While a run goes on its frames come faster than
   * they can be decoded: so one at a time is, the first view first, and when it is whole the newest that is there then. */
  newestWhole(views: readonly View[]): number {
    const whole = views.every((view) => !this.frames[this.next]?.[view] || this.pictures.has(`${this.next} ${view}`));
    if (whole) [this.whole, this.next] = [this.next, this.kept(this.last)];
    for (const view of [...views].reverse()) this.picture(this.next, view);
    return this.whole;
  }

  /** Decodes all that is left, when nothing else is asked for. */
  decodeAll(views: readonly View[]): void {
    for (const view of views) {
      this.frames.forEach((frame, k) => {
        const key = `${k} ${view}`;
        if (frame[view] && !this.pictures.has(key) && !this.queue.includes(key)) this.queue.push(key);
      });
    }
    void this.work();
  }

  /** Nobody looks any more. */
  close(): void {
    this.queue = [];
  }

  private async work(): Promise<void> {
    if (this.decoding) return;
    this.decoding = true;
    for (let key = this.queue.shift(); key !== undefined; key = this.queue.shift()) {
      const [k, view] = key.split(" ") as [string, View];
      const latents = this.frames[Number(k)]?.[view];
      if (!latents || !this.decode || this.pictures.has(key)) continue;
      try {
        const decoded = await this.decode(latents);
        if (!this.pictures.has(key)) this.pictures.set(key, decoded); // a finer one may have been kept meanwhile
        this.onPicture?.();
      } catch {
        this.queue = []; // the models are gone; whoever asks again starts again
      }
    }
    this.decoding = false;
  }
}
