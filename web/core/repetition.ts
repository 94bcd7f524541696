// When a question comes back: a ladder of days. Right when it was due is a step up, wrong is back to the foot.

/** Days until a question is due again after it was right so many times in a row, each time when it was due. */
export const LADDER = [0, 1, 3, 7, 16, 35] as const;

/** Where a question stands on the ladder, and the day on which it is due. Days are counted as `today` counts them. */
export interface Rung {
  step: number;
  due: number;
}

/** The day here and now, as a count of days. */
export function today(now = new Date()): number {
  return Math.floor((now.getTime() / 60_000 - now.getTimezoneOffset()) / (24 * 60));
}

/** After an answer. Right again before it is due proves nothing new, and changes nothing. */
export function climb(before: Rung | undefined, right: boolean, day: number): Rung {
  if (!right) return { step: 0, due: day };
  if (before && wait(before, day) > 0) return before;
  const step = Math.min((before?.step ?? 0) + 1, LADDER.length - 1);
  return { step, due: day + LADDER[step]! };
}

/** Days to go, 0 when it is due. A clock that was set back cannot make it longer than its step of the ladder is. */
export function wait({ step, due }: Rung, day: number): number {
  const days = due - day;
  return days > (LADDER[step] ?? 0) ? 0 : Math.max(0, days);
}
