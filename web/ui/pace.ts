// Long work in the page, in pieces short enough that it answers meanwhile.
import { nextTask } from "../runtime/next-task.js";

const PIECE = 10; // milliseconds

/** What to wait for between two small parts of a long work: it takes time only after a piece of them. */
export function paced(): () => Promise<void> {
  let began = performance.now();
  return async () => {
    if (performance.now() - began < PIECE) return;
    await nextTask();
    began = performance.now();
  };
}
