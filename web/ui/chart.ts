// Small line charts as SVG: scales and ticks, and one template. Series differ by marker and name, not by colour alone.
import { nothing, svg, type TemplateResult } from "lit";

export interface Point {
  x: number;
  y: number;
  low?: number;
  high?: number;
}

export interface Series {
  name: string;
  points: Point[];
  quiet?: boolean; // a thin line without a name, to compare with
}

/** A place on one of the axes. */
export type Mark = { label: string } & ({ x: number } | { y: number });

export interface Axis {
  label: string;
  ticks: number[];
  log?: boolean;
  format: (value: number) => string;
}

type Range = [number, number];

/** A map from [low, high] to [from, to]; all of a domain without width goes to the middle. */
export function scale([low, high]: Range, [from, to]: Range, log = false): (value: number) => number {
  const flat = log ? Math.log : (value: number) => value;
  const width = flat(high) - flat(low);
  return (value) => (width === 0 ? (from + to) / 2 : from + ((flat(value) - flat(low)) / width) * (to - from));
}

/** Round numbers from at most `low` to at least `high`, about `count` of them. */
export function ticks(low: number, high: number, count = 5): number[] {
  if (!(high > low)) [low, high] = [low - 0.5, low + 0.5];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** 1, 3, 10, 30, ... from at most `low` to at least `high`, both above 0. */
export function logTicks(low: number, high: number): number[] {
  const found: number[] = [];
  for (let tick = 10 ** Math.floor(Math.log10(low)); (found.at(-1) ?? 0) < high; tick *= 10) found.push(tick, 3 * tick);
  return found.filter((_, i) => (found[i + 1] ?? Infinity) > low && (found[i - 1] ?? 0) < high);
}

/** Labels at these heights, pushed apart so that none is nearer than `gap` to the next. */
export function spread(heights: number[], gap: number): number[] {
  const order = heights.map((_, i) => i).sort((a, b) => heights[a]! - heights[b]!);
  const placed = [...heights];
  order.forEach((i, rank) => {
    const above = order[rank - 1];
    if (above !== undefined) placed[i] = Math.max(placed[i]!, placed[above]! + gap);
  });
  return placed;
}

/** Of labels in a row every one, or every second, and so on, so that none touches the next. The last one stays. */
export function sparse<T extends { at: number; width: number }>(labels: readonly T[]): T[] {
  for (let every = 1; every < labels.length; every++) {
    const kept = labels.filter((_, i) => (labels.length - 1 - i) % every === 0);
    const apart = kept.every((one, i) => !i || one.at - kept[i - 1]!.at > (one.width + kept[i - 1]!.width) / 2);
    if (apart) return kept;
  }
  return labels.slice(-1);
}

const MARKERS = ["M-4-4h8v8h-8z", "M0-5L5 4h-10z", "M0-5L5 0 0 5-5 0z", "M-5-4h10L0 5z", "M-4 0h8M0-4v8"];
const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM] = [420, 240, 48, 26, 42];

/** `marks` are dashed lines across, with a word to each. */
export function chart(title: string, series: Series[], x: Axis, y: Axis, marks: Mark[] = []): TemplateResult {
  const named = series.filter(({ quiet }) => !quiet);
  const right = WIDTH - (named.length > 1 ? 32 + 10 * Math.max(...named.map(({ name }) => name.length)) : 16);
  const at = scale([x.ticks[0]!, x.ticks.at(-1)!], [LEFT + 8, right - 8], x.log);
  const up = scale([y.ticks[0]!, y.ticks.at(-1)!], [HEIGHT - BOTTOM, TOP], y.log);
  const ends = spread(
    named.map(({ points }) => up(points.at(-1)?.y ?? 0)),
    17,
  );
  const path = (points: Point[]) => points.map(({ x, y }, j) => `${j ? "L" : "M"}${at(x)} ${up(y)}`).join("");
  const place = (mark: Mark) => {
    if ("y" in mark) return { d: `M${LEFT} ${up(mark.y)}H${right}`, x: LEFT + 10, y: up(mark.y) - 5, anchor: "start" };
    const left = at(mark.x) > (LEFT + right) / 2; // on which side its label has room
    const d = `M${at(mark.x)} ${TOP}V${HEIGHT - BOTTOM}`;
    return { d, x: at(mark.x) + (left ? -5 : 5), y: TOP + 10, anchor: left ? "end" : "start" };
  };
  return svg`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${title}>
    ${y.ticks.map(
      (tick) => svg`<path class="grid-line" d="M${LEFT} ${up(tick)}H${right}"></path>
      <text x=${LEFT - 6} y=${up(tick) + 4} text-anchor="end">${y.format(tick)}</text>`,
    )}
    ${sparse(x.ticks.map((tick) => ({ tick, at: at(tick), width: 11 * x.format(tick).length }))).map(
      ({ tick }) => svg`<text x=${at(tick)} y=${HEIGHT - BOTTOM + 17} text-anchor="middle">
      ${x.format(tick)}</text>`,
    )}
    <text x=${(LEFT + right) / 2} y=${HEIGHT - 5} text-anchor="middle">${x.label}</text>
    <text x="4" y="12">${y.label}</text>
    ${series.map(({ quiet, points }) => (quiet ? svg`<path class="quiet" d=${path(points)}></path>` : nothing))}
    ${marks
      .map((mark) => [mark.label, place(mark)] as const)
      .map(([, { d }]) => svg`<path class="mark" d=${d}></path>`)}
    ${named.map(
      ({ name, points }, i) => svg`<g class="series series-${i % MARKERS.length}">
      ${points.map(({ x, low, high }) =>
        low === undefined || high === undefined
          ? nothing
          : svg`<path class="interval" d="M${at(x)} ${up(low)}V${up(high)}"></path>`,
      )}
      <path class="line" d=${path(points)}></path>
      ${points.map(
        ({ x, y }) => svg`<path class="marker" d=${MARKERS[i % MARKERS.length]!}
        transform="translate(${at(x)} ${up(y)})"></path>`,
      )}
      ${
        named.length > 1
          ? svg`<path class="marker" d=${MARKERS[i % MARKERS.length]!}
        transform="translate(${right + 8} ${ends[i]!})"></path>
        <text x=${right + 18} y=${ends[i]! + 4}>${name}</text>`
          : nothing
      }
    </g>`,
    )}
    ${marks
      .map((mark) => [mark.label, place(mark)] as const)
      .map(([label, { x, y, anchor }]) => svg`<text class="over" x=${x} y=${y} text-anchor=${anchor}>${label}</text>`)}
  </svg>`;
}
