// What a learning platform is told of what was done, in the words of SCORM 1.2.
import { done } from "../core/certificate.js";
import type { Deed, Progress } from "../core/progress.js";

/** What of a lesson counts: what is to be done, and its questions. */
export interface Part {
  lesson: string;
  deeds: Deed[];
  items: string[];
}

export interface Report {
  complete: boolean;
  values: Record<string, string>;
  /** Lesson by lesson: not every platform takes that. */
  extra: Record<string, string>;
}

/** A lesson is completed when it was read, its figure used and its questions answered; the course, when all lessons are.
 * The score is the share of questions that are right. */
export function report(progress: Progress, parts: readonly Part[]): Report {
  const extra: Record<string, string> = {};
  let [complete, answered, right, questions] = [true, 0, 0, 0];
  parts.forEach(({ lesson, deeds, items }, i) => {
    const one = done(progress, lesson, items);
    const whole = deeds.every((deed) => one[deed]) && one.answered === items.length;
    const begun = one.read || one.played || one.answered > 0;
    complete &&= whole;
    answered += one.answered;
    right += one.right;
    questions += items.length;
    const place = `cmi.objectives.${i}`; // a platform takes them one after the other
    extra[`${place}.id`] = `lesson-${lesson}`;
    extra[`${place}.status`] = whole ? "completed" : begun ? "incomplete" : "not attempted";
    if (one.answered) Object.assign(extra, score(`${place}.score`, one.right, items.length));
  });
  return { complete, values: answered ? score("cmi.core.score", right, questions) : {}, extra };
}

function score(place: string, right: number, questions: number): Record<string, string> {
  const raw = Math.round((100 * right) / questions);
  return { [`${place}.min`]: "0", [`${place}.max`]: "100", [`${place}.raw`]: `${raw}` };
}

/** Milliseconds as hours, minutes and seconds. */
export function timespan(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const pad = (value: number, digits = 2): string => `${Math.floor(value)}`.padStart(digits, "0");
  return `${pad(seconds / 3600, 4)}:${pad((seconds / 60) % 60)}:${pad(seconds % 60)}`;
}
