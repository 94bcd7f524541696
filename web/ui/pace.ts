// Long work in the page, in pieces short enough that it answers meanwhile.

const PIECE = 10; // milliseconds

/** A task of its own for what follows. A timer would do it, but those of a page that plays may wait four milliseconds. */
export function nextTask(): Promise<void> {
  return new Promise((resume) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resume();
    };
    port2.postMessage(undefined);
  });
}

/** What to wait for between two small parts of a long work: it takes time only after a piece of them. */
export function paced(): () => Promise<void> {
  let began = performance.now();
  return async () => {
    if (performance.now() - began < PIECE) return;
    await nextTask();
    began = performance.now();
  };
}
