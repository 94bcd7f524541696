// A picture stands still beside its words. When it is taller than the window, the style sheet needs its height to let it
// stand on its foot instead of its head.
import { all } from "./dom.js";

export function keepFootInView(): void {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const element = target as HTMLElement;
      element.style.setProperty("--tall", `${element.offsetHeight}px`);
    }
  });
  for (const element of all(".part > :not(.words)")) observer.observe(element);
}
