// What every page does once it can be read: it remembers, marks, explains, and starts the figures that come near.
import { loadFigures } from "./core/figures";
import { explainTerms } from "./core/glossary";
import { markLessons } from "./core/marks";
import { playPictures } from "./core/pictures";
import { keepFootInView } from "./core/sticky";
import { rememberPredictions } from "./core/predict";
import { pageStorage, Progress } from "./core/progress";
import { checkQuiz } from "./core/quiz";
import { themeButton } from "./core/theme-button";

const progress = new Progress(pageStorage());
const lesson = document.querySelector<HTMLElement>("article.lesson")?.dataset.lesson;

themeButton(progress);
explainTerms();
playPictures();
keepFootInView();
if (lesson) {
  rememberPredictions(progress, lesson);
  progress.visit(lesson, document.querySelectorAll(".quiz fieldset.question").length);
  checkQuiz(progress, lesson, document, () => markLessons(progress));
}
for (const chapter of document.querySelectorAll<HTMLElement>(".chapter")) {
  checkQuiz(progress, `bank-${chapter.dataset.lesson}`, chapter, () => undefined);
}
markLessons(progress);
loadFigures();
