// Figures are fetched when they come near, so a page that is only read costs nothing more.
import { t } from "../ui/strings.js";
import { all, button, make } from "./dom.js";

const FIGURES: Record<string, () => Promise<unknown>> = {
  "bz-sorter-maker": () => import("../lessons/1/sorter-maker.js"),
  "bz-step-the-game": () => import("../lessons/2/step-the-game.js"),
  "bz-speed-dial": () => import("../lessons/5/speed-dial.js"),
  "bz-read-the-picture": () => import("../lessons/6/read-the-picture.js"),
  "bz-match-score": () => import("../lessons/7/match-score.js"),
  "bz-words-steer": () => import("../lessons/8/words-steer.js"),
};

export function loadFigures(): void {
  const figures = all(Object.keys(FIGURES).join());
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
    await FIGURES[figure.localName]?.();
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
