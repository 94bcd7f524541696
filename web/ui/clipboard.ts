// What a figure has copied last, and whether that was allowed.

export class Clipboard {
  copied: { what: string; text: string; done: boolean } | undefined;

  constructor(private readonly host: { requestUpdate: () => void }) {}

  async copy(what: string, text: string): Promise<void> {
    // The clipboard is closed to pages that come over plain http from another machine.
    const { clipboard } = navigator as Partial<Navigator>;
    const done = clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    this.copied = { what, text, done: (await done) ?? false };
    this.host.requestUpdate();
  }

  forget(): void {
    this.copied = undefined;
  }
}
