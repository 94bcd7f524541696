// The question bank: what is due today, and which questions are shown. Without this its page has them all, by lesson.
import { defaults, read, write } from "../ui/state.js";
import { t } from "../ui/strings.js";
import { FIELDS, FILTER, type Filter, fits, plain } from "./choose.js";
import { all, button, make } from "./dom.js";
import type { Progress } from "./progress.js";
import { checkQuiz, idsOf } from "./quiz.js";
import { type Asked, askRound, questionsIn, score } from "./round.js";
import { storageNotes } from "./storage-notes.js";

/** A question in the page, with what a filter asks about it that does not change. */
interface Listed {
  element: HTMLFieldSetElement;
  chapter: HTMLDetailsElement;
  id: string;
  lesson: string;
  difficulty: string;
  words: string;
}

export function openBank(bank: HTMLElement, progress: Progress): void {
  const asked = questionsIn(bank); // before the page's own get their buttons
  const chapters = all<HTMLDetailsElement>(".chapter", bank);
  const lesson = (chapter: HTMLElement): string => chapter.dataset["lesson"] ?? "";
  for (const chapter of chapters) checkQuiz(progress, lesson(chapter), chapter, () => undefined);
  const listed = chapters.flatMap((chapter) =>
    all<HTMLFieldSetElement>("fieldset.question", chapter).map((element): Listed => {
      const [id = ""] = idsOf([element]);
      const words = plain(
        [element.querySelector("legend"), ...all(".option", element)].map((e) => e?.textContent).join(" "),
      );
      return { element, chapter, id, lesson: lesson(chapter), difficulty: element.dataset["difficulty"] ?? "", words };
    }),
  );
  addEventListener("beforeprint", () => chapters.forEach((chapter) => (chapter.open = true)));
  filterBank(bank.querySelector(".bank-filter")!, listed, progress);
  repeat(bank, asked, progress);
}

// ---------------------------------------------------------------- filters

function filterBank(form: HTMLFormElement, listed: readonly Listed[], progress: Progress): void {
  const fields = all<HTMLInputElement | HTMLSelectElement>("input, select", form);
  const found = form.querySelector("[role=status]")!;
  const reset = form.querySelector<HTMLButtonElement>("[type=reset]")!;
  const none = defaults<Filter>(FIELDS);
  let filter = none;
  let writing: ReturnType<typeof setTimeout> | undefined;

  const free = (): boolean => JSON.stringify(filter) === JSON.stringify(none);

  const show = (): void => {
    const chapters = new Map<HTMLDetailsElement, number>();
    for (const one of listed) {
      const { element, chapter, lesson, id } = one;
      const wait = progress.wait(lesson, id);
      element.hidden = !fits(filter, { ...one, standing: progress.standing(lesson, id), wait });
      chapters.set(chapter, (chapters.get(chapter) ?? 0) + Number(!element.hidden));
    }
    for (const [chapter, count] of chapters) {
      chapter.hidden = count === 0;
      if (!free()) chapter.open = true;
    }
    const count = [...chapters.values()].reduce((sum, count) => sum + count, 0);
    found.textContent = t(count ? "questions.found" : "questions.none-found", { count, total: listed.length });
    reset.hidden = free();
  };

  const keep = (): void => {
    const fragment = free() ? location.pathname + location.search : write(FILTER, filter, location.hash);
    history.replaceState(history.state, "", fragment);
  };

  const take = (): void => {
    filter = read<Filter>(FILTER, FIELDS, location.hash).state;
    for (const field of fields) field.value = filter[field.name as keyof Filter];
    // A lesson that is not there leaves the list at none: then all are meant.
    for (const field of fields) if (!field.value) filter = { ...filter, [field.name]: "" };
    for (const field of fields) field.value = filter[field.name as keyof Filter];
    show();
  };

  const change = (): void => {
    filter = { ...filter, ...Object.fromEntries(fields.map(({ name, value }) => [name, value])) };
    show();
    clearTimeout(writing);
    writing = setTimeout(keep, 400); // browsers refuse an address that changes too often
  };

  form.addEventListener("input", change);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(change)); // after the fields are empty
  addEventListener("hashchange", take);
  form.hidden = false;
  take();
}

// ---------------------------------------------------------------- what is due

function repeat(bank: HTMLElement, asked: readonly Asked[], progress: Progress): void {
  const place = bank.querySelector<HTMLElement>(".due")!;
  const round = bank.querySelector<HTMLElement>(".round")!;
  const waits = asked.map(({ lesson, question }) => progress.wait(lesson, idsOf([question])[0] ?? ""));
  const due = asked.filter((_, i) => waits[i] === 0);

  const begin = (): void => {
    bank.classList.add("asking");
    round.hidden = false;
    const inner = make("div", "");
    // The page reads anew what is known then.
    const back = button(t("questions.back"), "quiet", () => location.reload());
    round.replaceChildren(inner, back);
    askRound(inner, due, progress, (marks) => [make("h2", "", score(marks)), make("p", "", t("questions.round-end"))]);
  };

  const count = due.length;
  const heading = make("h2", "", t(count === 1 ? "questions.due-one" : "questions.due", { count }));
  if (count) place.append(heading, button(t("questions.ask"), "primary", begin));
  else if (waits.some((days) => days !== undefined)) place.append(heading, make("p", "", nextTime(waits)));
  place.append(make("p", "hint", t("questions.ladder")), ...storageNotes(progress));
  place.hidden = false;
}

/** When the next ones are due, and how many. */
function nextTime(waits: readonly (number | undefined)[]): string {
  const known = waits.filter((days) => days !== undefined);
  const days = Math.min(...known);
  const count = known.filter((one) => one === days).length;
  return t(days === 1 ? "questions.tomorrow" : "questions.later", { days, count });
}
