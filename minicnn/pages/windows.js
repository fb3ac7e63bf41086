"use strict";
// Layers with a window: convolutions and poolings. layers.js says what a layer is.

/** Visits what a window sees, without the padding. */
function windowTerms(node, xs, y, at, visit) {
  const [height, width, channels] = xs[0].shape, seen = LAYERS[node.op].window(node, xs, at);
  for (let i = 0; i < seen.rows; i++) {
    const h = seen.top + i * seen.down;
    if (h < 0 || h >= height) continue;
    for (let j = 0; j < seen.columns; j++) {
      const w = seen.left + j * seen.across;
      if (w < 0 || w >= width) continue;
      for (let c = 0; c < seen.channels; c++) {
        visit(0, (h * width + w) * channels + seen.first + c, seen.weight(i, j, c));
      }
    }
  }
}

/** Where the window of an output lies: all but its channels and weights. */
function windowAt(node, at) {
  const [h, w] = placeOf(node.shape, at);
  return {
    top: h * node.strides[0] - node.pads[0],
    left: w * node.strides[1] - node.pads[1],
    rows: node.size[0],
    columns: node.size[1],
    down: node.dilation[0],
    across: node.dilation[1],
  };
}

const biasOf = (node, at) =>
  node.arrays.bias ? node.arrays.bias.data[at % node.shape[node.shape.length - 1]] : 0;

/** Calls visit(pixel, row, at): the input's pixel and the kernel's row that meet in output pixel `at`. */
function meetings(node, [height, width, channels], visit) {
  const [outHeight, outWidth, filters] = node.shape, [rows, columns] = node.size;
  const [sh, sw] = node.strides, [top, left] = node.pads, [dh, dw] = node.dilation;
  const rowLength = (channels / node.groups) * filters;
  for (let oh = 0, at = 0; oh < outHeight; oh++) {
    for (let ow = 0; ow < outWidth; ow++, at += filters) {
      for (let i = 0; i < rows; i++) {
        const h = oh * sh - top + i * dh;
        if (h < 0 || h >= height) continue;
        for (let j = 0; j < columns; j++) {
          const w = ow * sw - left + j * dw;
          if (w < 0 || w >= width) continue;
          visit((h * width + w) * channels, (i * columns + j) * rowLength, at);
        }
      }
    }
  }
}

const conv2d = {
  forward(node, xs) {
    const { data: x, shape } = xs[0], channels = shape[2], filters = node.shape[2];
    const kernel = node.arrays.kernel.data, per = channels / node.groups, wide = filters / node.groups;
    const sums = new Float64Array(sizeOf(node.shape));
    for (let at = 0; at < sums.length; at++) sums[at] = biasOf(node, at);
    meetings(node, shape, (pixel, row, at) => {
      for (let c = 0; c < channels; c++) {
        const value = x[pixel + c], first = Math.floor(c / per) * wide, start = row + (c % per) * filters;
        if (value === 0) continue;
        for (let f = first; f < first + wide; f++) sums[at + f] += value * kernel[start + f];
      }
    });
    return Float32Array.from(sums);
  },
  back(node, xs, dz, [dx]) {
    const shape = xs[0].shape, channels = shape[2], filters = node.shape[2];
    const kernel = node.arrays.kernel.data, per = channels / node.groups, wide = filters / node.groups;
    meetings(node, shape, (pixel, row, at) => {
      for (let c = 0; c < channels; c++) {
        const first = Math.floor(c / per) * wide, start = row + (c % per) * filters;
        let sum = 0;
        for (let f = first; f < first + wide; f++) sum += dz[at + f] * kernel[start + f];
        dx[pixel + c] += sum;
      }
    });
  },
  terms: windowTerms,
  bias: biasOf,
  window(node, xs, at) {
    const filters = node.shape[2], f = at % filters, per = xs[0].shape[2] / node.groups;
    const kernel = node.arrays.kernel.data, columns = node.size[1];
    return {
      ...windowAt(node, at),
      first: Math.floor(f / (filters / node.groups)) * per,
      channels: per,
      weight: (i, j, c) => kernel[((i * columns + j) * per + c) * filters + f],
    };
  },
};

const depthwise = {
  terms: windowTerms,
  bias: biasOf,
  window(node, xs, at) {
    const channels = xs[0].shape[2], times = node.shape[2] / channels, out = at % node.shape[2];
    const kernel = node.arrays.kernel.data, columns = node.size[1];
    return {
      ...windowAt(node, at),
      first: Math.floor(out / times),
      channels: 1,
      weight: (i, j) => kernel[(i * columns + j) * node.shape[2] + out],
    };
  },
};

const conv2d_transpose = {
  bias: biasOf,
  terms(node, xs, y, at, visit) {
    const [height, width, channels] = xs[0].shape, [row, column, f] = placeOf(node.shape, at);
    const kernel = node.arrays.kernel.data;
    for (let i = 0; i < node.size[0]; i++) {
      const h = (row + node.pads[0] - i * node.dilation[0]) / node.strides[0];
      if (!Number.isInteger(h) || h < 0 || h >= height) continue;
      for (let j = 0; j < node.size[1]; j++) {
        const w = (column + node.pads[1] - j * node.dilation[1]) / node.strides[1];
        if (!Number.isInteger(w) || w < 0 || w >= width) continue;
        const start = ((i * node.size[1] + j) * node.shape[2] + f) * channels;
        for (let c = 0; c < channels; c++) {
          visit(0, (h * width + w) * channels + c, kernel[start + c]);
        }
      }
    }
  },
};

const poolWindow = (node, xs, at) => ({
  ...windowAt(node, at),
  first: at % node.shape[2],
  channels: 1,
  weight: () => 1,
});

/** The numbers of all its places, of which one wins; of equal ones the first. */
function winner(node, xs, at, seen) {
  let best = -Infinity, index = -1;
  seen(node, xs, null, at, (input, i) => {
    if (index < 0 || xs[input].data[i] > best) [best, index] = [xs[input].data[i], i];
  });
  return index;
}
const choosing = (seen) => ({
  forward(node, xs) {
    const z = new Float32Array(sizeOf(node.shape));
    for (let at = 0; at < z.length; at++) z[at] = xs[0].data[winner(node, xs, at, seen)];
    return z;
  },
  terms(node, xs, y, at, visit) {
    const index = winner(node, xs, at, seen);
    seen(node, xs, y, at, (input, i) => visit(input, i, i === index ? 1 : 0));
  },
});

const max_pool = { ...choosing(windowTerms), window: poolWindow };

const avg_pool = {
  window: poolWindow,
  terms(node, xs, y, at, visit) {
    let pixels = 0;
    windowTerms(node, xs, y, at, () => pixels++);
    windowTerms(node, xs, y, at, (input, i) => visit(input, i, 1 / pixels));
  },
};
