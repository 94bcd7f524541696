// The mixed quiz at the end of the course: ten questions out of the whole bank. The seed in the address says which.
import { philox } from "../runtime/noise.js";
import { pageUrl } from "../ui/site.js";
import { defineFields, read, type StateOf, write } from "../ui/state.js";
import { t } from "../ui/strings.js";
import { button, make } from "./dom.js";
import type { Progress } from "./progress.js";
import { type Asked, askRound, type Mark, questionsIn, score, total } from "./round.js";

const QUIZ = "mixed"; // its name in the address
const COUNT = 10;
const MOST = 9999;
/** 0 is none. */
const FIELDS = defineFields({ seed: { kind: "int", default: 0, min: 0, max: MOST } });

/** Ten of these: one from each lesson, and the rest from any. */
export function draw<T extends { lesson: string }>(seed: number, bank: readonly T[], count = COUNT): T[] {
  const ranked = bank
    .map((one, i) => ({ one, rank: philox([i, 0, 0, 0], [seed, 0])[0] }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ one }) => one);
  const first = ranked.filter(({ lesson }, i) => ranked.findIndex((other) => other.lesson === lesson) === i);
  const rest = ranked.filter((one) => !first.includes(one));
  const drawn = new Set([...first, ...rest].slice(0, count));
  return ranked.filter((one) => drawn.has(one));
}

export function openMixed(section: HTMLElement, progress: Progress): void {
  const place = section.querySelector<HTMLElement>(".round")!;
  const seedOf = (): number => read<StateOf<typeof FIELDS>>(QUIZ, FIELDS, location.hash).state.seed;
  let bank: Promise<Asked[]> | undefined;

  const begin = async (seed: number): Promise<void> => {
    history.replaceState(history.state, "", write(QUIZ, { seed }, location.hash));
    try {
      const found = await (bank ??= fetchBank());
      askRound(place, draw(seed, found), progress, (marks) => ended(seed, marks));
    } catch {
      bank = undefined;
      const error = make("p", "error", `${t("questions.fetch-failed")} `);
      error.setAttribute("role", "alert");
      error.append(button(t("site.retry"), "", () => void begin(seed)));
      place.replaceChildren(error);
    }
  };
  const another = (): void => {
    const before = seedOf();
    const seed = 1 + Math.floor(Math.random() * (MOST - 1));
    void begin(seed === before ? MOST : seed);
  };

  const ended = (seed: number, marks: Mark[]): HTMLElement[] => {
    progress.mix({ seed, ...total(marks) });
    const wrong = marks.filter(({ right, asked }) => right < asked);
    const list = make("ul", "");
    for (const { lesson, title, right, asked } of wrong) {
      const item = make("li", "");
      const link = make("a", "", title);
      link.href = document.querySelector<HTMLAnchorElement>(`.steps [data-lesson="${lesson}"] a`)?.href ?? "#";
      item.append(link, make("span", "meta", ` ${t("site.score", { right, total: asked })}`));
      list.append(item);
    }
    const again = make("p", "", t(wrong.length ? "questions.again" : "questions.again-none"));
    const buttons = make("p", "pager");
    buttons.append(
      button(t("questions.others"), "primary", another),
      button(t("questions.same"), "", () => void begin(seed)),
    );
    const number = make("p", "still-note", t("questions.seed", { seed: String(seed) }));
    return [make("h3", "", score(marks)), again, ...(wrong.length ? [list] : []), buttons, number];
  };

  const follow = (): void => {
    const seed = seedOf();
    if (!seed) return;
    section.scrollIntoView();
    void begin(seed);
  };
  addEventListener("hashchange", follow);
  place.replaceChildren(button(t("questions.begin"), "primary", another));
  follow();
}

async function fetchBank(): Promise<Asked[]> {
  const answer = await fetch(pageUrl("questions/index.html"));
  if (!answer.ok) throw new Error(String(answer.status));
  return questionsIn(new DOMParser().parseFromString(await answer.text(), "text/html"));
}
