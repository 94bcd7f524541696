// The certificate: what was done, counted from what this browser keeps.
import { t } from "../ui/strings.js";
import { all, make } from "./dom.js";
import type { Progress } from "./progress.js";
import { today } from "./repetition.js";
import { storageNotes } from "./storage-notes.js";

/** What was done in one lesson. */
interface Done {
  read: boolean;
  played: boolean;
  predicted: number;
  answered: number;
  right: number;
  questions: number;
}

export function done(progress: Progress, lesson: string, items: readonly string[]): Done {
  const { deeds = {}, predictions = {} } = progress.lesson(lesson) ?? {};
  return {
    read: deeds.read === true,
    played: deeds.played === true,
    predicted: Object.keys(predictions).length,
    answered: items.filter((item) => progress.standing(lesson, item) !== "new").length,
    right: progress.right(lesson, [...items]),
    questions: items.length,
  };
}

/** A day as `today` counts them, in words. */
function date(day: number): string {
  const language = document.documentElement.lang || "en";
  return new Date(day * 24 * 3600 * 1000).toLocaleDateString(language, { dateStyle: "long", timeZone: "UTC" });
}

export function fillCertificate(page: HTMLElement, progress: Progress): void {
  const find = <E extends HTMLElement>(selector: string): E => page.querySelector<E>(selector)!;
  const rows = all(".printed tbody tr", page);
  const dones = rows.map((row) => done(progress, row.dataset["lesson"] ?? "", row.dataset["items"]?.split(" ") ?? []));
  page.querySelector("header")?.after(...storageNotes(progress));

  const sum = (of: (one: Done) => number): number => dones.reduce((total, one) => total + of(one), 0);
  const answered = sum((one) => one.answered);
  const deeds = sum((one) => Number(one.read) + Number(one.played) + one.predicted);
  if (answered + deeds === 0) {
    find(".nothing").hidden = false;
    return;
  }

  rows.forEach((row, i) => {
    const { read, played, predicted, right, questions } = dones[i]!;
    const cell = (yes: boolean): HTMLElement => {
      const one = make("td", yes ? "yes" : "no", yes ? "✓" : "–");
      one.ariaLabel = t(yes ? "questions.yes" : "questions.no");
      return one;
    };
    const marks = make("td", "", t("questions.of", { right, total: questions }));
    row.append(cell(read), cell(played), cell(predicted > 0), marks);
  });
  const values = {
    read: sum((one) => Number(one.read)),
    lessons: rows.length,
    played: sum((one) => Number(one.played)),
    predicted: sum((one) => one.predicted),
    answered,
    total: sum((one) => one.questions),
    right: sum((one) => one.right),
  };
  const { mixed } = progress;
  const mixedLine = mixed && t("questions.did-mixed", { ...mixed, date: date(mixed.day) });
  find(".did").textContent = [t("questions.did", values), mixedLine].join(" ").trim();
  find(".day").textContent = date(today());

  const input = find<HTMLInputElement>("[name=name]");
  const title = (): void => {
    const name = progress.name.trim();
    find("#sheet").textContent = name ? t("questions.sheet", { name }) : t("questions.sheet-nameless");
  };
  input.value = progress.name;
  input.addEventListener("input", () => {
    progress.name = input.value;
    title();
  });
  const form = find(".certificate-tools");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    print();
  });
  title();
  form.hidden = find(".printed").hidden = false;
}
