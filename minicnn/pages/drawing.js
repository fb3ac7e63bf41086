"use strict";
// Elements and canvases of the page.

/** An element with attributes (`text` is its text, a function a listener) and children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const button = (text, click, attributes = {}) =>
  make("button", { type: "button", text, click, ...attributes });

/** A number with so many digits. */
function figure(x, digits = 4) {
  if (Number.isNaN(x)) return "NaN";
  const size = Math.abs(x);
  const plain = x === 0 || (size >= 1e-3 && size < 1e5) || !Number.isFinite(x);
  const text = Number.isInteger(x) && plain ? String(x) : plain ? x.toPrecision(digits) : x.toExponential(2);
  return text.replace(/-/g, "\u2212");
}

const BELOW = [33, 102, 172], ABOVE = [179, 88, 6], NOTHING = [247, 247, 247];
const COLOURS = [
  [0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [213, 94, 0],
  [240, 228, 66], [120, 120, 120],
];

/** The colour of a number from -1 to 1: blue below 0, orange above, safe for colour-blind eyes. */
function colourOf(part) {
  const end = part < 0 ? BELOW : ABOVE, size = Math.min(Math.abs(part), 1);
  return NOTHING.map((from, i) => Math.round(from + (end[i] - from) * size));
}

/** Black or white, whichever can be read on a colour. */
function inkOn([r, g, b]) {
  const [x, y, z] = [r, g, b].map((c) => ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z > 0.18 ? "#000" : "#fff";
}

function shade(element, part) {
  const colour = colourOf(part);
  element.style.backgroundColor = `rgb(${colour})`;
  element.style.color = inkOn(colour);
}

/** Height, width and maps of a shape; a row of numbers is one pixel. */
function imageOf(shape) {
  if (shape.length === 3) return shape;
  return shape.length === 2 ? [shape[0], 1, shape[1]] : [1, 1, shape[0]];
}

function extremes(data) {
  let low = Infinity, high = -Infinity;
  for (const value of data) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** A map in colours; 1 is the largest number of all maps of the layer. */
function mapPixels(tensor, channel) {
  const [height, width, channels] = imageOf(tensor.shape);
  tensor.limit ??= Math.max(...extremes(tensor.data).map(Math.abs)) || 1;
  const pixels = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    pixels.data.set([...colourOf(tensor.data[i * channels + channel] / tensor.limit), 255], 4 * i);
  }
  return pixels;
}

/** A picture as it is seen: bytes, numbers from 0 to 1, or stretched over what there is. */
function picturePixels(tensor) {
  const [height, width, channels] = tensor.shape, [low, high] = extremes(tensor.data);
  const bytes = low >= 0 && high <= 255, from = bytes ? 0 : low;
  const scale = 255 / (bytes ? (high > 1 ? 255 : 1) : high - low || 1);
  const pixels = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    const shown = [0, 1, 2].map((c) => tensor.data[i * channels + (channels === 3 ? c : 0)]);
    pixels.data.set([...shown.map((value) => (value - from) * scale), 255], 4 * i);
  }
  return pixels;
}

/** The class of each pixel, in a colour each. */
function classPixels(tensor) {
  const [height, width, channels] = tensor.shape, pixels = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    const best = bestOf(tensor.data.subarray(i * channels, (i + 1) * channels));
    pixels.data.set([...COLOURS[best % COLOURS.length], 255], 4 * i);
  }
  return pixels;
}

/** The class that scores name: the largest one, or of a single one whether it is above a half. */
function bestOf(row) {
  if (row.length === 1) return row[0] > 0.5 ? 1 : 0;
  let best = 0;
  row.forEach((value, i) => (best = value > row[best] ? i : best));
  return best;
}

function canvasOf(pixels) {
  const canvas = make("canvas", { width: pixels.width, height: pixels.height });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

/** Fill a canvas with pixels, each a square of so many of the canvas', and frame boxes of them. */
function paint(canvas, pixels, boxes = []) {
  const side = Math.max(1, Math.round(320 / Math.max(pixels.width, pixels.height)));
  if (canvas.width !== pixels.width * side || canvas.height !== pixels.height * side) {
    canvas.width = pixels.width * side;
    canvas.height = pixels.height * side;
  }
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(canvasOf(pixels), 0, 0, canvas.width, canvas.height);
  for (const [top, left, bottom, right] of boxes) {
    const frame = [left * side, top * side, (right - left) * side, (bottom - top) * side];
    for (const [colour, width] of [["#fff", 6], ["#000", 3]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(...frame);
    }
  }
}

/** Row and column of the pixel of a map under a pointer. */
function pixelUnder(event, canvas, [height, width]) {
  const box = canvas.getBoundingClientRect();
  const inside = (part, n) => Math.min(Math.max(Math.floor(part * n), 0), n - 1);
  return [
    inside((event.clientY - box.top) / box.height, height),
    inside((event.clientX - box.left) / box.width, width),
  ];
}
