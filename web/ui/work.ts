// The work of a figure: one piece at a time, with its progress, and what went wrong.
import type { ReactiveController, ReactiveControllerHost } from "lit";
import { type ModelConfig, type ModelName, Runtime, RuntimeError } from "../runtime/client.js";
import { megabytes, t } from "./strings.js";

export type Job = (signal: AbortSignal) => Promise<void>;

export interface Progress {
  text: string;
  value: number;
  max: number;
}

export class Work implements ReactiveController {
  progress: Progress | undefined;
  error: { text: string; retry: Job | undefined } | undefined;
  private job: AbortController | undefined;

  constructor(private readonly host: ReactiveControllerHost) {
    host.addController(this);
  }

  hostDisconnected(): void {
    this.cancel();
  }

  get busy(): boolean {
    return this.job !== undefined;
  }

  /** Of the piece that is being done. */
  get signal(): AbortSignal | undefined {
    return this.job?.signal;
  }

  /** A new piece of work cancels the one before. What goes wrong is shown. */
  async run(job: Job): Promise<void> {
    this.cancel();
    const controller = (this.job = new AbortController());
    this.error = undefined;
    this.host.requestUpdate();
    try {
      await job(controller.signal);
    } catch (error) {
      if (controller.signal.aborted) return;
      this.fail(error, job);
    } finally {
      if (this.job === controller) this.end();
    }
  }

  /** Shows what went wrong, with Retry where it can help; work in hand goes on. */
  fail(error: unknown, job?: Job): void {
    const worded = error instanceof RuntimeError && error.inWords;
    const text = worded
      ? t(`shell.${error.kind}`, error.values)
      : error instanceof Error
        ? error.message
        : String(error);
    this.error = { text, retry: worded ? undefined : job };
    this.host.requestUpdate();
  }

  cancel(): void {
    this.job?.abort();
    this.end();
  }

  report(text: string, value: number, max: number): void {
    this.progress = { text, value, max };
    this.host.requestUpdate();
  }

  /** Opens models by name, with the megabytes in the progress bar. */
  async load<Name extends ModelName>(models: readonly Name[], signal: AbortSignal): Promise<Record<Name, ModelConfig>> {
    const configs = await Runtime.get().load(models, {
      signal,
      onProgress: ({ loaded, total, opening }) => {
        const values = { loaded: megabytes(loaded), total: megabytes(total) };
        const text = t(`shell.${opening ? "opening" : "loading"}`, values);
        if (!signal.aborted) this.report(text, loaded, total);
      },
    });
    this.progress = undefined;
    this.host.requestUpdate();
    return configs;
  }

  private end(): void {
    this.job = this.progress = undefined;
    this.host.requestUpdate();
  }
}
