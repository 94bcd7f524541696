// The state of a figure, kept in the page's address: read when the figure appears and when the address changes,
// written a moment after each change.
import type { ReactiveController, ReactiveControllerHost } from "lit";
import { type Field, read, type State, write } from "./state.js";

export class LinkState implements ReactiveController {
  state: State = {};
  /** Names of fields that the link set. */
  fromLink: string[] = [];
  /** Names of fields whose value in the link was of no use. A note says so until a person changes something. */
  rejected: string[] = [];
  private hidden = new Set<string>();
  private writing: ReturnType<typeof setTimeout> | undefined;

  /** `onLink` is told when another link has changed the state. */
  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly figure: string,
    private readonly fields: readonly Field[],
    private readonly onLink: () => void,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    this.read();
    addEventListener("hashchange", this.onHash);
  }

  hostDisconnected(): void {
    removeEventListener("hashchange", this.onHash);
  }

  /** Whether a teacher's link hides this control. */
  hides(name: string): boolean {
    return this.hidden.has(name);
  }

  /** What a person changes. */
  set(changes: State): void {
    this.rejected = [];
    this.follow(changes);
  }

  /** What the figure begins with; the address need not say it. */
  begin(changes: State): void {
    this.state = { ...this.state, ...changes };
    this.host.requestUpdate();
  }

  /** What the figure changes by itself, as it goes on. */
  follow(changes: State): void {
    this.begin(changes);
    clearTimeout(this.writing); // browsers refuse an address that changes too often
    this.writing = setTimeout(() => this.write(), 300);
  }

  write(): void {
    clearTimeout(this.writing);
    history.replaceState(history.state, "", write(this.figure, this.fields, this.state, location.hash));
  }

  private read(): void {
    const { state, fromLink, rejected, hidden } = read(this.figure, this.fields, location.hash);
    Object.assign(this, { state, fromLink, rejected, hidden });
    this.host.requestUpdate();
  }

  private readonly onHash = (): void => {
    if (!location.hash.includes(`${this.figure}.`)) return; // a jump to a heading
    this.read();
    this.onLink();
  };
}
