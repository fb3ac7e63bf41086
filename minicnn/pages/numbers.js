"use strict";
// How one number came about, as elements and as sentences.
//
// `page` is {network, values}, `go(number, at)` shows another number, so that one gets back to the
// picture step by step.

const MOST_TERMS = 16, MOST_BLOCKS = 3;

const nodeOf = (page, number) => page.network.nodes[number - 1];
const nameOf = (page, number) => (number ? nodeOf(page, number).name : "picture");

/** The name of a map of a layer, or of a number of a row. */
function channelName(page, number, channel) {
  const { shape } = page.values[number] ?? nodeOf(page, number);
  if (!number && shape[2] === 3) return ["red", "green", "blue"][channel];
  if (number === page.network.output) return page.network.classes[channel] || `class ${channel}`;
  return shape.length === 3 ? `map ${channel}` : `number ${channel}`;
}

function placeName(page, number, at) {
  const { shape } = page.values[number], [row, column, channel] = placeOf(shape, at);
  const name = channelName(page, number, channel);
  if (shape.length === 1) return name;
  return shape.length === 2 ? `row ${row}, ${name}` : `row ${row}, column ${column}, ${name}`;
}

/** A button with a number that leads to how that one came about. */
function link(page, number, at, go, text) {
  const shown = text ?? figure(page.values[number].data[at]), place = placeName(page, number, at);
  return button(shown, () => go(number, at), {
    class: "number",
    "aria-label": shown.includes(place) ? null : `${nameOf(page, number)}, ${place}: ${shown}`,
  });
}

function termsOf(page, number, at) {
  const node = nodeOf(page, number), xs = node.reads.map((i) => page.values[i]), terms = [];
  LAYERS[node.op].terms(node, xs, page.values[number], at, (input, index, weight) => {
    const x = xs[input].data[index];
    terms.push({ number: node.reads[input], index, weight, x, product: x * weight });
  });
  return terms;
}

function table(head, rows, attributes = {}) {
  const headRow = make("tr", {}, ...head.map((text) => make("th", { scope: "col", text })));
  const body = rows.map((row) =>
    make("tr", {}, ...row.map((cell) => make("td", {}, ...(cell === null ? [] : [cell])))));
  const inside = make("table", attributes, make("thead", {}, headRow), make("tbody", {}, ...body));
  return make("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": head.join(", ") }, inside);
}

const formula = (...parts) => make("p", { class: "formula" }, ...parts);

/** Small squares of numbers, one under another pixel by pixel. */
function grid(caption, rows, limit, cellOf) {
  const made = rows.map((row, i) =>
    make("tr", {}, ...row.map((value, j) => {
      const cell = cellOf(value, i, j);
      if (value !== null) shade(cell, value / limit);
      return make("td", {}, cell);
    })));
  return make("table", { class: "grid" }, make("caption", { text: caption }), make("tbody", {}, ...made));
}

/** What a window sees of one channel, times the kernel, and the products. */
function windowBlock(page, number, at, c, seen, go, chosen = -1) {
  const from = nodeOf(page, number).reads[0], { shape: [height, width, channels], data } = page.values[from];
  const index = (i, j) => {
    const h = seen.top + i * seen.down, w = seen.left + j * seen.across;
    const inside = h >= 0 && h < height && w >= 0 && w < width;
    return inside ? (h * width + w) * channels + seen.first + c : -1;
  };
  const each = (f) =>
    Array.from({ length: seen.rows }, (_, i) => Array.from({ length: seen.columns }, (_, j) => f(i, j)));
  const xs = each((i, j) => (index(i, j) < 0 ? 0 : data[index(i, j)]));
  const weights = each((i, j) => seen.weight(i, j, c));
  const products = each((i, j) => xs[i][j] * weights[i][j]);
  const most = (rows) => Math.max(...rows.flat().map(Math.abs)) || 1;
  const plain = (value) => make("span", { text: figure(value, 3) });
  const sum = products.flat().reduce((a, b) => a + b, 0);
  const cell = (value, i, j) => {
    if (index(i, j) < 0) return make("span", { text: "0", class: "padding", title: "padding" });
    const made = link(page, from, index(i, j), go, figure(data[index(i, j)], 3));
    made.classList.toggle("winner", index(i, j) === chosen);
    return made;
  };
  return {
    sum, xs,
    made: () => make("div", { class: "block" },
      make("h3", { class: "sum", text: `${channelName(page, from, seen.first + c)}: the products add up to ${figure(sum)}` }),
      make("div", { class: "grids" },
        grid("window", xs, most(xs), cell), make("span", { class: "sign", text: "\u00d7" }),
        grid("kernel", weights, most(weights), plain), make("span", { class: "sign", text: "=" }),
        grid("products", products, most(products), plain))),
    window: () => grid("window", xs, most(xs), cell),
  };
}

/** The blocks of all channels, the largest sums first; a button shows the rest. */
function windowBlocks(page, number, at, go) {
  const node = nodeOf(page, number), xs = node.reads.map((i) => page.values[i]);
  const seen = LAYERS[node.op].window(node, xs, at);
  const blocks = Array.from({ length: seen.channels }, (_, c) => windowBlock(page, number, at, c, seen, go));
  blocks.sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
  const shown = blocks.slice(0, MOST_BLOCKS).map((block) => block.made());
  const rest = blocks.slice(MOST_BLOCKS);
  if (rest.length) {
    const sum = rest.reduce((total, block) => total + block.sum, 0);
    const more = button(`The other ${rest.length} maps, which add up to ${figure(sum)}`, () =>
      more.replaceWith(...rest.map((block) => block.made())));
    shown.push(more);
  }
  return shown;
}

/** A row for each number that goes in, the largest products first. */
function termsTable(page, number, at, go) {
  const terms = termsOf(page, number, at).sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  const row = (term) => [
    `${nameOf(page, term.number)}, ${placeName(page, term.number, term.index)}`,
    link(page, term.number, term.index, go), figure(term.weight), figure(term.product),
  ];
  const rows = terms.slice(0, MOST_TERMS).map(row), rest = terms.slice(MOST_TERMS);
  if (rest.length) {
    const sum = rest.reduce((total, term) => total + term.product, 0);
    rows.push([`the other ${rest.length}`, null, null, figure(sum)]);
  }
  return table(["what goes in", "number", "\u00d7 weight", "= product"], rows);
}

/** Softmax with its numbers: the exponentials of a row, and their part of the sum. */
function softmaxTable(page, number, at, z, from, go) {
  const y = page.values[number], channels = y.shape[y.shape.length - 1];
  const start = Math.floor(at / channels) * channels, row = Array.from(z.subarray(start, start + channels));
  const most = Math.max(...row), powers = row.map((value) => Math.exp(value - most));
  const sum = powers.reduce((a, b) => a + b, 0), here = at - start;
  const order = row.map((_, i) => i).sort((a, b) => row[b] - row[a]).slice(0, MOST_TERMS);
  if (!order.includes(here)) order.push(here);
  const rows = order.map((i) => [
    channelName(page, number, i), from === null ? figure(row[i]) : link(page, from, start + i, go),
    figure(powers[i]), figure(powers[i] / sum),
  ]);
  return [
    formula(`softmax: exp(z \u2212 ${figure(most)}) / ${figure(sum)} = ${figure(powers[here])} / ${figure(sum)} = ${figure(powers[here] / sum)}`),
    table(["class", "z", "exp(z \u2212 largest)", "softmax"], rows),
  ];
}

/** What the activation makes of the sum z. */
function activationLines(page, number, at, go) {
  const node = nodeOf(page, number), value = page.values[number];
  if (!node.activation || node.activation === "linear") return [];
  if (isSoftmax(node.activation)) return softmaxTable(page, number, at, value.z, null, go);
  const name = ACTIVATION_NAMES[node.activation] ?? node.activation;
  return [formula(`${name}(${figure(value.z[at])}) = ${figure(value.data[at])}`)];
}
const ACTIVATION_NAMES = { relu_bent: "relu", leaky: "leaky_relu", elu_alpha: "elu" };

// One function for each kind of layer that is not simply a sum of products --------------------

const SPECIAL = {
  activation(page, number, at, go) {
    const node = nodeOf(page, number), from = node.reads[0];
    if (isSoftmax(node.activation)) return softmaxTable(page, number, at, page.values[number].z, from, go);
    const name = ACTIVATION_NAMES[node.activation] ?? node.activation;
    return [formula(`${name}( `, link(page, from, at, go), ` ) = ${figure(page.values[number].data[at])}`)];
  },
  max_pool(page, number, at, go) {
    const node = nodeOf(page, number), xs = [page.values[node.reads[0]]];
    const best = termsOf(page, number, at).find((term) => term.weight === 1);
    const block = windowBlock(page, number, at, 0, LAYERS.max_pool.window(node, xs, at), go, best.index);
    return [block.window(), formula("the largest is ", link(page, best.number, best.index, go),
      ` at ${placeName(page, best.number, best.index)}`)];
  },
  avg_pool(page, number, at, go) {
    const node = nodeOf(page, number), xs = [page.values[node.reads[0]]];
    const block = windowBlock(page, number, at, 0, LAYERS.avg_pool.window(node, xs, at), go);
    const n = termsOf(page, number, at).length;
    return [block.window(), formula(`their sum ${figure(block.sum)} / ${n} = ${figure(block.sum / n)}`)];
  },
  global_max_pool(page, number, at, go) {
    const best = termsOf(page, number, at).find((term) => term.weight === 1);
    return [formula("the largest of the whole map is ", link(page, best.number, best.index, go),
      ` at ${placeName(page, best.number, best.index)}`)];
  },
  batchnorm(page, number, at, go) {
    const node = nodeOf(page, number), c = channelOf(node, at), from = node.reads[0];
    const { gamma, beta, moving_mean: mean, moving_variance: variance } = node.arrays;
    const parts = [gamma ? figure(gamma.data[c]) : "1", figure(mean.data[c]),
      `\u221a(${figure(variance.data[c])} + ${node.epsilon})`, beta ? figure(beta.data[c]) : "0"];
    return [
      formula("gamma \u00d7 (x \u2212 mean) / \u221a(variance + epsilon) + beta"),
      formula(`${parts[0]} \u00d7 ( `, link(page, from, at, go),
        ` \u2212 ${parts[1]} ) / ${parts[2]} + ${parts[3]} = ${figure(page.values[number].data[at])}`),
    ];
  },
  normalized(page, number, at, go) {
    const node = nodeOf(page, number), from = node.reads[0], { gamma, beta } = node.arrays;
    const [mean, deviation, indices] = normalizedWith(node, [page.values[from]], at);
    const scale = gamma ? ofChannel(gamma, at) : 1, offset = beta ? ofChannel(beta, at) : 0;
    return [
      formula(`gamma \u00d7 (x \u2212 mean) / deviation + beta, over ${indices.length} numbers`),
      formula(`${figure(scale)} \u00d7 ( `, link(page, from, at, go),
        ` \u2212 ${figure(mean)} ) / ${figure(deviation)} + ${figure(offset)} = ${figure(page.values[number].data[at])}`),
    ];
  },
  multiply(page, number, at, go) {
    const links = termsOf(page, number, at).map((term) => link(page, term.number, term.index, go));
    const parts = links.flatMap((one, i) => (i ? [" \u00d7 ", one] : [one]));
    return [formula(...parts, ` = ${figure(page.values[number].data[at])}`)];
  },
  chosen(page, number, at, go) {
    const terms = termsOf(page, number, at);
    const links = terms.flatMap((term, i) => [i ? ", " : " ", link(page, term.number, term.index, go)]);
    return [formula(`the ${nodeOf(page, number).op} of`, ...links, ` is ${figure(page.values[number].data[at])}`)];
  },
  moved(page, number, at, go) {
    const [term] = termsOf(page, number, at);
    if (!term) return [formula("padding: 0")];
    return [formula("the same number as in ", link(page, term.number, term.index, go,
      `${nameOf(page, term.number)}, ${placeName(page, term.number, term.index)}`))];
  },
};
const KINDS = {
  ...SPECIAL,
  layernorm: SPECIAL.normalized, groupnorm: SPECIAL.normalized,
  maximum: SPECIAL.chosen, minimum: SPECIAL.chosen,
  same: SPECIAL.moved, concatenate: SPECIAL.moved, shifted: SPECIAL.moved, permute: SPECIAL.moved,
};

/** A sum of products, a bias and an activation: convolutions, Dense, Add and the like. */
function sumOf(page, number, at, go) {
  const node = nodeOf(page, number), layer = LAYERS[node.op], terms = termsOf(page, number, at);
  const bias = layer.bias ? layer.bias(node, at) : 0;
  const sum = terms.reduce((total, term) => total + term.product, 0);
  const inside = layer.window ? windowBlocks(page, number, at, go) : [termsTable(page, number, at, go)];
  const products = `sum of ${terms.length} product${terms.length === 1 ? "" : "s"}`;
  return [
    formula(bias ? `${products} ${figure(sum)} + bias ${figure(bias)} = ${figure(sum + bias)}` : `${products} = ${figure(sum)}`),
    ...activationLines(page, number, at, go),
    ...inside,
  ];
}

const UNKNOWN = {
  float32: "NumPy computed it: this page does not know the layer.",
  maps: "NumPy computed it: the kernels of this network do not fit on a page.",
};

/** How number `at` of the output of a node came about: {head, said, shown}. */
function explained(page, number, at, go) {
  const head = `${nameOf(page, number)}, ${placeName(page, number, at)} is ${figure(page.values[number].data[at])}`;
  const node = number ? nodeOf(page, number) : null;
  let shown;
  if (!node) shown = [formula("a number of the picture itself")];
  else if (node.op === "unknown") shown = [formula(UNKNOWN[page.network.precision] ?? UNKNOWN.float32)];
  else shown = (KINDS[node.op] ?? sumOf)(page, number, at, go);
  const formulas = shown.filter((one) => one.className === "formula").map((one) => one.textContent);
  return { head, said: [head, ...formulas].join(". "), shown };
}
