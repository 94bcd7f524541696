// A prediction is remembered, and told again beside what really happens.
import { t } from "../ui/strings.js";
import { all, make } from "./dom.js";
import type { Progress } from "./progress.js";

export function rememberPredictions(progress: Progress, lesson: string): void {
  for (const question of all<HTMLFieldSetElement>("fieldset.predict")) {
    const id = question.dataset.id ?? "";
    const inputs = all<HTMLInputElement>("input", question);
    const said = make("p", "predicted");
    question.querySelector("details > div")?.prepend(said);

    const tell = (): void => {
      const option = inputs
        .find((input) => input.checked)
        ?.closest("label")
        ?.textContent?.trim();
      said.hidden = !option;
      if (option) said.textContent = t("site.predicted", { option });
    };

    const before = inputs[progress.lesson(lesson)?.predictions[id] ?? -1];
    if (before) before.checked = true;
    tell();
    question.addEventListener("change", () => {
      progress.predict(
        lesson,
        id,
        inputs.findIndex((input) => input.checked),
      );
      tell();
    });
  }
}
