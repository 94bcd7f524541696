// The quiz works without this: radio buttons, and explanations to unfold. With it, each answer is checked, its own
// explanation comes first, and the right ones are counted and remembered.
import { t } from "../ui/strings.js";
import { all, button, make } from "./dom.js";
import type { Progress } from "./progress.js";

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
    const choices = all(".choice", question);
    const explanations = question.querySelector("details");
    const verdict = make("p", "verdict");
    verdict.setAttribute("role", "status");

    const show = (choice: number): void => {
      const right = choices[choice]?.dataset.right !== undefined;
      choices.forEach((element, i) => element.classList.toggle("shown", i === choice));
      if (right && explanations) explanations.open = true;
      verdict.textContent = t(right ? "site.correct" : "site.incorrect");
    };

    const check = (): void => {
      const choice = choices.findIndex((element) => element.querySelector("input")?.checked);
      if (choice < 0) {
        verdict.textContent = t("site.choose");
        return;
      }
      show(choice);
      progress.answer(lesson, id, { choice, right: choices[choice]?.dataset.right !== undefined });
      score();
    };

    explanations?.before(verdict, button(t("site.check"), "primary check", check));
    const before = progress.lesson(lesson)?.answers[id];
    const input = choices[before?.choice ?? -1]?.querySelector("input");
    if (before && input) {
      input.checked = true;
      show(before.choice);
    }
  }
  score();
}
