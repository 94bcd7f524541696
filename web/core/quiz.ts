// The quiz works without this: radio buttons, and explanations to unfold. With it, each answer is checked, its own
// explanation comes first, and the right ones are counted and remembered.
import { t } from "../ui/strings.js";
import { all, button, make } from "./dom.js";
import type { Answer, Progress } from "./progress.js";

export function idsOf(questions: readonly HTMLElement[]): string[] {
  return questions.map(({ dataset }) => dataset["id"] ?? "");
}

/** The questions in `scope`, counted and remembered under the number of their lesson, there and in the bank. */
export function checkQuiz(progress: Progress, lesson: string, scope: ParentNode, onChange: () => void): void {
  const questions = all<HTMLFieldSetElement>("fieldset.question", scope);
  const score = (): void => {
    const line = scope.querySelector(".score");
    const right = progress.right(lesson, idsOf(questions));
    if (line && right) line.textContent = t("site.score", { right, total: questions.length });
    onChange();
  };

  for (const question of questions) {
    const [id = ""] = idsOf([question]);
    const show = checkable(question, (answer) => {
      progress.answer(lesson, id, answer);
      score();
    });
    const before = progress.lesson(lesson)?.answers[id];
    if (before) show(before.choice);
  }
  score();
}

/** Puts a button under a question that checks the chosen option, and tells `onCheck`. Returns what shows an option as
 * if it had been checked. */
export function checkable(question: HTMLElement, onCheck: (answer: Answer) => void): (choice: number) => void {
  const choices = all(".choice", question);
  const explanations = question.querySelector("details");
  const verdict = make("p", "verdict");
  verdict.setAttribute("role", "status");
  const right = (choice: number): boolean => choices[choice]?.dataset["right"] !== undefined;

  const show = (choice: number): void => {
    const input = choices[choice]?.querySelector("input");
    if (!input) return; // what was kept is of another version of the question
    input.checked = true;
    choices.forEach((element, i) => element.classList.toggle("shown", i === choice));
    if (right(choice) && explanations) explanations.open = true;
    verdict.textContent = t(right(choice) ? "site.correct" : "site.incorrect");
  };

  const check = (): void => {
    const choice = choices.findIndex((element) => element.querySelector("input")?.checked);
    if (choice < 0) {
      verdict.textContent = t("site.choose");
      return;
    }
    show(choice);
    onCheck({ choice, right: right(choice) });
  };

  explanations?.before(verdict, button(t("site.check"), "primary check", check));
  return show;
}
