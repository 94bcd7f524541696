// A lesson as a show: one part of it at a time in large type, for a room that looks at one screen. Nothing is copied:
// what is not the part in hand is hidden, so that figures go on as they are. The address keeps the part: ?present=3
import { siteUrl } from "../ui/site.js";
import { t } from "../ui/strings.js";
import { all, button, make } from "./dom.js";

const ENOUGH = 80; // words on a screen, if a paragraph may begin the next one
const SWIPE = 60; // pixels
const ALONE = ".predict, .mixup, .recap, .products, .question";
const KEYS: Record<string, number> = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 };
/** Where arrows have another meaning. */
const OWN_KEYS = "input, select, textarea, .figure, .meaning";

let showing = false;

export async function present(): Promise<void> {
  if (showing) return;
  showing = true;
  await sheet();
  const slides = slidesOf(document.querySelector("article.lesson")!);
  const units = slides.flat();
  const frames = [...new Set(units.flatMap(framesOf))];
  const place = make("span", "present-at");
  const bar = make("nav", "present-bar");
  bar.ariaLabel = t("site.present");
  const title = make("h1", "", document.querySelector("h1")!.textContent);
  const main = document.querySelector<HTMLElement>("main")!;
  let at = clamp(Number(new URLSearchParams(location.search).get("present")) - 1);

  function clamp(wanted: number): number {
    return Math.max(0, Math.min(wanted || 0, slides.length - 1));
  }
  const go = (to: number): void => {
    at = clamp(to);
    const shown = new Set(slides[at]);
    for (const unit of units) unit.hidden = !shown.has(unit);
    for (const frame of frames) frame.hidden = !slides[at]!.some((unit) => frame.contains(unit));
    place.textContent = t("site.present-at", { at: at + 1, of: slides.length });
    title.hidden = at === 0; // it is on the first part itself
    back.disabled = at === 0;
    next.disabled = at === slides.length - 1;
    if (!bar.contains(document.activeElement) || back.disabled || next.disabled) main.focus({ preventScroll: true });
    scrollTo({ top: 0, behavior: "instant" });
    remember(at + 1);
  };
  const leave = (): void => {
    for (const element of [...units, ...frames]) element.hidden = false;
    document.documentElement.classList.remove("presenting");
    bar.remove();
    listening.abort();
    showing = false;
    remember(undefined);
    slides[at]![0]!.scrollIntoView();
  };
  const back = button(t("site.present-back"), "", () => go(at - 1));
  const next = button(t("site.present-next"), "primary", () => go(at + 1));
  bar.append(title, back, place, next, button(t("site.present-leave"), "quiet", leave));

  const listening = new AbortController();
  const { signal } = listening;
  const onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
    const inside = (event.target as Element).closest(OWN_KEYS);
    const steps: Record<string, number> = inside ? { PageDown: 1, PageUp: -1 } : KEYS;
    const step = (event.target as Element).matches("input[type=range], input[type=number], select")
      ? 0
      : steps[event.key];
    if (event.key === "Escape" && !document.querySelector(".meaning:popover-open")) leave();
    else if (step) go(at + step);
    else if (!inside && event.key === "Home") go(0);
    else if (!inside && event.key === "End") go(slides.length - 1);
    else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", onKey, { signal });
  let from: Touch | undefined;
  const onStart = ({ target, touches }: TouchEvent): void => {
    from = touches.length === 1 && !(target as Element).closest(OWN_KEYS) ? touches[0] : undefined;
  };
  const onEnd = ({ changedTouches: [to] }: TouchEvent): void => {
    const [dx, dy] = from && to ? [to.clientX - from.clientX, to.clientY - from.clientY] : [0, 0];
    if (Math.abs(dx) > SWIPE && Math.abs(dx) > 2 * Math.abs(dy)) go(at + (dx < 0 ? 1 : -1));
  };
  document.addEventListener("touchstart", onStart, { signal, passive: true });
  document.addEventListener("touchend", onEnd, { signal, passive: true });

  document.documentElement.classList.add("presenting");
  document.body.append(bar);
  go(at);
}

/** What is shown together, in the order of the lesson: a heading with the words below it, a figure, a question. */
function slidesOf(article: HTMLElement): HTMLElement[][] {
  const slides: HTMLElement[][] = [];
  let room = 0; // for more words on the newest one
  const begin = (unit: HTMLElement, left: number): void => {
    slides.push([unit]);
    room = left;
  };
  for (const child of article.children as Iterable<Element> as HTMLElement[]) {
    if (child.matches(".lesson-head")) begin(child, 0);
    else if (child.matches(".quiz")) for (const question of all(".question", child)) begin(question, 0);
    else if (child.matches(".part")) for (const unit of unitsOf(child)) add(unit);
  }
  return slides;

  function add(unit: HTMLElement): void {
    const words = unit.textContent.split(/\s+/).length;
    if (!unit.parentElement!.matches(".words") || unit.matches(ALONE)) begin(unit, 0);
    else if (unit.matches("h2")) begin(unit, ENOUGH);
    else if (words > room && !slides.at(-1)?.at(-1)?.matches("h2")) begin(unit, ENOUGH - words);
    else {
      slides.at(-1)!.push(unit);
      room -= words;
    }
  }
}

/** The blocks of a part: its paragraphs, and its figure or picture. */
function unitsOf(part: HTMLElement): HTMLElement[] {
  return all(":scope > *", part).flatMap((child) => (child.matches(".words") ? all(":scope > *", child) : [child]));
}

/** What stands around a unit, up to the lesson. */
function framesOf(unit: HTMLElement): HTMLElement[] {
  const parent = unit.parentElement!;
  return parent.matches("article") ? [] : [parent, ...framesOf(parent)];
}

function sheet(): Promise<unknown> {
  const href = siteUrl("assets/present.css");
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
  const loaded = new Promise((resolve) => ["load", "error"].forEach((name) => link.addEventListener(name, resolve)));
  document.head.append(link);
  return loaded;
}

function remember(part: number | undefined): void {
  const address = new URL(location.href);
  if (part) address.searchParams.set("present", String(part));
  else address.searchParams.delete("present");
  history.replaceState(history.state, "", address);
}
