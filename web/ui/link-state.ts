// The state of a figure, kept in the page's address: read when the figure appears and when the address changes,
// written a moment after a change, and again while changes go on.
import type { ReactiveController, ReactiveControllerHost } from "lit";
import { defaults, type Fields, read, type State, write } from "./state.js";

export class LinkState<S extends State> implements ReactiveController {
  /** Empty until the figure is on the page. */
  state = {} as S;
  /** Names of fields that the link set. */
  fromLink: string[] = [];
  /** Names of fields whose value in the link was of no use. A note says so until a person changes something. */
  rejected: string[] = [];
  private hidden: ReadonlySet<string> = new Set();
  private writing: ReturnType<typeof setTimeout> | undefined;
  /** What the address said of this figure when it was last read or written. */
  private known = "";

  /** `onLink` is told when another link has changed the state. */
  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly figure: string,
    private readonly fields: () => Fields,
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

  /** Whether anything is hidden. */
  get hiding(): boolean {
    return this.hidden.size > 0;
  }

  /** What the address says of the figure as it is, with these controls hidden. */
  fragment(hidden: Iterable<string> = this.hidden): string {
    const names = [...hidden].join(",");
    return write(this.figure, this.state, names ? `#hide=${names}` : "");
  }

  /** Back to how the figure is first met, by a person. */
  reset(): void {
    this.set(defaults<S>(this.fields()));
  }

  /** What a person changes. */
  set(changes: Partial<S>): void {
    this.rejected = [];
    this.follow(changes);
  }

  /** What the figure begins with; the address need not say it. */
  begin(changes: Partial<S>): void {
    this.state = { ...this.state, ...changes };
    this.host.requestUpdate();
  }

  /** What the figure changes by itself, as it goes on. */
  follow(changes: Partial<S>): void {
    this.begin(changes);
    this.writing ??= setTimeout(() => this.write(), 400); // browsers refuse an address that changes too often
  }

  write(): void {
    clearTimeout(this.writing);
    this.writing = undefined;
    const said = this.said();
    if (said && said !== this.known) return; // another link has just been followed, and its event is on its way
    history.replaceState(history.state, "", write(this.figure, this.state, location.hash));
    this.known = this.said();
  }

  private read(): void {
    Object.assign(this, read<S>(this.figure, this.fields(), location.hash));
    this.known = this.said();
    this.host.requestUpdate();
  }

  /** What the address says of this figure, and of no other. */
  private said(): string {
    const entries = [...new URLSearchParams(location.hash.slice(1))];
    return String(new URLSearchParams(entries.filter(([name]) => name.startsWith(`${this.figure}.`))));
  }

  private readonly onHash = (): void => {
    if (!location.hash.includes(`${this.figure}.`)) return; // a jump to a heading
    this.read();
    this.onLink();
  };
}
