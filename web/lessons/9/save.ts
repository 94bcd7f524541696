// What a line of Python or shell begins with, as files: the picture, and the mask of it.
import { FRAME } from "../../runtime/generated.js";
import { type Pixels, pixels } from "../../ui/canvas.js";

async function save(name: string, { data, width, height }: Pixels): Promise<void> {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")!.putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0);
  const address = URL.createObjectURL(await canvas.convertToBlob());
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}

export function savePicture(picture: Pixels): Promise<void> {
  return save("picture.png", picture);
}

/** White where to paint. */
export function saveMask(mask: Uint8Array): Promise<void> {
  const data = Uint8ClampedArray.from({ length: 4 * FRAME * FRAME }, (_, i) => (i % 4 === 3 || mask[i >> 2] ? 255 : 0));
  return save("mask.png", pixels(data));
}
