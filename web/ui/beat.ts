// What plays by itself: one picture follows another at a beat.

/** Milliseconds: not quite three pictures a second, even if one is painted late, for noise must not flicker faster. */
export const BEAT = 360;

/** Act at every beat, until what this returns is called. An interval would follow a late beat by the next too soon. */
export function beats(act: () => void, every = BEAT): () => void {
  const next = () => {
    timer = setTimeout(next, every);
    act();
  };
  let timer = setTimeout(next, every);
  return () => clearTimeout(timer);
}
