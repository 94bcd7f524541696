// What every page does once it can be read: it remembers, marks, explains, and starts the figures that come near.
import { noteDeeds } from "./core/deeds.js";
import { all, button } from "./core/dom.js";
import { loadFigures } from "./core/figures.js";
import { explainTerms } from "./core/glossary.js";
import { keepPlace } from "./core/languages.js";
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
const article = document.querySelector<HTMLElement>("article.lesson, article.alone");
const lesson = article?.matches(".lesson") && article.dataset.lesson;

themeButton(progress);
keepPlace();
explainTerms();
playPictures();
keepFootInView();
if (article) noteDeeds(progress, article.dataset.lesson ?? "");
if (lesson) {
  rememberPredictions(progress, lesson);
  progress.visit(lesson, idsOf(all(".quiz fieldset.question")));
  checkQuiz(progress, lesson, document, () => markLessons(progress));
  const present = (): void => void import("./core/present.js").then((module) => module.present());
  document.querySelector(".lesson-head")?.append(button(t("site.present"), "quiet offer", present));
  if (flags.has("present")) present();
}
const mixed = document.querySelector<HTMLElement>(".mixed");
if (mixed) void import("./core/mixed.js").then(({ openMixed }) => openMixed(mixed, progress));
const certificate = document.querySelector<HTMLElement>(".certificate");
if (certificate)
  void import("./core/certificate.js").then(({ fillCertificate }) => fillCertificate(certificate, progress));
const bank = document.querySelector<HTMLElement>(".bank");
if (bank) void import("./core/bank.js").then(({ openBank }) => openBank(bank, progress));
markLessons(progress);
loadFigures();
if (flags.has("fuzz")) void import("./core/fuzz.js").then(({ fuzz }) => fuzz());
