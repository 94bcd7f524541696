// What every page does once it can be read: it remembers, marks, explains, and starts the figures that come near.
import { all, button } from "./core/dom.js";
import { loadFigures } from "./core/figures.js";
import { explainTerms } from "./core/glossary.js";
import { markLessons } from "./core/marks.js";
import { playPictures } from "./core/pictures.js";
import { keepFootInView } from "./core/sticky.js";
import { rememberPredictions } from "./core/predict.js";
import { pageStorage, Progress } from "./core/progress.js";
import { checkQuiz, idsOf } from "./core/quiz.js";
import { themeButton } from "./core/theme-button.js";
import { t } from "./ui/strings.js";

const flags = new URLSearchParams(location.search);
const progress = new Progress(pageStorage());
const lesson = document.querySelector<HTMLElement>("article.lesson")?.dataset.lesson;

themeButton(progress);
explainTerms();
playPictures();
keepFootInView();
if (lesson) {
  rememberPredictions(progress, lesson);
  progress.visit(lesson, idsOf(all(".quiz fieldset.question")));
  checkQuiz(progress, lesson, document, () => markLessons(progress));
  const present = (): void => void import("./core/present.js").then((module) => module.present());
  document.querySelector(".lesson-head")?.append(button(t("site.present"), "quiet offer", present));
  if (flags.has("present")) present();
}
const chapters = all<HTMLDetailsElement>(".chapter");
for (const chapter of chapters) checkQuiz(progress, chapter.dataset["lesson"] ?? "", chapter, () => undefined);
addEventListener("beforeprint", () => chapters.forEach((chapter) => (chapter.open = true)));
markLessons(progress);
loadFigures();
if (flags.has("fuzz")) void import("./core/fuzz.js").then(({ fuzz }) => fuzz());
