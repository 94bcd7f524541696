/** Resolves in a task of its own, after the messages that have come are heard. Unlike a timer, which browsers slow down,
 * it takes no time. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
