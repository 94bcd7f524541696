// Random input, for whoever wants to see whether a figure can bear it: ?fuzz&seed=3 presses, types, chooses and drags
// for ten seconds, or &actions=40 times, in the page's first figure and nowhere else. What must never be seen, it tells
// the console. The same seed does the same with the same page; how far the models come meanwhile differs.
import { philox } from "../runtime/noise.js";
import { t } from "../ui/strings.js";
import { all, make } from "./dom.js";

const SECONDS = 10;
const PAUSE = 40; // milliseconds, about as fast as a child hits keys
const CONTROLS = "button, input, select, textarea, summary, canvas, [tabindex]";
const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", " ", "Enter", "Escape", "Home", "End", "PageUp", "x"];
const TEXTS = [
  "a red apple",
  "",
  " ",
  "🐱🐱🐱",
  "قطة",
  "<b>&amp;</b>",
  "zzz qqq",
  "cat ".repeat(200),
  "\u0000\ud800",
  "0",
];
const NUMBERS = ["", "0", "1", "7", "-1", "3.5", "1e9", "99999999999999999999"];
const NEVER = /\b(NaN|undefined|Infinity)\b|\[object |\{\w+\}/;

type Random = () => number;

export function seeded(seed: number): Random {
  let at = 0;
  return () => philox([at++, 0, 0, 0], [seed >>> 0, 0])[0] / 2 ** 32;
}

export async function fuzz(): Promise<void> {
  const entries = new URLSearchParams(location.search);
  const seed = Number(entries.get("seed")) >>> 0;
  const most = Number(entries.get("actions")) || Infinity;
  const figure = all(".figure").find(({ localName }) => localName.startsWith("bz-"));
  if (!figure) return;
  const line = make("p", "note fuzz", t("site.fuzz", { seed: String(seed) }));
  line.setAttribute("role", "status");
  figure.before(line);
  figure.scrollIntoView();
  await customElements.whenDefined(figure.localName);
  const random = (Math.random = seeded(seed)); // what the figure itself leaves to chance repeats as well
  const seen = new Set<string>();
  const report = (what: string): void => {
    if (!seen.has(what)) console.error(`random input, seed ${seed}: ${what}`);
    seen.add(what);
  };
  const end = performance.now() + 1000 * SECONDS;
  let done = 0;
  while (done < most && (most < Infinity || performance.now() < end)) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    const there = all(CONTROLS, figure).filter((element) => usable(element));
    const element = pick(there, random);
    if (!element) continue;
    act(element, random);
    done += 1;
    check(figure, report);
  }
  line.textContent = t("site.fuzz-done", { seed: String(seed), actions: done });
}

function pick<T>(list: readonly T[], random: Random): T | undefined {
  return list[Math.floor(random() * list.length)];
}

function usable(element: HTMLElement): boolean {
  return !element.matches(":disabled, [readonly]") && element.checkVisibility({ visibilityProperty: true });
}

function act(element: HTMLElement, random: Random): void {
  if (element instanceof HTMLSelectElement) {
    element.value = pick([...element.options], random)?.value ?? "";
    tell(element);
  } else if (element instanceof HTMLInputElement && !["radio", "checkbox"].includes(element.type)) {
    type(element, random);
  } else if (element instanceof HTMLCanvasElement || element.tabIndex === 0) {
    const way = random();
    if (way < 0.4) drag(element, random);
    else if (way < 0.7) press(element, random);
    else element.click();
  }
}

function tell(element: HTMLElement): void {
  for (const name of ["input", "change"]) element.dispatchEvent(new Event(name, { bubbles: true }));
}

function type(input: HTMLInputElement, random: Random): void {
  if (input.type === "file") {
    const bytes = Uint8Array.from({ length: 64 }, () => 256 * random());
    const files = new DataTransfer();
    files.items.add(new File([bytes], "noise.png", { type: "image/png" }));
    input.files = files.files;
  } else if (input.type === "range") {
    const [low, high] = [Number(input.min), Number(input.max)];
    input.value = String(low + random() * (high - low));
  } else input.value = pick(input.type === "number" ? NUMBERS : TEXTS, random)!;
  tell(input);
}

function press(element: HTMLElement, random: Random): void {
  element.focus();
  const options = { key: pick(KEYS, random)!, bubbles: true, cancelable: true, shiftKey: random() < 0.2 };
  for (const name of ["keydown", "keyup"]) element.dispatchEvent(new KeyboardEvent(name, options));
}

function drag(element: HTMLElement, random: Random): void {
  const { left, top, width, height } = element.getBoundingClientRect();
  const send = (name: string, buttons: number): void => {
    // Now and then beside it, and further than its edge.
    const [clientX, clientY] = [left + (1.2 * random() - 0.1) * width, top + (1.2 * random() - 0.1) * height];
    const mouse = { pointerId: 1, pointerType: "mouse", isPrimary: true, button: 0, buttons, clientX, clientY };
    element.dispatchEvent(new PointerEvent(name, { ...mouse, bubbles: true, cancelable: true }));
  };
  send("pointerdown", 1);
  for (let moves = Math.floor(5 * random()); moves >= 0; moves--) send("pointermove", 1);
  send(random() < 0.9 ? "pointerup" : "pointercancel", 0);
}

/** What no state of a figure may show: a slip of the program as text, a control without a name. */
function check(figure: HTMLElement, report: (what: string) => void): void {
  const slip = NEVER.exec(figure.innerText);
  if (slip) report(`it says ${slip[0]}: ${figure.innerText.slice(Math.max(0, slip.index - 60), slip.index + 60)}`);
  for (const element of all("[aria-label], [aria-valuetext], [alt], [title]", figure)) {
    for (const name of ["aria-label", "aria-valuetext", "alt", "title"]) {
      const text = element.getAttribute(name);
      if (text && NEVER.test(text)) report(`${name} is ${text}`);
    }
  }
  for (const element of all("button, input, select, textarea, summary", figure)) {
    if (usable(element) && !named(element)) report(`no name: ${element.outerHTML.slice(0, 120)}`);
  }
}

function named(element: HTMLElement): boolean {
  const { labels } = element as HTMLInputElement;
  const words = [element, ...(labels ?? [])].map((one) => `${one.textContent} ${one.getAttribute("aria-label") ?? ""}`);
  const pictures = [element, ...(labels ?? [])].flatMap((one) => all("[alt], [aria-label], title", one));
  const told = pictures.map((one) => one.getAttribute("alt") ?? one.getAttribute("aria-label") ?? one.textContent);
  return [...words, ...told, element.title].some((text) => text?.trim()) || element.hasAttribute("aria-labelledby");
}
