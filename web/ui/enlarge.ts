import { Runtime } from "../runtime/client.js";
import { type Pixels, pixels } from "./canvas.js";

const SIZE = 128; // what the enlarger draws

/** A picture RGBA 64 x 64 as the enlarger draws it. */
export async function enlarged(picture: Uint8ClampedArray, signal: AbortSignal): Promise<Pixels> {
  return pixels(await Runtime.get().enlarge(picture, { signal }), SIZE);
}
