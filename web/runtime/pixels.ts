/** From the networks' number planes to pictures and back. A picture is RGBA, row by row, with straight alpha. */

/** Planes R, G, B, A in [-1, 1], colours multiplied by alpha -> a picture. Counterpart: text_to_image.decode */
export function toPicture(planes: Float32Array): Uint8ClampedArray {
  const size = planes.length / 4;
  // It rounds ties to even, as numpy does, and holds colours that are stronger than their alpha at 255.
  const picture = new Uint8ClampedArray(planes.length);
  const at = (plane: number, i: number): number =>
    Math.min(Math.max(Math.fround(planes[plane * size + i]! + 1) / 2, 0), 1);
  for (let i = 0; i < size; i++) {
    const alpha = at(3, i);
    if (alpha > Math.fround(0.5 / 255)) {
      for (let c = 0; c < 3; c++) picture[4 * i + c] = Math.fround(255 * Math.fround(at(c, i) / alpha));
    } // where nothing is visible there is no colour at all
    picture[4 * i + 3] = Math.fround(255 * alpha);
  }
  return picture;
}

/** The way back: a picture -> planes R, G, B, A in [-1, 1]. Counterpart: text_to_image.start_from */
export function fromPicture(picture: Uint8ClampedArray): Float32Array {
  const size = picture.length / 4;
  const planes = new Float32Array(picture.length);
  picture.forEach((value, i) => {
    const alpha = i % 4 === 3 ? 1 : Math.fround(picture[i | 3]! / 255);
    planes[(i % 4) * size + (i >> 2)] = 2 * Math.fround(Math.fround(value / 255) * alpha) - 1;
  });
  return planes;
}

/** Planes R, G, B in [-1, 1] -> a picture without holes. Counterpart: sample.to_bytes */
export function toSolidPicture(planes: Float32Array): Uint8ClampedArray {
  const size = planes.length / 3;
  const picture = new Uint8ClampedArray(4 * size).fill(255);
  planes.forEach((value, i) => (picture[4 * (i % size) + Math.floor(i / size)] = 127.5 * value + 127.5));
  return picture;
}

/** A colour's value on white paper, 0 to 255. */
export function onWhite(value: number, alpha: number): number {
  return (alpha * value + 255 * (255 - alpha)) / 255;
}

/** A picture on white paper -> planes R, G, B in [-1, 1], as CLIP sees it. Counterpart: pictures.over_white */
export function overWhite(picture: Uint8ClampedArray): Float32Array {
  const size = picture.length / 4;
  const planes = new Float32Array(3 * size);
  for (let i = 0; i < size; i++) {
    const alpha = picture[4 * i + 3]!;
    for (let c = 0; c < 3; c++) {
      const value = Math.round(onWhite(picture[4 * i + c]!, alpha));
      planes[c * size + i] = Math.fround(value / 127.5) - 1;
    }
  }
  return planes;
}

/** The same at half the side, each pixel the mean of four, as the small makers see it. Counterpart: sample.shrunk */
export function toSmall(picture: Uint8ClampedArray): Float32Array {
  const large = overWhite(picture);
  const side = Math.sqrt(large.length / 3);
  const half = side / 2;
  return Float32Array.from({ length: large.length / 4 }, (_, i) => {
    const [row, column] = [Math.floor(i / half), i % half]; // of all planes, one below the other
    const at = 2 * row * side + 2 * column;
    return (large[at]! + large[at + 1]! + large[at + side]! + large[at + side + 1]!) / 4;
  });
}
