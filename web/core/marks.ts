// How far one has come: marks at the lessons, the button that goes on, the line above the list.
import { t } from "../ui/strings.js";
import { all, make } from "./dom.js";
import type { Progress } from "./progress.js";

export function markLessons(progress: Progress): void {
  const lessons = all(".contents [data-lesson], .steps [data-lesson]");
  for (const lesson of lessons) {
    const mark = lesson.querySelector(".mark");
    const number = lesson.dataset.lesson ?? "";
    if (!mark) continue;
    const small = lesson.closest(".steps") !== null;
    mark.replaceChildren();
    if (progress.done(number)) mark.append("✓", make("span", small ? "visually-hidden" : "", ` ${t("site.done")}`));
    else if (!small && progress.lesson(number)) {
      const total = progress.lesson(number)?.items.length ?? 0;
      const right = progress.right(number);
      mark.textContent = right ? t("site.score", { right, total }) : t("site.seen");
    }
  }

  const overall = document.querySelector<HTMLElement>(".overall");
  if (!overall) return;
  const numbers = lessons.map((lesson) => lesson.dataset.lesson ?? "");
  const done = numbers.filter((number) => progress.done(number)).length;
  overall.hidden = !numbers.some((number) => progress.lesson(number));
  const line = overall.querySelector("span");
  if (line) line.textContent = t("site.overall", { done, total: numbers.length });
  const bar = overall.querySelector("progress");
  if (bar) Object.assign(bar, { max: numbers.length, value: done, ariaLabel: line?.textContent });
  const next = lessons.find((lesson) => !progress.done(lesson.dataset.lesson ?? ""));
  const start = document.querySelector<HTMLAnchorElement>("#start");
  if (start && next && !overall.hidden) {
    start.href = next.querySelector("a")?.href ?? start.href;
    start.textContent = t("site.go-on", { number: next.dataset.lesson ?? "" });
  }
  const forget = document.querySelector<HTMLElement>("#forget");
  if (forget) {
    forget.onclick = () => {
      progress.forget();
      location.reload();
    };
  }
}
