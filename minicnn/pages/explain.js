"use strict";
// The page itself: pictures, answer and layers.

const FIRST = 16;

// The picture ---------------------------------------------------------------------------------

function pictureButton(entry) {
  const canvas = canvasOf(picturePixels(entry.picture));
  const label = make("span", { text: entry.name });
  return make("button", { type: "button", class: "map", "aria-pressed": "false", click: () => choose(entry) }, canvas, label);
}

/** Compute everything for a picture, and show it. */
function choose(entry) {
  closePanel();
  network.pictures.forEach((one, i) =>
    at("pictures").children[i].setAttribute("aria-pressed", String(one === entry)));
  at("status").textContent = "Computing\u2026";
  setTimeout(() => {
    const start = performance.now();
    page.entry = entry;
    page.values = forward(network, entry.picture, entry.given);
    showAnswer();
    showLayers();
    const time = Math.round(performance.now() - start);
    at("status").textContent = `${entry.name}: computed in ${time} ms.`;
  }, 20);
}

async function take(file) {
  try {
    const bitmap = await createImageBitmap(file), scale = Math.min(1, 1500 / Math.max(bitmap.width, bitmap.height));
    const size = [bitmap.width, bitmap.height].map((n) => Math.max(1, Math.round(n * scale)));
    const context = make("canvas", { width: size[0], height: size[1] }).getContext("2d");
    context.drawImage(bitmap, 0, 0, ...size);
    const { data } = context.getImageData(0, 0, ...size);
    const entry = { name: file.name, picture: resized(data, ...size, network.input, network.own), given: {} };
    network.pictures.push(entry);
    at("pictures").append(pictureButton(entry));
    choose(entry);
  } catch {
    at("status").textContent = `${file.name}: not a picture that this browser can read.`;
  }
}

function takePictures() {
  for (const entry of network.pictures) at("pictures").append(pictureButton(entry));
  if (network.own === null) {
    at("own").textContent = "This page cannot take other pictures.";
    return;
  }
  at("file").addEventListener("change", (event) => [...event.target.files].forEach(take));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    [...event.dataTransfer.files].forEach(take);
  });
}

// The answer ----------------------------------------------------------------------------------

const className = (i) => network.classes[i] || `class ${i}`;

/** The scores and the probabilities of classes, if the network gives them. */
function scored() {
  const output = page.values[network.output], { number, before } = scoresOf(network);
  const from = page.values[number];
  if (!output || output.partly) return null;
  const z = (from && (before ? from.z : from.data)) ?? null, channels = output.shape[output.shape.length - 1];
  let y = output.data;
  if (network.softmax === "softmax") y = softmaxRows(y, channels, false);
  if (network.softmax === "sigmoid") y = y.map(sigmoid);
  return { z, y, channels, number, before };
}

function showAnswer() {
  const found = scored();
  at("scores").replaceChildren();
  at("why").hidden = !found || network.precision === "maps";
  if (!found) {
    at("scores").append(make("p", { text: "The answer for this picture is not known: it has a layer that only NumPy computes." }));
    return;
  }
  const { y, channels } = found;
  const rows = Array.from({ length: y.length / channels }, (_, i) => y.subarray(i * channels, (i + 1) * channels));
  const many = Math.max(channels, 2), counts = new Array(many).fill(0);
  for (const row of rows) counts[bestOf(row)]++;
  at("scores").append(rows.length === 1 ? scoreTable(found) : pixelTable(found, counts));
  at("class").replaceChildren(...Array.from({ length: many }, (_, i) =>
    make("option", { value: i, text: className(i) })));
  at("class").value = counts.indexOf(Math.max(...counts));
  showCam();
}

const probability = (y) => {
  const bar = make("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--part", Math.max(0, Math.min(y, 1)));
  return make("span", { class: "probability" }, bar, figure(y));
};

/** The logits, their exponentials and the softmax, or what the network gives instead. */
function scoreTable({ z, y, channels }) {
  const order = Array.from(y, (_, i) => i).sort((a, b) => y[b] - y[a]);
  const row = order.slice(0, 12), named = z !== null && channels > 1;
  const most = named ? Math.max(...z) : 0;
  const sum = named ? z.reduce((total, value) => total + Math.exp(value - most), 0) : 1;
  const node = network.nodes[network.output - 1];
  const softmax = named && (node.activation === "softmax" || network.softmax === "softmax");
  const numbers = (i) => button(figure((z ?? y)[i]), (event) => openPanel(network.output, i, event.target), {
    class: "number", "aria-label": `${className(i)}: how ${figure((z ?? y)[i])} comes about`,
  });
  const rows = row.map((i) => [channels === 1 ? className(1) : className(i), numbers(i),
    ...(softmax ? [figure(Math.exp(z[i] - most))] : []), probability(y[i])]);
  const head = softmax
    ? ["class", "logit z", "exp(z \u2212 largest)", "softmax"]
    : ["class", z && z !== y ? "logit z" : "number", "answer"];
  const made = make("div", {}, table(head, rows));
  if (softmax) {
    made.prepend(make("p", { text: `softmax = exp(z \u2212 ${figure(most)}) / ${figure(sum)}, the sum of all ${channels}` }));
  }
  const best = bestOf(y), one = best ? y[0] : 1 - y[0], sure = channels === 1 ? one : y[best];
  const says = channels > 1 || [node.activation, network.softmax].includes("sigmoid")
    ? [make("strong", { text: className(best) }), ` (${figure(sure)})`]
    : [make("strong", { text: figure(y[0]) })];
  made.prepend(make("p", { class: "said" }, "The network says ", ...says));
  return made;
}

/** Of a network with a class for each pixel: how many each class has. */
function pixelTable({ y, channels }, counts) {
  const output = { shape: page.values[network.output].shape, data: y };
  const canvas = make("canvas", { role: "img", "aria-label": "The class of each pixel" });
  paint(canvas, classPixels(output));
  const key = (i) => {
    const mark = make("span", { class: "mark", "aria-hidden": "true" });
    mark.style.backgroundColor = `rgb(${COLOURS[i % COLOURS.length]})`;
    return make("span", {}, mark, className(i));
  };
  const all = y.length / channels, rows = counts.map((n, i) => [key(i), String(n), `${((100 * n) / all).toFixed(1)} %`]);
  return make("div", { class: "answer" }, canvas, table(["class", "pixels", "part"], rows));
}

/**
 * The layers whose maps Grad-CAM can weigh. It begins with what the last convolution (of a network
 * that becomes wide again, the narrowest) gives to the next after normalization and activation.
 */
function takeTargets() {
  const { number: scores } = scoresOf(network);
  let best = 0, least = Infinity;
  network.nodes.forEach((node, i) => {
    const number = i + 1, pixels = node.shape.length === 3 ? node.shape[0] * node.shape[1] : 0;
    if (pixels < 2 || number >= scores) return;
    at("target").append(make("option", { value: number, text: `${number}. ${node.name}` }));
    if (["conv2d", "depthwise"].includes(node.op) && pixels <= least) [best, least] = [number, pixels];
  });
  const follows = (node) => ["batchnorm", "activation", "prelu", "add"].includes(node.op) && node.reads.includes(best);
  while (best && best + 1 < scores && follows(network.nodes[best])) best++;
  if (best) at("target").value = best;
  for (const id of ["class", "target"]) at(id).addEventListener("change", showCam);
}

function showCam() {
  const target = Number(at("target").value), picked = Number(at("class").value), canvas = at("cam");
  const cam = page.values[target] && scored()?.z ? gradCam(network, page.values, picked, target) : null;
  paint(canvas, picturePixels(page.entry.picture));
  if (!cam) {
    at("cam-text").textContent = "Not known here: a layer on the way is computed by NumPy alone.";
    return;
  }
  const [height, width] = cam.shape, [, most] = extremes(cam.data), heat = new ImageData(width, height);
  cam.data.forEach((value, i) => heat.data.set([255, 120, 0, most ? 190 * (value / most) : 0], 4 * i));
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = true;
  context.drawImage(canvasOf(heat), 0, 0, canvas.width, canvas.height);
  const where = cam.data.indexOf(most), row = Math.floor(where / width), column = where % width;
  const text = most
    ? `What speaks for ${className(picked)} is orange; most at row ${row} of ${height}, column ${column} of ${width} of the maps of ${nameOf(page, target)}.`
    : `No part of the maps of ${nameOf(page, target)} speaks for ${className(picked)}.`;
  at("cam-text").textContent = text;
  canvas.setAttribute("aria-label", text);
}

// The layers ----------------------------------------------------------------------------------

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting || !entry.target.fill) continue;
    entry.target.fill();
    entry.target.fill = null;
    seen.unobserve(entry.target);
  }
}, { rootMargin: "400px" });

function showLayers() {
  const sections = network.nodes.map((node, i) => layerSection(node, i + 1));
  at("layers").replaceChildren(...sections);
}

function layerSection(node, number) {
  const reads = node.reads.map((i) => nameOf(page, i)).join(" and ");
  const maps = make("div", { class: "maps" });
  const section = make("section", { "aria-labelledby": `layer-${number}` },
    make("h3", { id: `layer-${number}`, text: `${number}. ${node.name}` }),
    make("p", { class: "facts", text: `${node.kind}, ${node.shape.join(" \u00d7 ")}, reads ${reads}` }), maps);
  const value = page.values[number];
  if (node.op === "unknown" && network.precision !== "maps") {
    maps.before(make("p", { class: "note", text: "This page does not know this layer: the numbers are NumPy's." }));
  }
  if (!value) {
    maps.append(make("p", { text: "Not known for this picture: NumPy computed it for the pictures that came with the page." }));
    return section;
  }
  maps.fill = () => addMaps(maps, number, 0, FIRST);
  seen.observe(maps);
  return section;
}

/** The maps of a layer, or its numbers, from one on; a button shows all. */
function addMaps(maps, number, first, end) {
  const value = page.values[number], channels = value.shape[value.shape.length - 1];
  const order = Array.from({ length: channels }, (_, i) => i);
  if (value.shape.length === 1 && channels > FIRST) order.sort((a, b) => Math.abs(value.data[b]) - Math.abs(value.data[a]));
  for (const channel of order.slice(first, end)) {
    maps.append(value.shape.length === 1 ? numberButton(number, channel) : mapButton(number, channel));
  }
  if (channels > end) {
    const what = value.shape.length === 1 ? "numbers, the largest first" : "maps";
    const more = button(`All ${channels} ${what}`, () => {
      more.remove();
      addMaps(maps, number, end, Infinity);
      maps.children[end].focus();
    });
    maps.append(more);
  }
  const all = network.nodes[number - 1].shape.at(-1);
  if (all > channels && end >= channels) maps.append(make("p", { text: `Maps ${channels} to ${all - 1} did not fit on this page.` }));
}

function mapButton(number, channel) {
  const value = page.values[number], name = channelName(page, number, channel);
  const canvas = canvasOf(mapPixels(value, channel));
  return make("button", {
    type: "button", class: "map", "aria-label": `${name} of ${nameOf(page, number)}`,
    click: (event) => openPanel(number, channel, event.currentTarget, true),
  }, canvas, make("span", { text: name.replace("map ", "") }));
}

function numberButton(number, channel) {
  const value = page.values[number].data[channel], name = channelName(page, number, channel);
  const made = button(figure(value), (event) => openPanel(number, channel, event.currentTarget), {
    class: "number", "aria-label": `${name} of ${nameOf(page, number)}: ${figure(value)}`, title: name,
  });
  page.values[number].limit ??= Math.max(...extremes(page.values[number].data).map(Math.abs)) || 1;
  shade(made, value / page.values[number].limit);
  return made;
}

// The beginning -------------------------------------------------------------------------------

const PRECISIONS = {
  float32: [],
  float16: ["The kernels are rounded to half precision (float16), so that the page stays below 5 MB: numbers differ from the model's in the fourth digit."],
  maps: ["This network is too large for a page below 5 MB: the page has maps that NumPy computed, in half precision, and no kernels."],
};

function begin() {
  at("name").textContent = network.name;
  const count = network.parameters.toLocaleString("en");
  at("facts").textContent = `${network.nodes.length} layers, ${count} parameters, for pictures of ${network.input.join(" \u00d7 ")}. This page computes the network itself, here in your browser.`;
  if (network.precision === "maps") at("facts").textContent = at("facts").textContent.split(". ")[0] + ".";
  at("notes").append(...PRECISIONS[network.precision].map((text) => make("li", { text })));
  if (!at("notes").children.length) at("notes").remove();
  takePictures();
  takeTargets();
  at("close").addEventListener("click", closePanel);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closePanel();
  });
  choose(network.pictures[0]);
}

begin();
