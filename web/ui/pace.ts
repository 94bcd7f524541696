// Long work in the page, in pieces short enough that it answers meanwhile.

const PIECE = 10; // milliseconds

/** What to wait for between two small parts of a long work: it takes time only after a piece of them. */
export function paced(): () => Promise<void> {
  let began = performance.now();
  return async () => {
    if (performance.now() - began < PIECE) return;
    await new Promise((resume) => setTimeout(resume));
    began = performance.now();
  };
}
