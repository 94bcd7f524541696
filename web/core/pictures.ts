// A lesson's picture plays once when it comes into view, and again when asked; on the first page when its card is. At rest it is the finished picture,
// which is also what stays where less motion is wished.
import { t } from "../ui/strings.js";
import { all, button } from "./dom.js";

export function playPictures(): void {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        start(target as SVGElement);
      }
    },
    { threshold: 0.6 },
  );
  for (const picture of all<SVGElement>(".idea .picture")) observer.observe(picture);
  for (const card of all(".cards li")) {
    for (const kind of ["pointerenter", "focusin"]) card.addEventListener(kind, () => playOnce(card));
  }
}

/** The picture of a lesson's card, while somebody is at it. */
function playOnce(card: HTMLElement): void {
  const picture = card.querySelector(".picture");
  if (!picture || picture.classList.contains("play")) return;
  picture.classList.add("play");
  const moves = picture.getAnimations({ subtree: true }).map((animation) => animation.finished);
  void Promise.allSettled(moves).then(() => picture.classList.remove("play"));
}

function start(picture: SVGElement): void {
  let round = 0;
  const toggle = button("", "quiet replay", () => (picture.classList.contains("play") ? rest() : play()));
  const rest = (): void => {
    round += 1;
    picture.classList.remove("play");
    toggle.textContent = t("site.replay");
  };
  const play = (): void => {
    picture.classList.add("play");
    toggle.textContent = t("site.stop");
    const mine = ++round;
    const moves = picture.getAnimations({ subtree: true }).map((animation) => animation.finished);
    void Promise.allSettled(moves).then(() => mine === round && rest());
  };
  play();
  const head = picture.closest(".idea")?.querySelector(".idea-head");
  if (picture.getAnimations({ subtree: true }).length) head?.append(toggle);
}
