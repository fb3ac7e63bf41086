"use strict";
// The layers of the page's network, in plain loops: a function or two for each kind.
//
// A tensor is {shape, data}: sizes without the batch axis, channels last, and the numbers in
// row-major order. A node is {op, reads, shape, arrays, ...}; `reads` are the numbers of what it
// takes: 0 is the picture, n the output of the n-th node.
//
// A layer is an object of
//   forward(node, xs)                 the numbers z before the activation (left out: the sum of terms)
//   terms(node, xs, y, at, visit)     calls visit(input, index, weight) for each number that output
//                                     `at` is made of. The weight is dz/dx, so that the same terms
//                                     explain a sum, show a window and carry gradients back.
//   back(node, xs, dz, dxs)           adds dz to the gradients of xs (left out: by the terms' weights)
//   bias(node, at)                    what a sum begins with
//   window(node, xs, at)              of layers with a window: where it lies, and its weights

const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);

/** [row, column, channel] of a number of an image; a vector's numbers are all channels. */
function placeOf(shape, at) {
  const channels = shape[shape.length - 1];
  const width = shape.length > 2 ? shape[shape.length - 2] : 1;
  const pixel = Math.floor(at / channels);
  return [Math.floor(pixel / width), pixel % width, at % channels];
}

/** Visits one channel of an image. */
function channelTerms(node, xs, y, at, visit) {
  const [height, width, channels] = xs[0].shape;
  for (let pixel = 0; pixel < height * width; pixel++) {
    visit(0, pixel * channels + at, 1 / (height * width));
  }
}
const global_avg_pool = { terms: channelTerms };
const global_max_pool = choosing(channelTerms);

const dense = {
  bias: biasOf,
  forward(node, xs) {
    const units = node.shape[node.shape.length - 1], x = xs[0].data;
    const kernel = node.arrays.kernel.data, features = kernel.length / units;
    const z = new Float32Array(sizeOf(node.shape)), sums = new Float64Array(units);
    for (let row = 0; row < z.length / units; row++) {
      for (let u = 0; u < units; u++) sums[u] = biasOf(node, u);
      for (let i = 0; i < features; i++) {
        const value = x[row * features + i];
        for (let u = 0; u < units; u++) sums[u] += value * kernel[i * units + u];
      }
      z.set(sums, row * units);
    }
    return z;
  },
  terms(node, xs, y, at, visit) {
    const units = node.shape[node.shape.length - 1], unit = at % units;
    const kernel = node.arrays.kernel.data, features = kernel.length / units;
    const start = Math.floor(at / units) * features;
    for (let i = 0; i < features; i++) visit(0, start + i, kernel[i * units + unit]);
  },
};

/** Which of the numbers for each channel an output has; channels lie along any axis. */
const channelOf = (node, at) => Math.floor(at / node.inner) % node.channels;

/** What batch normalization multiplies by. */
function batchnormScale(node, at) {
  const { gamma, moving_variance: variance } = node.arrays, c = channelOf(node, at);
  return (gamma ? gamma.data[c] : 1) / Math.sqrt(variance.data[c] + node.epsilon);
}
const batchnorm = {
  forward(node, xs) {
    const channels = Array.from({ length: node.channels }, (_, c) => c * node.inner);
    const scales = channels.map((at) => batchnormScale(node, at));
    const offsets = channels.map((at) => batchnorm.bias(node, at));
    return xs[0].data.map((x, at) => {
      const c = channelOf(node, at);
      return x * scales[c] + offsets[c];
    });
  },
  terms: (node, xs, y, at, visit) => visit(0, at, batchnormScale(node, at)),
  bias(node, at) {
    const { beta, moving_mean: mean } = node.arrays, c = channelOf(node, at);
    return (beta ? beta.data[c] : 0) - mean.data[c] * batchnormScale(node, at);
  },
};

const ofChannel = (array, at) => array.data[at % array.data.length];
const rescaling = {
  terms: (node, xs, y, at, visit) => visit(0, at, ofChannel(node.arrays.scale, at)),
  bias: (node, at) => ofChannel(node.arrays.offset, at),
};

/** The numbers that are normalized together with that of an output: [mean, deviation, indices]. */
function normalizedWith(node, xs, at) {
  const x = xs[0].data, indices = [];
  if (node.op === "layernorm") {
    const start = Math.floor(at / node.together) * node.together;
    for (let i = start; i < start + node.together; i++) indices.push(i);
  } else {
    const channels = node.shape[node.shape.length - 1], per = channels / node.groups;
    const group = Math.floor((at % channels) / per);
    for (let i = 0; i < x.length; i++) {
      if (Math.floor((i % channels) / per) === group) indices.push(i);
    }
  }
  const mean = indices.reduce((sum, i) => sum + x[i], 0) / indices.length;
  const variance = indices.reduce((sum, i) => sum + (x[i] - mean) ** 2, 0) / indices.length;
  return [mean, Math.sqrt(variance + node.epsilon), indices];
}
const normalizing = {
  forward(node, xs) {
    const { gamma, beta } = node.arrays, x = xs[0].data, z = new Float32Array(x.length).fill(NaN);
    for (let at = 0; at < z.length; at++) {
      if (!Number.isNaN(z[at])) continue;
      const [mean, deviation, indices] = normalizedWith(node, xs, at);
      for (const i of indices) {
        z[i] = ((x[i] - mean) / deviation) * (gamma ? ofChannel(gamma, i) : 1);
        z[i] += beta ? ofChannel(beta, i) : 0;
      }
    }
    return z;
  },
  terms(node, xs, y, at, visit) {
    const { gamma } = node.arrays, x = xs[0].data;
    const [mean, deviation, indices] = normalizedWith(node, xs, at), n = indices.length;
    const scale = (gamma ? ofChannel(gamma, at) : 1) / deviation, here = (x[at] - mean) / deviation;
    for (const i of indices) {
      visit(0, i, scale * ((i === at ? 1 : 0) - (1 + (here * (x[i] - mean)) / deviation) / n));
    }
  },
};

const same = { forward: (node, xs) => xs[0].data, terms: (node, xs, y, at, visit) => visit(0, at, 1) };
const prelu = {
  terms(node, xs, y, at, visit) {
    visit(0, at, xs[0].data[at] > 0 ? 1 : node.arrays.alpha.data[at]);
  },
};

/** The number of an input that meets an output, as shapes broadcast. */
function broadcastIndex(shape, input, at) {
  let index = 0, step = 1, rest = at;
  for (let axis = shape.length - 1, i = input.length - 1; axis >= 0; axis--, i--) {
    const place = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
    if (i >= 0) {
      index += (input[i] === 1 ? 0 : place) * step;
      step *= input[i];
    }
  }
  return index;
}

/** A merging layer, given the weight of an input: (input, values of all, node) -> dy/dx. */
const merging = (weight) => ({
  terms(node, xs, y, at, visit) {
    const indices = xs.map((x) => broadcastIndex(node.shape, x.shape, at));
    const values = indices.map((i, input) => xs[input].data[i]);
    indices.forEach((i, input) => visit(input, i, weight(input, values, node)));
  },
});
const product = (values) => values.reduce((a, b) => a * b, 1);
const multiply = {
  ...merging((input, values) => product(values.filter((_, i) => i !== input))),
  forward(node, xs) {
    const z = new Float32Array(sizeOf(node.shape));
    return z.map((_, at) => product(xs.map((x) => x.data[broadcastIndex(node.shape, x.shape, at)])));
  },
};

const concatenate = {
  forward(node, xs) {
    const z = new Float32Array(sizeOf(node.shape)), all = node.shape[node.axis] * node.inner;
    let before = 0;
    for (const x of xs) {
      const length = x.shape[node.axis] * node.inner;
      for (let i = 0, at = before; at < z.length; i += length, at += all) {
        z.set(x.data.subarray(i, i + length), at);
      }
      before += length;
    }
    return z;
  },
  terms(node, xs, y, at, visit) {
    const { inner } = node, all = node.shape[node.axis] * inner;
    let place = at % all, input = 0;
    while (place >= xs[input].shape[node.axis] * inner) place -= xs[input++].shape[node.axis] * inner;
    visit(input, Math.floor(at / all) * xs[input].shape[node.axis] * inner + place, 1);
  },
};

/** Rows and columns put around an image, or cut off it where `before` is negative. */
const shifted = {
  terms(node, xs, y, at, visit) {
    const [height, width, channels] = xs[0].shape, [row, column, c] = placeOf(node.shape, at);
    const h = row - node.before[0], w = column - node.before[1];
    if (h >= 0 && h < height && w >= 0 && w < width) visit(0, (h * width + w) * channels + c, 1);
  },
};

/** [index, weight] of the pixels along an axis that a pixel of the larger image is made of. */
function between(place, factor, n, bilinear) {
  if (!bilinear) return [[Math.floor(place / factor), 1]];
  const at = (place + 0.5) / factor - 0.5, low = Math.floor(at), part = at - low;
  const inside = (i) => Math.min(Math.max(i, 0), n - 1);
  return [[inside(low), 1 - part], [inside(low + 1), part]].filter(([, weight]) => weight > 0);
}
const upsampling = {
  terms(node, xs, y, at, visit) {
    const [height, width, channels] = xs[0].shape, [row, column, c] = placeOf(node.shape, at);
    for (const [h, down] of between(row, node.factors[0], height, node.bilinear)) {
      for (const [w, across] of between(column, node.factors[1], width, node.bilinear)) {
        visit(0, (h * width + w) * channels + c, down * across);
      }
    }
  },
};

const permute = {
  terms(node, xs, y, at, visit) {
    let index = 0, rest = at;
    for (let axis = node.shape.length - 1; axis >= 0; axis--) {
      const place = rest % node.shape[axis];
      rest = Math.floor(rest / node.shape[axis]);
      index += place * sizeOf(xs[0].shape.slice(node.dims[axis] + 1));
    }
    visit(0, index, 1);
  },
};

const firstBest = (better) => (input, values) => {
  const best = values.reduce((a, b) => better(a, b));
  return values.indexOf(best) === input ? 1 : 0;
};
const LAYERS = {
  conv2d, depthwise, conv2d_transpose, max_pool, avg_pool, global_avg_pool, global_max_pool, dense,
  batchnorm, rescaling, layernorm: normalizing, groupnorm: normalizing, activation: same, prelu, multiply,
  concatenate, shifted, upsampling, same, permute,
  add: merging(() => 1),
  subtract: merging((input) => (input ? -1 : 1)),
  average: merging((input, values) => 1 / values.length),
  scaled_add: merging((input, values, node) => (input ? node.scale : 1)),
  maximum: merging(firstBest(Math.max)),
  minimum: merging(firstBest(Math.min)),
};
