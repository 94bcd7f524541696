// A picture that a person brings, as 64 x 64 RGBA. It is bounded before it is decoded, by the bytes of the file and by
// the size that its header claims, so that a small file cannot ask for gigabytes.

export const SIZE = 64;
export const MAX_BYTES = 20 * 2 ** 20;
export const MAX_PIXELS = 64e6;

export type Refusal = "empty" | "heavy" | "type" | "large" | "broken";

export class PictureError extends Error {
  constructor(
    readonly reason: Refusal,
    readonly values: Record<string, number> = {},
  ) {
    super(reason);
  }
}

export interface Dimensions {
  width: number;
  height: number;
}

/** Width and height as the header of a PNG, JPEG, WebP, GIF or BMP file says; undefined when it is none of them. */
export function dimensions(bytes: Uint8Array): Dimensions | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts = (at: number, text: string) => [...text].every((letter, i) => bytes[at + i] === letter.charCodeAt(0));
  try {
    if (starts(0, "\x89PNG\r\n\x1a\n")) return { width: view.getUint32(16), height: view.getUint32(20) };
    if (starts(0, "GIF8")) return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
    if (starts(0, "BM")) return bmp(view);
    if (starts(0, "RIFF") && starts(8, "WEBP")) return webp(view, String.fromCharCode(...bytes.subarray(12, 16)));
    if (starts(0, "\xff\xd8\xff")) return jpeg(view);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the file ends inside its header
  }
  return undefined;
}

function bmp(view: DataView): Dimensions {
  if (view.getUint32(14, true) === 12) return { width: view.getUint16(18, true), height: view.getUint16(20, true) };
  // A negative height means that the rows run from the top.
  return { width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
}

function webp(view: DataView, chunk: string): Dimensions | undefined {
  const uint24 = (at: number) => view.getUint16(at, true) + 65536 * view.getUint8(at + 2);
  if (chunk === "VP8X") return { width: uint24(24) + 1, height: uint24(27) + 1 };
  if (chunk === "VP8 ") return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (chunk !== "VP8L") return undefined;
  const bits = view.getUint32(21, true);
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

/** Walks over the segments to the frame header (C0 to CF, but for the three of them that are tables). */
function jpeg(view: DataView): Dimensions {
  for (let at = 2; ;) {
    if (view.getUint8(at) !== 0xff) throw new RangeError("no marker where one belongs");
    const marker = view.getUint8(at + 1);
    const frame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (frame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    const alone = marker === 0xff || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);
    at += marker === 0xff ? 1 : alone ? 2 : 2 + view.getUint16(at + 2);
  }
}

/** Where a whole picture lies in the middle of a square of `side`. */
export function fitted({ width, height }: Dimensions, side = SIZE): Dimensions & { x: number; y: number } {
  const scale = side / Math.max(width, height);
  const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  return { ...size, x: Math.floor((side - size.width) / 2), y: Math.floor((side - size.height) / 2) };
}

/** PictureError unless the bytes are a picture of a size that can be opened. */
export function check(bytes: Uint8Array): void {
  if (bytes.length === 0) throw new PictureError("empty");
  const size = dimensions(bytes);
  if (!size) throw new PictureError("type");
  if (size.width * size.height === 0) throw new PictureError("broken");
  if (size.width * size.height > MAX_PIXELS) throw new PictureError("large", { ...size, most: MAX_PIXELS / 1e6 });
}

/** A file as 64 x 64 RGBA, straight alpha, upright and whole in a transparent square. Throws PictureError. */
export async function openPicture(file: Blob): Promise<Uint8ClampedArray> {
  const most = MAX_BYTES / 2 ** 20;
  if (file.size > MAX_BYTES) throw new PictureError("heavy", { size: Math.ceil(file.size / 2 ** 20), most });
  check(new Uint8Array(await file.arrayBuffer()));
  try {
    const whole = await createImageBitmap(file);
    const { x, y, width, height } = fitted(whole);
    const small = await createImageBitmap(whole, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
    const context = new OffscreenCanvas(SIZE, SIZE).getContext("2d")!;
    context.drawImage(small, x, y);
    whole.close();
    small.close();
    return context.getImageData(0, 0, SIZE, SIZE).data;
  } catch {
    throw new PictureError("broken"); // the decoder does not say what is wrong
  }
}
