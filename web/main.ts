// What every page does once it can be read: it remembers, marks, explains, and starts the figures that come near.
import { all } from "./core/dom.js";
import { loadFigures } from "./core/figures.js";
import { explainTerms } from "./core/glossary.js";
import { markLessons } from "./core/marks.js";
import { playPictures } from "./core/pictures.js";
import { keepFootInView } from "./core/sticky.js";
import { rememberPredictions } from "./core/predict.js";
import { pageStorage, Progress } from "./core/progress.js";
import { checkQuiz, idsOf } from "./core/quiz.js";
import { themeButton } from "./core/theme-button.js";

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
}
const bank = document.querySelector<HTMLElement>(".bank");
if (bank) void import("./core/bank.js").then(({ openBank }) => openBank(bank, progress));
markLessons(progress);
loadFigures();
