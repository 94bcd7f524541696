// What people should know of what this browser keeps, or does not.
import { t } from "../ui/strings.js";
import { button, make } from "./dom.js";
import type { Progress } from "./progress.js";

/** A line for what is not kept, and one for what was set aside: none where all is well. */
export function storageNotes(progress: Progress): HTMLElement[] {
  const notes: HTMLElement[] = [];
  if (!progress.keeps()) notes.push(make("p", "note", t("questions.not-kept")));
  if (progress.aside) {
    const note = make("p", "note", `${t("questions.aside")} `);
    const drop = (): void => {
      progress.dropAside();
      note.remove();
    };
    note.append(button(t("questions.drop-aside"), "", drop));
    notes.push(note);
  }
  return notes;
}
