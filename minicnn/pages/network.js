"use strict";
// The network of the page: its values for a picture, Grad-CAM, and how both are read from the page.

/** The numbers of a layer before its activation. */
function computed(node, xs) {
  const layer = LAYERS[node.op];
  if (layer.forward) return layer.forward(node, xs);
  const z = new Float32Array(sizeOf(node.shape));
  for (let at = 0; at < z.length; at++) {
    let sum = layer.bias ? layer.bias(node, at) : 0;
    layer.terms(node, xs, null, at, (input, index, weight) => (sum += xs[input].data[index] * weight));
    z[at] = sum;
  }
  return z;
}

/**
 * All values for a picture: the picture, then what each node gives, as {shape, data, z}.
 *
 * `given` has values that NumPy computed, by number; null stands for those that cannot be known.
 */
function forward(network, picture, given) {
  const values = [picture];
  for (const node of network.nodes) {
    const xs = node.reads.map((number) => values[number]), known = given[values.length];
    if (known) values.push(known);
    else if (node.op === "unknown" || xs.some((x) => !x || x.partly)) values.push(null);
    else {
      const z = computed(node, xs);
      values.push({ shape: node.shape, data: activated(node, z), z });
    }
  }
  return values;
}

/** Where the scores of classes stand before softmax or sigmoid: {number, before}. */
function scoresOf(network) {
  const number = network.output, node = network.nodes[number - 1];
  if (node.op === "activation" && ["softmax", "sigmoid"].includes(node.activation)) {
    return { number: node.reads[0], before: false };
  }
  return { number, before: ["softmax", "sigmoid"].includes(node.activation) };
}

/** The gradients of a sum of scores, `start` at `scores.number`, for all values from `target` on. */
function gradients(network, values, scores, start, target) {
  const dvalues = values.map(() => null);
  dvalues[scores.number] = start;
  for (let number = scores.number; number > target; number--) {
    const node = network.nodes[number - 1], y = values[number], dy = dvalues[number];
    if (!dy) continue;
    if (node.op === "unknown") return null;
    const through = !(scores.before && number === scores.number);
    const dz = through ? backThroughActivation(node, y.z, y.data, dy) : dy;
    const xs = node.reads.map((i) => values[i]), layer = LAYERS[node.op];
    const dxs = node.reads.map((i) => (dvalues[i] ??= new Float64Array(values[i].data.length)));
    if (layer.back) layer.back(node, xs, dz, dxs);
    else for (let at = 0; at < dz.length; at++) {
      if (dz[at] === 0) continue;
      layer.terms(node, xs, y, at, (input, i, weight) => (dxs[input][i] += dz[at] * weight));
    }
  }
  return dvalues;
}

/**
 * Grad-CAM (Selvaraju et al., 2017): max(0, sum over k of a[k] * map k), with a[k] the mean over a
 * map of the gradient of the class' score. Null where there is no way from the scores to the maps.
 */
function gradCam(network, values, classNumber, target) {
  const scores = scoresOf(network), last = values[scores.number], start = new Float64Array(last.data.length);
  const channels = last.shape[last.shape.length - 1], pixels = last.data.length / channels;
  for (let pixel = 0; pixel < pixels; pixel++) {
    // A single score is that of class 1, and its negative that of class 0.
    if (channels === 1) start[pixel] = (classNumber ? 1 : -1) / pixels;
    else start[pixel * channels + classNumber] = 1 / pixels;
  }
  const dy = gradients(network, values, scores, start, target)?.[target];
  if (!dy) return null;
  const { shape: [height, width, depth], data } = values[target];
  const weights = new Float64Array(depth), map = new Float32Array(height * width);
  dy.forEach((d, i) => (weights[i % depth] += d / (height * width)));
  data.forEach((value, i) => (map[Math.floor(i / depth)] += weights[i % depth] * value));
  return { shape: [height, width, 1], data: map.map((value) => Math.max(value, 0)), weights };
}

// What the page carries -----------------------------------------------------------------------

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, part = bits & 1023;
  if (exponent === 0) return sign * part * 2 ** -24;
  if (exponent === 31) return part ? NaN : sign * Infinity;
  return sign * (1 + part / 1024) * 2 ** (exponent - 15);
}

/** The arrays {dtype, shape, at} of a description, read from its bytes. */
function unpacked(array, bytes) {
  const n = sizeOf(array.shape);
  if (array.dtype === "float32") return new Float32Array(bytes.buffer, array.at, n);
  if (array.dtype === "uint8") return Float32Array.from(bytes.subarray(array.at, array.at + n));
  return Float32Array.from(new Uint16Array(bytes.buffer, array.at, n), half);
}

function tensor(array, bytes) {
  return { shape: array.shape, data: unpacked(array, bytes), partly: array.partly };
}

/** The network and the pictures of a page, from its data. */
function loaded(data) {
  const bytes = Uint8Array.from(atob(data.bytes), (c) => c.charCodeAt(0));
  const read = (arrays) =>
    Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, tensor(array, bytes)]));
  return {
    ...data,
    bytes: null,
    nodes: data.nodes.map((node) => ({ ...node, arrays: read(node.arrays) })),
    pictures: data.pictures.map((one) => ({
      name: one.name,
      picture: tensor(one.picture, bytes),
      given: read(one.given),
    })),
  };
}

/**
 * Pixels of RGBA bytes as a picture of `shape`, resized as minicnn resizes: means over boxes.
 *
 * Pillow's numbers are rounded after each of the two axes, and so are these.
 */
function resized(rgba, width, height, shape, scale) {
  const [rows, columns, channels] = shape, grey = channels === 1;
  const planes = grey ? 1 : 3, source = new Float32Array(width * height * planes);
  for (let i = 0; i < width * height; i++) {
    const [r, g, b] = [rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]];
    if (grey) source[i] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    else source.set([r, g, b], 3 * i);
  }
  const boxes = (from, to) =>
    Array.from({ length: to }, (_, i) => {
      const ratio = from / to, reach = Math.max(ratio, 1) / 2, centre = (i + 0.5) * ratio;
      const first = Math.max(Math.floor(centre - reach + 0.5), 0);
      return [first, Math.max(Math.min(Math.floor(centre + reach + 0.5), from), first + 1)];
    });
  const across = boxes(width, columns), down = boxes(height, rows);
  const middle = new Float32Array(height * columns * planes), out = new Float32Array(rows * columns * planes);
  const mean = (data, first, end, at) => {
    let sum = 0;
    for (let i = first; i < end; i++) sum += data[at(i)];
    return Math.round(sum / (end - first));
  };
  for (let c = 0; c < planes; c++) {
    for (let x = 0; x < columns; x++) {
      for (let y = 0; y < height; y++) {
        middle[(y * columns + x) * planes + c] = mean(source, ...across[x], (i) => (y * width + i) * planes + c);
      }
    }
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        out[(y * columns + x) * planes + c] = mean(middle, ...down[y], (i) => (i * columns + x) * planes + c);
      }
    }
  }
  return { shape, data: out.map((value) => value * scale) };
}
