// Figures are fetched when they come near, so a page that is only read costs nothing more. <bz-NAME> of lesson N is the
// element that web/lessons/N/NAME.figure.ts defines; the first page has <bz-draw>.
import { number, t } from "../ui/strings.js";
import { all, button, make } from "./dom.js";

export function loadFigures(): void {
  const figures = all(".figure").filter(({ localName }) => localName.startsWith("bz-"));
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) if (isIntersecting) begin(target as HTMLElement);
    },
    { rootMargin: "600px" },
  );
  const begin = (figure: HTMLElement): void => {
    observer.unobserve(figure);
    void load(figure);
  };
  for (const figure of figures) {
    observer.observe(figure);
    figure.addEventListener("focusin", () => begin(figure), { once: true });
    // A shared link holds a figure's state: go to the figure.
    if (location.hash.includes(`${figure.localName.slice(3)}.`)) figure.scrollIntoView();
  }
}

async function load(figure: HTMLElement): Promise<void> {
  try {
    const lesson = figure.closest<HTMLElement>("article[data-lesson]")?.dataset["lesson"];
    const script: Promise<unknown> = lesson
      ? import(`../lessons/${lesson}/${figure.localName.slice(3)}.figure.ts`)
      : import("../home/draw.figure.js");
    number(0); // the first number costs a browser more than ten milliseconds: they pass while the script is on its way
    await script;
  } catch {
    const error = make("p", "error", `${t("site.figure-failed")} `);
    error.setAttribute("role", "alert");
    const retry = button(t("site.retry"), "", () => {
      error.remove();
      void load(figure);
    });
    error.append(retry);
    figure.append(error);
  }
}
