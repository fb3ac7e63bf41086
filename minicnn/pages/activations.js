"use strict";
// Activation functions and their derivatives, by minicnn's names: [f(x), f'(x, y)].

const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const hardSigmoid = (x) => Math.min(Math.max(x + 3, 0), 6) / 6;
const polynomial = (x, coefficients) => coefficients.reduce((y, c) => y * x + c, 0);

/** The error function; the polynomials are those of Cephes' ndtr.c, as in minicnn.activations. */
function erf(x) {
  const size = Math.min(Math.abs(x), 6), square = size * size;
  const small = (size * polynomial(square, [
    9.60497373987051638749, 90.0260197203842689217, 2232.00534594684319226,
    7003.32514112805075473, 55592.3013010394962768,
  ])) / polynomial(square, [
    1, 33.5617141647503099647, 521.357949780152679795, 4594.32382970980127987,
    22629.0000613890934246, 49267.3942608635921086,
  ]);
  const large = 1 - (Math.exp(-square) * polynomial(size, [
    2.46196981473530512524e-10, 0.564189564831068821977, 7.46321056442269912687,
    48.6371970985681366614, 196.520832956077098242, 526.445194995477358631,
    934.52852717195760754, 1027.55188689515710272, 557.535335369399327526,
  ])) / polynomial(size, [
    1, 13.2281951154744992508, 86.7072140885989742329, 354.937778887819891062,
    975.708501743205489753, 1823.90916687909736289, 2246.33760818710981792,
    1656.66309194161350182, 557.535340817727675546,
  ]);
  return Math.sign(x) * (size < 1 ? small : large);
}
const normal = (x) => 0.5 * (1 + erf(x / Math.SQRT2));

const ELU = (alpha) => [
  (x) => (x > 0 ? x : alpha * Math.expm1(x)),
  (x, y) => (x > 0 ? 1 : y + alpha),
];
const LEAKY = (slope) => [(x) => (x > 0 ? x : slope * x), (x) => (x > 0 ? 1 : slope)];
const SELU = 1.0507009873554805, SELU_ELU = ELU(1.6732632423543772);
const SILU = [(x) => x * sigmoid(x), (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x)))];
const HARD_SILU = [
  (x) => x * hardSigmoid(x),
  (x) => hardSigmoid(x) + (Math.abs(x) < 3 ? x / 6 : 0),
];
const ACTIVATIONS = {
  linear: [(x) => x, () => 1],
  relu: [(x) => Math.max(x, 0), (x) => (x > 0 ? 1 : 0)],
  relu6: [(x) => Math.min(Math.max(x, 0), 6), (x) => (x > 0 && x < 6 ? 1 : 0)],
  leaky_relu: LEAKY(0.2),
  elu: ELU(1),
  selu: [(x) => SELU * SELU_ELU[0](x), (x) => SELU * SELU_ELU[1](x, SELU_ELU[0](x))],
  exponential: [Math.exp, (x, y) => y],
  gelu: [
    (x) => x * normal(x),
    (x) => normal(x) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI),
  ],
  silu: SILU,
  swish: SILU,
  mish: [
    (x) => x * Math.tanh(softplus(x)),
    (x) => {
      const t = Math.tanh(softplus(x));
      return t + x * sigmoid(x) * (1 - t * t);
    },
  ],
  softplus: [softplus, sigmoid],
  softsign: [(x) => x / (1 + Math.abs(x)), (x) => (1 + Math.abs(x)) ** -2],
  sigmoid: [sigmoid, (x, y) => y * (1 - y)],
  hard_sigmoid: [hardSigmoid, (x) => (Math.abs(x) < 3 ? 1 / 6 : 0)],
  hard_silu: HARD_SILU,
  hard_swish: HARD_SILU,
  tanh: [Math.tanh, (x, y) => 1 - y * y],
};

/** [f, f'] of a node's activation; of those with arguments they stand in the node. */
function activationOf(node) {
  if (node.activation === "relu_bent") {
    const { slope, threshold } = node, most = node.most ?? Infinity;
    return [
      (x) => Math.min(x > threshold ? x : slope * (x - threshold), most),
      (x) => (x > threshold ? (x < most ? 1 : 0) : slope),
    ];
  }
  if (node.activation === "leaky") return LEAKY(node.slope);
  if (node.activation === "elu_alpha") return ELU(node.alpha);
  return ACTIVATIONS[node.activation ?? "linear"];
}

const isSoftmax = (name) => name === "softmax" || name === "log_softmax";

/** Softmax (or its logarithm) of the rows of so many numbers. */
function softmaxRows(z, channels, logarithm) {
  const y = new Float32Array(z.length);
  for (let start = 0; start < z.length; start += channels) {
    let most = -Infinity, sum = 0;
    for (let i = start; i < start + channels; i++) most = Math.max(most, z[i]);
    for (let i = start; i < start + channels; i++) sum += Math.exp(z[i] - most);
    for (let i = start; i < start + channels; i++) {
      y[i] = logarithm ? z[i] - most - Math.log(sum) : Math.exp(z[i] - most) / sum;
    }
  }
  return y;
}

function activated(node, z) {
  if (!node.activation || node.activation === "linear") return z;
  if (isSoftmax(node.activation)) {
    return softmaxRows(z, node.shape[node.shape.length - 1], node.activation !== "softmax");
  }
  const f = activationOf(node)[0];
  return z.map((x) => f(x));
}

/** The gradient before the activation from the one behind it. */
function backThroughActivation(node, z, y, dy) {
  if (!node.activation || node.activation === "linear") return dy;
  const dz = new Float64Array(dy.length);
  if (!isSoftmax(node.activation)) {
    const slope = activationOf(node)[1];
    for (let i = 0; i < dz.length; i++) dz[i] = dy[i] * slope(z[i], y[i]);
    return dz;
  }
  const channels = node.shape[node.shape.length - 1], plain = node.activation === "softmax";
  for (let start = 0; start < dz.length; start += channels) {
    let sum = 0;
    for (let i = start; i < start + channels; i++) sum += plain ? dy[i] * y[i] : dy[i];
    for (let i = start; i < start + channels; i++) {
      dz[i] = plain ? y[i] * (dy[i] - sum) : dy[i] - Math.exp(y[i]) * sum;
    }
  }
  return dz;
}
