// A figure's state in a sentence, told to screen readers when it changes.
import type { LitElement, ReactiveController } from "lit";

const PAUSE = 1000; // milliseconds: one message a second is as much as can be listened to, for a short while

export class Announcer implements ReactiveController {
  private waiting = 0;
  private said = "";
  private saidAt = 0;

  /** `region` finds the element whose text is read out. While the figure is `playing` nothing is: it would never end. */
  constructor(
    host: LitElement,
    private readonly sentence: () => string,
    private readonly region: () => Element | null,
    private readonly playing: () => boolean = () => false,
  ) {
    host.addController(this);
  }

  hostUpdated(): void {
    const sentence = this.sentence();
    clearTimeout(this.waiting);
    if (sentence === this.said || this.playing()) return;
    this.waiting = window.setTimeout(() => this.say(sentence), Math.max(0, this.saidAt + PAUSE - Date.now()));
  }

  hostDisconnected(): void {
    clearTimeout(this.waiting);
  }

  private say(sentence: string): void {
    const first = this.said === ""; // what is there from the start is read, not announced
    this.said = sentence;
    this.saidAt = Date.now();
    const region = this.region();
    if (region && !first) region.textContent = sentence;
  }
}
