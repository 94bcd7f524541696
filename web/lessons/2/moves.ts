// What has been played, written in a few letters for the link: "bb300bd10" is 300 balanced rounds in which both learn,
// then 10 in which the detective learns alone. With the seed it is the whole game.
import { philox } from "../../runtime/noise.js";

export const SETTINGS = ["balanced", "collapsing"] as const; // of the model's config.json
/** Whether forger and detective learn. */
export const TRAINS: Record<string, [boolean, boolean]> = {
  both: [true, true],
  detective: [false, true],
  forger: [true, false],
};

export interface Move {
  settings: (typeof SETTINGS)[number];
  who: string; // a key of TRAINS
  rounds: number;
}

export const FORM = /^([bc][bdf][1-9]\d{0,5})*$/;

function named<T extends string>(names: readonly T[], letter: string): T {
  return names.find((name) => name[0] === letter)!;
}

export function parse(text: string): Move[] {
  return [...text.matchAll(/([bc])([bdf])(\d+)/g)].map(([, settings, who, rounds]) => ({
    settings: named(SETTINGS, settings!),
    who: named(Object.keys(TRAINS), who!),
    rounds: Number(rounds),
  }));
}

export function write(moves: Move[]): string {
  return moves.map(({ settings, who, rounds }) => `${settings[0]}${who[0]}${rounds}`).join("");
}

/** The moves and one more, joined to the last where it is of its kind. */
export function add(moves: Move[], move: Move): Move[] {
  const last = moves.at(-1);
  if (last?.settings !== move.settings || last.who !== move.who) return [...moves, move];
  return [...moves.slice(0, -1), { ...move, rounds: last.rounds + move.rounds }];
}

/** What is left of a game's moves after these have been made; undefined where they are not its beginning. */
export function rest(made: Move[], moves: Move[]): Move[] | undefined {
  const left = moves.map((move) => ({ ...move }));
  for (const [i, { settings, who, rounds }] of made.entries()) {
    const next = left[0];
    const more = next && next.rounds - rounds;
    if (next?.settings !== settings || next.who !== who || more! < 0 || (more! > 0 && i < made.length - 1)) {
      return undefined;
    }
    next.rounds = more!;
    if (!next.rounds) left.shift();
  }
  return left;
}

export function roundsOf(moves: Move[]): number {
  return moves.reduce((sum, { rounds }) => sum + rounds, 0);
}

/** Python that plays the same games, one after the other. */
export function code(seed: number, games: Move[][]): string {
  return `from bozzetto.runtime import gan_round as gan

game = gan.Game()
${games.map((moves) => gameCode(seed, moves)).join("\n")}`;
}

function gameCode(seed: number, moves: Move[]): string {
  const flag = (yes: boolean): string => (yes ? "True" : "False");
  const rows = moves.map(
    ({ settings, who, rounds }) =>
      `    (gan.${settings.toUpperCase()}, (${TRAINS[who]!.map(flag).join(", ")}), ${rounds}),\n`,
  );
  const play = `for settings, trains, rounds in [  # trains: forger, detective
${rows.join("")}]:
    for _ in range(rounds):
        state, shown = game.play(state, settings, ${seed}, trains)`;
  return `state = gan.start(${seed})
${rows.length ? play : `shown = game.evaluate(state, state, ${seed}, 1)`}
print(gan.variety(shown.fakes), shown.verdicts_fake)`;
}

/** Which of the pictures that a person judges are fakes: never all, never none. */
export function trial(seed: number, rounds: number, count: number): boolean[] {
  const [bits] = philox([rounds, 1, 0, 0], [seed, 0]); // a second counter of 1: no stream of the game
  const fake = Array.from({ length: count }, (_, i) => ((bits >>> i) & 1) === 1);
  if (fake.every((one) => one === fake[0])) fake[0] = !fake[0];
  return fake;
}
