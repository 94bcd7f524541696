// Small drawn papers that no training showed: signs, bar charts, receipts, and what each can be asked.
import { cut, type Pixels } from "../../ui/canvas.js";
import { siteFile, siteJson } from "../../ui/site.js";

interface Item {
  kind: "sign" | "chart" | "receipt";
  questions: string[]; // English, as the model reads them
}

export interface Paper extends Item {
  pixels: Pixels;
}

/** data/papers.json and papers.webp. */
export async function openPapers(): Promise<Paper[]> {
  const [{ size, items }, file] = await Promise.all([
    siteJson<{ size: number; items: Item[] }>("papers.json"),
    siteFile("papers.webp"),
  ]);
  const sprite = await createImageBitmap(await file.blob());
  return items.map((item, index) => ({ ...item, pixels: cut(sprite, index, 0, size) }));
}
