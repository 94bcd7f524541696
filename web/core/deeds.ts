// What one does with a lesson, for the certificate: whether its end was seen, and its figure used.
import { all } from "./dom.js";
import type { Progress } from "./progress.js";

export function noteDeeds(progress: Progress, lesson: string): void {
  const end = document.querySelector(".quiz");
  if (end) {
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      progress.mark(lesson, "read");
      observer.disconnect();
    });
    observer.observe(end);
  }
  for (const figure of all(".figure")) {
    const used = ({ target, isTrusted }: Event): void => {
      const control = "button, input, select, textarea, canvas, svg, [tabindex]";
      if (isTrusted && target instanceof Element && target.closest(control)) progress.mark(lesson, "played");
    };
    for (const kind of ["click", "input", "pointerdown"]) figure.addEventListener(kind, used);
  }
}
