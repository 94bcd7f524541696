// The button that goes round: as the system wishes, light, dark.
import { t } from "../ui/strings.js";
import { make } from "./dom.js";
import type { Progress, Theme } from "./progress.js";

const ROUND: readonly (Theme | undefined)[] = [undefined, "light", "dark"];
const SIGNS = { auto: "◐", light: "○", dark: "●" };

export function nextTheme(theme: Theme | undefined): Theme | undefined {
  return ROUND[(ROUND.indexOf(theme) + 1) % ROUND.length];
}

export function themeButton(progress: Progress): void {
  const button = document.querySelector<HTMLButtonElement>("#theme");
  if (!button) return;
  const show = (): void => {
    if (progress.theme) document.documentElement.dataset.theme = progress.theme;
    else delete document.documentElement.dataset.theme;
    const name = progress.theme ?? "auto";
    const sign = make("span", "", SIGNS[name]);
    sign.ariaHidden = "true";
    button.replaceChildren(sign, make("span", "theme-name", t(`site.theme-${name}`)));
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    progress.theme = nextTheme(progress.theme);
    show();
  });
  show();
}
