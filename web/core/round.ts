// A round: questions asked one after the other, each once, and at the end how it went.
import { t } from "../ui/strings.js";
import { all, button, make } from "./dom.js";
import type { Progress } from "./progress.js";
import { checkable } from "./quiz.js";

/** A question as the question bank's page has it, and where it is from. */
export interface Asked {
  question: HTMLFieldSetElement;
  lesson: string;
  title: string;
}

/** How many of a lesson's questions were asked, and how many were right. */
export interface Mark {
  lesson: string;
  title: string;
  right: number;
  asked: number;
}

/** Every question of the bank that stands in this page, as it was written. */
export function questionsIn(page: ParentNode): Asked[] {
  return all(".chapter", page).flatMap((chapter) =>
    all<HTMLFieldSetElement>("fieldset.question", chapter).map((question) => ({
      question: question.cloneNode(true) as HTMLFieldSetElement,
      lesson: chapter.dataset["lesson"] ?? "",
      title: chapter.querySelector("h2")?.textContent ?? "",
    })),
  );
}

/** The lessons of what was asked, those with most mistakes first. */
export function marks(results: readonly { lesson: string; title: string; right: boolean }[]): Mark[] {
  const found = new Map<string, Mark>();
  for (const { lesson, title, right } of results) {
    const mark = found.get(lesson) ?? { lesson, title, right: 0, asked: 0 };
    found.set(lesson, { ...mark, right: mark.right + Number(right), asked: mark.asked + 1 });
  }
  const wrong = ({ asked, right }: Mark): number => asked - right;
  return [...found.values()].sort((a, b) => wrong(b) - wrong(a) || Number(a.lesson) - Number(b.lesson));
}

export function total(marks: readonly Mark[]): { right: number; total: number } {
  const sum = (key: "right" | "asked"): number => marks.reduce((sum, mark) => sum + mark[key], 0);
  return { right: sum("right"), total: sum("asked") };
}

export function score(marks: readonly Mark[]): string {
  return t("site.score", total(marks));
}

/** Asks these in `place`, one at a time; the first answer counts. At the end `onEnd` is told and says what to show. */
export function askRound(
  place: HTMLElement,
  asked: readonly Asked[],
  progress: Progress,
  onEnd: (marks: Mark[]) => HTMLElement[],
): void {
  const results: { lesson: string; title: string; right: boolean }[] = [];

  const ask = (at: number): void => {
    const { question: written, lesson, title } = asked[at]!;
    const question = written.cloneNode(true) as HTMLFieldSetElement;
    const inputs = all<HTMLInputElement>("input", question);
    for (const input of inputs) input.name = `round-${input.name}`; // the page may ask the same one elsewhere
    const count = question.querySelector(".count");
    if (count) count.textContent = t("questions.place", { at: at + 1, total: asked.length });
    const explanations = question.querySelector("details");
    const last = at + 1 === asked.length;
    const next = button(t(last ? "questions.finish" : "questions.next"), "primary next", () => go(at + 1));
    checkable(question, (answer) => {
      results.push({ lesson, title, right: answer.right });
      progress.answer(lesson, question.dataset["id"] ?? "", answer);
      for (const input of inputs) input.disabled = true;
      if (explanations) explanations.open = true;
      const verdict = question.querySelector(".verdict");
      if (verdict && !answer.right) verdict.textContent = t("questions.wrong");
      question.querySelector(".check")?.replaceWith(next);
      next.focus();
    });
    place.replaceChildren(make("p", "kicker", title), question);
  };

  const go = (at: number): void => {
    if (at < asked.length) ask(at);
    else place.replaceChildren(...onEnd(marks(results)));
    place.focus();
  };

  place.tabIndex = -1;
  go(0);
}
