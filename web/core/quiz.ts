// The quiz works without this: radio buttons, and explanations to unfold. With it, each answer is checked, its own
// explanation comes first, and the right ones are counted and remembered.
import { t } from "../ui/strings.js";
import { all, button, make } from "./dom.js";
import type { Progress } from "./progress.js";

/** The questions in `scope`, counted and remembered under `key`: the number of a lesson, or a name of the bank's. */
export function checkQuiz(progress: Progress, key: string, scope: ParentNode, onChange: () => void): void {
  const questions = all<HTMLFieldSetElement>("fieldset.question", scope);
  const score = (): void => {
    const line = scope.querySelector(".score");
    const right = progress.right(key);
    if (line && right) line.textContent = t("site.score", { right, total: questions.length });
    onChange();
  };

  for (const question of questions) {
    const id = question.dataset.id ?? "";
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
      progress.answer(key, id, { choice, right: choices[choice]?.dataset.right !== undefined });
      score();
    };

    explanations?.before(verdict, button(t("site.check"), "primary check", check));
    const before = progress.lesson(key)?.answers[id];
    const input = choices[before?.choice ?? -1]?.querySelector("input");
    if (before && input) {
      input.checked = true;
      show(before.choice);
    }
  }
  score();
}
