"use strict";
// Clicks through an explain page as a person would, and writes what it found into the page.
// It is put behind the page's own script, in a copy of the page.

const found = { errors: [], clicks: 0, worst: 0, ends: [], figures: 0, loaded: null };
window.addEventListener("error", (event) => found.errors.push(event.message));
window.addEventListener("unhandledrejection", (event) => found.errors.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) => found.errors.push(`policy: ${event.violatedDirective}`));

const wait = (time) => new Promise((done) => setTimeout(done, time));
const click = (element) => {
  found.clicks++;
  element.click();
};
const say = (message) => found.errors.push(message);

/** The browser's clock runs ahead of what it does beside the page, such as opening a picture. */
async function until(holds) {
  for (let i = 0; i < 40000; i++) {
    if (holds()) return;
    await wait(25);
  }
  say(`never: ${holds}`);
}
const ready = () => until(() => at("status").textContent.includes("computed in"));

const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;

/** All values of the first picture against NumPy's. */
function compare(wanted) {
  for (const [number, right] of Object.entries(wanted)) {
    const got = page.values[number].data, most = largest(right);
    if (got.length !== right.length) say(`${number}: ${got.length} numbers for ${right.length}`);
    right.forEach((value, i) => {
      const far = Math.abs(got[i] - value) / most;
      if (!(far <= found.worst)) found.worst = far;
    });
  }
}

/** What the panel says of the place it is at must be NumPy's number, to the digits shown. */
function checkFigure(wanted) {
  const [number, index] = page.trail.at(-1), right = number ? wanted[number]?.[index] : undefined;
  const text = document.querySelector("#view .head").textContent;
  const shown = Number(text.slice(text.lastIndexOf(" is ") + 4).replace(/\u2212/g, "-"));
  if (right === undefined) return;
  const most = largest(wanted[number]);
  found.figures++;
  if (!(Math.abs(shown - right) <= 1e-3 * Math.abs(right) + 1e-4 * most)) say(`${text}, but NumPy has ${right}`);
}

const mouse = (element, down, across) => {
  const box = element.getBoundingClientRect();
  found.clicks++;
  element.dispatchEvent(new MouseEvent("click", {
    bubbles: true, clientX: box.left + across * box.width, clientY: box.top + down * box.height,
  }));
};
const press = (element, key) => element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));

/** From a map, by its window, its pixel and its numbers, back to the picture. */
async function explore(map, wanted) {
  click(map);
  if (at("play")) {
    await wait(500);
    if (at("play").textContent === "Let the window move") say("the window does not move");
    click(at("play"));
  }
  checkFigure(wanted);
  const output = document.querySelector("#view canvas[role=application]");
  if (output) {
    mouse(output, 0.6, 0.4);
    checkFigure(wanted);
    for (const key of ["ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight", "Home", "End", "Enter"]) press(output, key);
    checkFigure(wanted);
    for (const field of document.querySelectorAll("#view input")) {
      field.value = 1;
      field.dispatchEvent(new Event("change"));
    }
    checkFigure(wanted);
  }
  const input = document.querySelector("#view canvas[role=img]");
  if (input) {
    mouse(input, 0.5, 0.5);
    checkFigure(wanted);
    click(document.querySelector("#trail button"));
  }
  for (let i = 0; i < network.nodes.length + 1; i++) {
    const back = document.querySelector("#view .numbers .number");
    if (!back) break;
    click(back);
    checkFigure(wanted);
  }
  found.ends.push(page.trail.at(-1)[0]);
  if (at("said").textContent === "") say("nothing is said");
  press(document.body, "Escape");
  if (at("panel").classList.contains("open")) say("Escape does not close the panel");
}

async function drop() {
  const canvas = make("canvas", { width: 50, height: 40 });
  canvas.getContext("2d").fillRect(10, 10, 20, 20);
  const blob = await new Promise((done) => canvas.toBlob(done)), before = network.pictures.length;
  const given = new DataTransfer();
  given.items.add(new File([blob], "mine <b>.png", { type: "image/png" }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: given, cancelable: true }));
  await until(() => network.pictures.length > before);
  await wait(50);
  await ready();
  if (!at("status").textContent.startsWith("mine <b>.png")) say("a dropped picture is not shown");
}

async function everything(wanted) {
  await ready();
  compare(wanted);
  for (const [i, section] of [...document.querySelectorAll("#layers section")].entries()) {
    const maps = section.querySelector(".maps");
    section.scrollIntoView();
    await until(() => maps.children.length);
    const more = [...maps.children].find((one) => one.textContent.startsWith("All "));
    if (more) click(more);
    const children = maps.querySelectorAll("button"), all = page.values[i + 1].shape.at(-1);
    if (children.length !== all) say(`${children.length} maps of ${all}`);
    await explore(children[0], wanted);
    await explore(children[all - 1], wanted);
  }
  for (const number of document.querySelectorAll("#scores .number")) await explore(number, wanted);
  for (const id of at("why").hidden ? [] : ["class", "target"]) {
    for (const option of [...at(id).options].slice(-3)) {
      at(id).value = option.value;
      at(id).dispatchEvent(new Event("change"));
      if (!at("cam-text").textContent.includes("speaks for")) say(at("cam-text").textContent);
    }
  }
  for (const picture of [...at("pictures").children].reverse()) {
    click(picture);
    await wait(50);
    await ready();
    if (picture.getAttribute("aria-pressed") !== "true") say("a picture is not chosen");
  }
  if (network.own !== null) await drop();
  found.loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
}

everything(JSON.parse(document.getElementById("wanted").textContent))
  .catch((error) => say(error.stack))
  .finally(() => document.body.append(make("pre", { id: "found", text: JSON.stringify(found) })));
