// A glossary word is a link to the glossary. Here it opens its meaning beside the word instead; Escape or a click
// elsewhere closes it, as the browser does with every popover.
import { t } from "../ui/strings.js";
import { make } from "./dom.js";

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Where a box of `size` stands: under the word, above it where there is no room below, never out of the window. */
export function place(word: Box, size: Pick<Box, "width" | "height">, view: Box, gap = 8): Pick<Box, "left" | "top"> {
  const rightmost = view.left + view.width - size.width - gap;
  const left = Math.max(view.left + gap, Math.min(word.left, rightmost));
  const below = word.top + word.height + gap;
  const above = word.top - size.height - gap;
  const fits = below + size.height <= view.top + view.height || above < view.top;
  return { left, top: fits ? below : above };
}

export function explainTerms(): void {
  if (!("popover" in HTMLElement.prototype)) return;
  // A span, for it stands inside a paragraph, right after its word: that is where Tab and a screen reader go next.
  const meaning = make("span", "meaning");
  meaning.popover = "auto";
  meaning.setAttribute("role", "status");
  let open: HTMLAnchorElement | undefined;
  let pressedOpen = false;

  const wordOf = (event: Event): HTMLAnchorElement | null =>
    event.target instanceof Element ? event.target.closest<HTMLAnchorElement>("a.term") : null;

  const show = (word: HTMLAnchorElement): void => {
    if (meaning.matches(":popover-open")) meaning.hidePopover();
    const more = make("a", "", t("site.more"));
    more.href = word.href;
    word.after(meaning);
    meaning.showPopover();
    meaning.replaceChildren(word.dataset.means ?? "", document.createElement("br"), more);
    const box = word.getClientRects()[0] ?? word.getBoundingClientRect();
    const anchor = { left: box.left + scrollX, top: box.top + scrollY, width: box.width, height: box.height };
    const view = { left: scrollX, top: scrollY, width: document.documentElement.clientWidth, height: innerHeight };
    const { left, top } = place(anchor, { width: meaning.offsetWidth, height: meaning.offsetHeight }, view);
    Object.assign(meaning.style, { left: `${left}px`, top: `${top}px` });
    word.setAttribute("aria-expanded", "true");
    open = word;
  };

  meaning.addEventListener("beforetoggle", (event) => {
    if (event.newState === "open") return;
    open?.setAttribute("aria-expanded", "false");
    open = undefined;
  });
  // The browser closes a popover before the click arrives, so whether this press should close it is noted first.
  document.addEventListener("pointerdown", (event) => (pressedOpen = !!open && wordOf(event) === open), true);
  document.addEventListener("click", (event) => {
    const word = wordOf(event);
    if (!word || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const close = event.detail > 0 ? pressedOpen : word === open;
    pressedOpen = false;
    if (!close) show(word);
    else if (meaning.matches(":popover-open")) meaning.hidePopover();
  });
}
