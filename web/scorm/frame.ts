// The page around the course in a package for learning platforms. The pages of the course keep what is done here instead
// of in the browser, which pupils may share: the platform has it for each learner, and is told how far one has come.
import { KEY, Progress, type Store } from "../core/progress.js";
import { pack, unpack } from "./packing.js";
import { findApi, Platform, seen } from "./platform.js";
import { type Part, report, timespan } from "./report.js";

const OVER = ["completed", "passed", "failed"];
const PAUSE = 500; // milliseconds until a change is told, for some platforms stand still while they are told
const PAGE = /^([\w-]+\/)*[\w-]+\.html$/;

const frame = document.querySelector("iframe")!;
const parts = JSON.parse(frame.dataset["parts"]!) as Part[];
const top = new URL("..", location.href).href; // where the pages of the course begin
const begun = Date.now();
const texts = new Map<string, string>();
let packed = "";
let waiting = 0;

const store: Store = {
  getItem: (key) => texts.get(key) ?? null,
  setItem: (key, text) => {
    texts.set(key, text);
    if (key === KEY) void keep(text);
  },
};

async function keep(text: string): Promise<void> {
  const now = await pack(text);
  if (texts.get(KEY) !== text) return;
  packed = now;
  clearTimeout(waiting);
  waiting = window.setTimeout(tell, PAUSE);
}

const api = findApi(window);
const platform = api && new Platform(api);
platform?.open();
const over = OVER.includes(platform?.get("cmi.core.lesson_status") ?? "");

function tell(): void {
  const { complete, values, extra } = report(new Progress(store), parts);
  values["cmi.core.lesson_status"] = complete || over ? "completed" : "incomplete"; // what was completed once stays so
  if (packed) values["cmi.suspend_data"] = packed;
  const page = pageNow();
  if (page) extra["cmi.core.lesson_location"] = page;
  platform?.tell(values, {
    ...extra,
    "cmi.core.exit": "suspend",
    "cmi.core.session_time": timespan(Date.now() - begun),
  });
  note();
}

/** The page of the course that is open, seen from where they begin. */
function pageNow(): string {
  const address = seen(() => frame.contentWindow?.location.href) ?? "";
  const page = address.slice(top.length).replace(/[?#].*/, "");
  return address.startsWith(top) && PAGE.test(page) ? page : "";
}

function note(): void {
  const id = !platform ? "alone" : platform.hears ? "" : "unheard";
  for (const line of document.querySelectorAll<HTMLElement>("[role=status] p")) line.hidden = line.id !== id;
}

async function begin(): Promise<void> {
  packed = platform?.get("cmi.suspend_data") ?? "";
  const kept = await unpack(packed);
  if (kept) texts.set(KEY, kept);
  Object.assign(window, { courseStore: store });
  const before = platform?.get("cmi.core.lesson_location") ?? "";
  frame.src = top + (PAGE.test(before) ? before : frame.dataset["page"]);
  tell();
}

// Another site is no part of the course, and most refuse to be in a frame.
frame.addEventListener("load", () => {
  const page = seen(() => frame.contentDocument);
  page?.addEventListener("click", ({ target }) => {
    const link = (target as Element).closest("a");
    if (link && link.origin !== location.origin) link.target = "_blank";
  });
});
window.addEventListener("pagehide", () => {
  clearTimeout(waiting);
  tell();
  platform?.close();
});
window.addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
void begin();
