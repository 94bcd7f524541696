// The page that shows a figure alone tells teachers how to leave controls out: boxes to tick, and the link that comes of
// it. It stands below the figure, not in it, and is fetched for that page only.
import { html, nothing, render } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Clipboard } from "./clipboard.js";
import { embedCode, type Frame } from "./embed.js";
import { button, copiedPart } from "./figure-parts.js";
import { t } from "./strings.js";

export interface Hidable {
  /** Names of the controls that are shown now. */
  controls: () => Iterable<string>;
  label: (name: string) => string;
  /** A frame for the figure with its state as it is, and these controls hidden. */
  frame: (hidden: string[]) => Frame;
}

export function forTeachers({ controls, label, frame }: Hidable, place: HTMLDetailsElement): void {
  const hidden = new Set<string>();
  const part = document.createElement("div");
  place.append(part);
  const clipboard = new Clipboard({ requestUpdate: () => draw() });
  const tick = (name: string, on: boolean): void => {
    if (on) hidden.add(name);
    else hidden.delete(name);
    clipboard.forget();
    draw();
  };
  const box = (name: string) =>
    html`<label class="pick-box">
      <input type="checkbox" .checked=${hidden.has(name)}
        @change=${(event: Event) => tick(name, (event.target as HTMLInputElement).checked)} />
      <span>${label(name)}</span>
    </label>`;
  const draw = (): void => {
    const names = [...controls()];
    const chosen = names.filter((name) => hidden.has(name));
    render(
      html`<fieldset class="boxes"><legend>${t("shell.hide")}</legend>${repeat(names, (name) => name, box)}</fieldset>
        ${
          chosen.length
            ? html`<p class="share">
                <code>&amp;hide=${chosen.join(",")}</code>
                ${button(t("shell.hide-copy"), () => void clipboard.copy("hide", frame(chosen).address))}
                ${button(t("shell.embed"), () => void clipboard.copy("embed", embedCode(frame(chosen))))}
                ${copiedPart("hide", t("shell.hide-link"), clipboard)}
                ${copiedPart("embed", t("shell.embed-code"), clipboard)}
              </p>`
            : nothing
        }`,
      part,
    );
  };
  place.addEventListener("toggle", draw); // the figure has other controls in another mode
  draw();
}
