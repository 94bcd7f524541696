// Files of the site.
import { t } from "./strings.js";

/** A file's address, by its path from the root. */
export function siteUrl(path: string): string {
  return new URL((document.documentElement.dataset["root"] ?? "./") + path, document.baseURI).href;
}

/** A page's address in the language of this one, by its path from the first page. */
export function pageUrl(path: string): string {
  return new URL((document.documentElement.dataset["home"] ?? "./") + path, document.baseURI).href;
}

/** A file, or undefined when it is not there: for what a figure can do without. */
export async function optionalFile(path: string): Promise<Response | undefined> {
  const answer = await fetch(siteUrl(path)).catch(() => undefined);
  return answer?.ok ? answer : undefined;
}

export async function optionalJson<T>(path: string): Promise<T | undefined> {
  return (await optionalFile(path))?.json() as Promise<T | undefined>;
}

/** A file of the site's data folder. Throws one line that names it when it is not there. */
export async function siteFile(path: string): Promise<Response> {
  const answer = await optionalFile(`data/${path}`);
  if (!answer) throw new Error(t("picture-input.missing", { file: `data/${path}` }));
  return answer;
}

export async function siteJson<T>(path: string): Promise<T> {
  return (await (await siteFile(path)).json()) as T;
}
