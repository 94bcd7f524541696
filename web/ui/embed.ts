// The code that shows a figure, as it is now, in somebody else's page.
import { pageUrl } from "./site.js";

/** A figure needs 360 pixels, and more than 720 it does not use well in a page of words. */
const WIDTHS = [360, 720] as const;
/** What the page of the figure has below it, and some room for a line more. */
const FOOT = 72;

export interface Frame {
  address: string;
  title: string;
  width: number;
  height: number;
}

const MARKS: Record<string, string> = { "&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;" };
const attribute = (text: string): string => text.replace(/[&"<>]/g, (mark) => MARKS[mark]!);

/** It is as wide as there is room, and as high as the figure is where there is room enough. */
export function embedCode({ address, title, width, height }: Frame): string {
  const frame = `width="100%" height="${height}" style="border: 0; max-width: ${width}px" loading="lazy"`;
  return `<iframe src="${attribute(address)}" title="${attribute(title)}" ${frame}></iframe>`;
}

/** The page that shows the figure alone, in the state that the fragment says. */
export function aloneUrl(name: string, fragment: string): string {
  return pageUrl(`figures/${name}/index.html`) + fragment;
}

/** The frame that fits the figure as it is laid out in this page. */
export function frameFor(figure: HTMLElement, fragment: string, title: string): Frame {
  const width = Math.min(Math.max(figure.offsetWidth, WIDTHS[0]), WIDTHS[1]);
  const { style } = figure;
  const before = style.width;
  style.width = `${width}px`;
  const height = Math.ceil(figure.getBoundingClientRect().height) + FOOT;
  style.width = before;
  return { address: aloneUrl(figure.localName.slice(3), fragment), title, width, height };
}

/** Whether this page can be opened on this machine only. */
export function onlyHere({ protocol, hostname } = location): boolean {
  return protocol === "file:" || ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
}
