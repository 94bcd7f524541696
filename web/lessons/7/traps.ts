// Where closeness misleads. Each trap makes as many trials as wanted: a picture composed from the gallery, a caption
// that is true of it and captions that are not. The captions are English in every language of the course, because
// English is what the model reads.
import { a, plural } from "../../core/words.js";
import { philox } from "../../runtime/noise.js";

export const TRAPS = ["order", "count", "negation", "none"] as const;
export type TrapName = (typeof TRAPS)[number];

/** Nouns that the gallery has a drawing of under the same name. */
export const THINGS = (
  "accordion airplane alien ambulance anchor ant avocado backpack balloon banana banjo basket bell bird brain " +
  "candle castle cookie crab crocodile crown cucumber dolphin doughnut duck eagle egg elephant frog ghost giraffe " +
  "guitar hamburger hamster hedgehog house key ladder lemon lion lobster lollipop mushroom onion otter parachute " +
  "pear penguin printer ring rocket rooster rose sailboat saxophone scorpion snake spider spoon sunflower swan taco " +
  "tent tractor train tulip turtle violin watermelon whale"
).split(" ");

const NUMBERS = ["two", "three", "four", "five"];

export interface Placed {
  thing: string;
  x: number;
  y: number;
  size: number;
}

export interface Trial {
  scene: Placed[];
  captions: string[];
  /** The captions that are true, by index; it is read rightly when the closest caption is one of them. */
  right: number[];
}

/** A trial of a trap with two things. */
export function trial(trap: TrapName, one: string, other: string): Trial {
  const whole = [{ thing: one, x: 0, y: 0, size: 64 }];
  const pair = (right: string) => [
    { thing: one, x: 0, y: 16, size: 32 },
    { thing: right, x: 32, y: 16, size: 32 },
  ];
  switch (trap) {
    case "order":
      return {
        scene: pair(other),
        captions: [`${a(one)} to the left of ${a(other)}`, `${a(other)} to the left of ${a(one)}`],
        right: [0],
      };
    case "count":
      return { scene: pair(one), captions: NUMBERS.map((number) => `${number} ${plural(one)}`), right: [0] };
    case "negation":
      return { scene: whole, captions: [`not ${a(other)}`, `not ${a(one)}`], right: [0] };
    case "none":
      return { scene: whole, captions: ["a quiet idea", "something nice", a(other), "seven"], right: [] };
  }
}

/** Pairs of two different things, the same ones for a seed. */
export function pairs(things: readonly string[], seed: number, count: number): [string, string][] {
  return Array.from({ length: count }, (_, index) => {
    const [one, other] = philox([index, 0, 0, 0], [seed >>> 0, 0]);
    const first = one % things.length;
    const second = (first + 1 + (other % (things.length - 1))) % things.length;
    return [things[first]!, things[second]!];
  });
}
