import assert from "node:assert/strict";
import test from "node:test";
import { check, dimensions, fitted, PictureError } from "./picture-file.js";

const ascii = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
const zeros = (count: number) => new Array<number>(count).fill(0);
const bytes = (...parts: number[][]) => Uint8Array.from(parts.flat());

const PNG = [0x89, ...ascii("PNG\r\n"), 0x1a, 0x0a];
const png = (width: number, height: number) => {
  const file = bytes(PNG, zeros(16));
  new DataView(file.buffer).setUint32(16, width);
  new DataView(file.buffer).setUint32(20, height);
  return file;
};
const webp = (chunk: string, rest: number[]) =>
  bytes(ascii("RIFF"), zeros(4), ascii("WEBP"), ascii(chunk), zeros(4), rest);

test("every format says its size", () => {
  assert.deepEqual(dimensions(png(300, 200)), { width: 300, height: 200 });
  assert.deepEqual(dimensions(bytes(ascii("GIF89a"), [44, 1, 200, 0])), { width: 300, height: 200 });
  const bmp = bytes(ascii("BM"), zeros(12), [40, 0, 0, 0], [44, 1, 0, 0], [0x38, 0xff, 0xff, 0xff]);
  assert.deepEqual(dimensions(bmp), { width: 300, height: 200 }); // rows from the top: the height is -200
  const extended = webp("VP8X", [0, 0, 0, 0, 43, 1, 0, 199, 0, 0]);
  assert.deepEqual(dimensions(extended), { width: 300, height: 200 });
  const lossless = webp("VP8L", [0x2f, 299 & 255, (299 >> 8) | ((199 & 3) << 6), 199 >> 2, 0]);
  assert.deepEqual(dimensions(lossless), { width: 300, height: 200 });
  const lossy = webp("VP8 ", [0, 0, 0, 0x9d, 0x01, 0x2a, 44, 1, 200, 0]);
  assert.deepEqual(dimensions(lossy), { width: 300, height: 200 });
});

test("a JPEG's size is behind its other segments", () => {
  const table = [0xff, 0xc4, 0, 4, 9, 9]; // a Huffman table, whose marker looks like a frame's
  const exif = [0xff, 0xe1, 0, 6, 0xff, 0xc0, 1, 1];
  const frame = [0xff, 0xff, 0xc2, 0, 17, 8, 0, 200, 1, 44];
  assert.deepEqual(dimensions(bytes([0xff, 0xd8], exif, table, frame)), { width: 300, height: 200 });
});

test("what ends early or is no picture has no size", () => {
  const starts = [[], PNG, [0xff, 0xd8, 0xff, 0xe1], [0xff, 0xd8, 0xff, 0xe1, 0, 2, 7, 7]];
  for (const start of starts) assert.equal(dimensions(bytes(start)), undefined);
  assert.equal(dimensions(bytes(ascii("<svg xmlns='http://www.w3.org/2000/svg'/>"))), undefined);
});

test("a picture is refused for one stated reason", () => {
  const reason = (file: Uint8Array) => {
    try {
      check(file);
    } catch (error) {
      return error instanceof PictureError ? error.reason : error;
    }
  };
  assert.equal(reason(png(8000, 8000)), undefined);
  assert.equal(reason(png(8001, 8000)), "large");
  assert.equal(reason(png(0xffffffff, 0xffffffff)), "large");
  assert.equal(reason(png(0, 10)), "broken");
  assert.equal(reason(bytes()), "empty");
  assert.equal(reason(bytes(ascii("hello"))), "type");
});

test("a picture is fitted whole into the square", () => {
  assert.deepEqual(fitted({ width: 640, height: 320 }), { width: 64, height: 32, x: 0, y: 16 });
  assert.deepEqual(fitted({ width: 16, height: 16 }), { width: 64, height: 64, x: 0, y: 0 });
  assert.deepEqual(fitted({ width: 1, height: 9000 }), { width: 1, height: 64, x: 31, y: 0 });
});
