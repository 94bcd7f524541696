// A learning platform as SCORM 1.2 has it: an object called API in a window above this one, or above the one that opened
// it. It is somebody else's program, so nothing that it does may stop the course.

/** As much of a window as is looked at. Any of it may belong to another site, and then looking throws. */
export interface Around {
  API?: unknown;
  parent?: Around;
  top?: Around | null;
  opener?: Around | null;
}

type Api = Record<string, (...values: string[]) => unknown>;

const FAR = 50; // so many windows above one another are enough

/** What `look` sees; undefined where it must not look. */
export function seen<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

function apiAbove(window: Around | null | undefined): Api | undefined {
  for (let at = window, i = 0; at && i < FAR; i++) {
    const here = at;
    const api = seen(() => here.API as Api | undefined);
    if (seen(() => typeof api?.["LMSInitialize"] === "function")) return api;
    const next = seen(() => here.parent);
    at = next === here ? undefined : next;
  }
  return undefined;
}

export function findApi(window: Around): Api | undefined {
  return apiAbove(window) ?? apiAbove(seen(() => window.opener)) ?? apiAbove(seen(() => window.top?.opener));
}

export class Platform {
  /** Whether everything that matters was taken when it was last offered. */
  hears = true;
  private readonly told = new Map<string, string>();

  constructor(private readonly api: Api) {}

  open(): void {
    this.hears = this.call("LMSInitialize", "");
  }

  get(element: string): string {
    return seen(() => String(this.api["LMSGetValue"]!(element))) ?? "";
  }

  /** Tells values that it has not heard yet, and has them kept. What a platform need not know (`extra`) it may refuse. */
  tell(values: Record<string, string>, extra: Record<string, string> = {}): void {
    const taken = Object.entries(values).map(([element, value]) => this.set(element, value));
    for (const [element, value] of Object.entries(extra)) this.set(element, value);
    const kept = this.call("LMSCommit", "");
    this.hears = kept && !taken.includes(false);
  }

  close(): void {
    this.call("LMSFinish", "");
  }

  private set(element: string, value: string): boolean {
    if (this.told.get(element) === value) return true;
    const taken = this.call("LMSSetValue", element, value);
    if (taken) this.told.set(element, value);
    return taken;
  }

  private call(name: string, ...values: string[]): boolean {
    return seen(() => String(this.api[name]!(...values))) === "true";
  }
}
