// A link to this page in another language takes along what the address says when it is followed: a figure's state.
import { all } from "./dom.js";

export function keepPlace(): void {
  for (const link of all<HTMLAnchorElement>(".languages a")) {
    const takeAlong = (): void => {
      link.search = location.search;
      link.hash = location.hash;
    };
    for (const way of ["click", "auxclick", "contextmenu"]) link.addEventListener(way, takeAlong);
  }
}
