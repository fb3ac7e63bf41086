"use strict";
// The panel that explains a number: the window on two maps, the numbers, the way back.

const network = loaded(JSON.parse(document.getElementById("data").textContent));
const page = { network, values: [], trail: [] };
const at = (id) => document.getElementById(id);
const calm = window.matchMedia("(prefers-reduced-motion: reduce)"), STEP = 140;
let timer = null, opener = null;

/** Show how a number came about, the first on a new way back to the picture. */
function openPanel(number, index, from, moving = false) {
  opener = from;
  page.trail = [];
  go(number, index, moving);
}

function go(number, index, moving = false) {
  page.trail.push([number, index]);
  show(moving);
}

function closePanel() {
  stopWindow();
  at("panel").classList.remove("open");
  document.body.classList.remove("explaining");
  page.trail = [];
  at("trail").replaceChildren();
  at("view").replaceChildren(make("p", { text: "Choose a map of a layer, or a number of the answer." }));
  if (opener?.isConnected) opener.focus();
  opener = null;
}

function showTrail() {
  const steps = page.trail.map(([number, index], i) => {
    const text = `${nameOf(page, number)}, ${placeName(page, number, index)}`;
    const last = i === page.trail.length - 1;
    return make("li", {}, button(text, () => {
      page.trail.length = i + 1;
      show(false);
    }, last ? { "aria-current": "step" } : {}));
  });
  const list = make("ol", {}, ...steps);
  at("trail").replaceChildren(list);
  list.scrollLeft = list.scrollWidth;
}

/** The panel for the last place of the trail: where its window lies, and its numbers. */
function show(moving) {
  stopWindow();
  const [number, index] = page.trail.at(-1);
  at("panel").classList.add("open");
  document.body.classList.add("explaining");
  at("panel-title").textContent = number ? `How ${nameOf(page, number)} comes about` : "The picture";
  const view = new View(number, index);
  at("view").replaceChildren(...view.elements);
  at("panel").scrollTop = 0;
  at("panel").scrollIntoView({ block: "nearest" });
  at("panel-title").focus({ preventScroll: true });
  const plays = moving && !calm.matches && view.output && view.from !== null;
  if (plays) view.play();
  else view.explain();
}

function stopWindow() {
  clearInterval(timer);
  timer = null;
  const play = at("play");
  if (play) play.textContent = "Let the window move";
}

/** An output map beside what it is made of, with the window on both. */
class View {
  constructor(number, index) {
    Object.assign(this, { number, index, value: page.values[number] });
    this.size = imageOf(this.value.shape);
    const node = number ? nodeOf(page, number) : null;
    const known = node && node.op !== "unknown" && node.reads.every((i) => page.values[i] && !page.values[i].partly);
    this.from = known ? node.reads[0] : null;
    this.numbers = make("div", { class: "numbers" });
    this.elements = [this.maps(), this.controls(), this.numbers].filter(Boolean);
  }

  /** The two maps, as far as they are maps. */
  maps() {
    const pair = make("div", { class: "pair" });
    const source = this.from === null ? null : page.values[this.from];
    if (source && imageOf(source.shape)[0] * imageOf(source.shape)[1] > 1) {
      this.input = make("canvas", { role: "img", click: (event) => this.goBack(event) });
      this.inputText = make("figcaption");
      pair.append(make("figure", {}, this.input, this.inputText));
    }
    if (this.size[0] * this.size[1] > 1) {
      this.output = make("canvas", {
        role: "application", tabindex: "0",
        "aria-label": "This map. The arrow keys move the pixel, Enter says how it comes about.",
        click: (event) => this.move(...pixelUnder(event, this.output, this.size)),
        keydown: (event) => this.key(event),
      });
      this.outputText = make("figcaption");
      pair.append(make("figure", {}, this.output, this.outputText));
    }
    return pair.children.length ? pair : null;
  }

  controls() {
    if (!this.output) return null;
    const field = (name, most, change) => {
      const input = make("input", { type: "number", min: 0, max: most - 1, change: () => {
        const wanted = Math.round(Number(input.value) || 0);
        change(Math.min(Math.max(wanted, 0), most - 1));
      } });
      this[name] = input;
      return make("label", { text: `${name} ` }, input);
    };
    const [height, width, channels] = this.size;
    const parts = [
      field("row", height, (row) => this.move(row, this.place()[1])),
      field("column", width, (column) => this.move(this.place()[0], column)),
      field("map", channels, (channel) => this.move(...this.place().slice(0, 2), channel)),
    ];
    if (this.from !== null) {
      parts.unshift(button("Let the window move", () => (timer ? this.explain() : this.play()), { id: "play" }));
    }
    return make("div", { class: "controls" }, ...parts);
  }

  place() {
    return placeOf(this.value.shape, this.index);
  }

  move(row, column, channel = this.place()[2]) {
    const [height, width, channels] = this.size;
    const inside = (i, n) => Math.min(Math.max(i, 0), n - 1);
    this.index = (inside(row, height) * width + inside(column, width)) * channels + channel;
    page.trail[page.trail.length - 1] = [this.number, this.index];
    this.explain();
  }

  key(event) {
    const [row, column] = this.place();
    const to = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1], Home: [row, 0], End: [row, this.size[1] - 1], Enter: [row, column],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    this.move(...to);
  }

  /** To the pixel of the input that was clicked. */
  goBack(event) {
    const size = imageOf(page.values[this.from].shape);
    const [row, column] = pixelUnder(event, this.input, size);
    go(this.from, (row * size[1] + column) * size[2] + this.channel);
  }

  /** The window where it is now, on both maps. */
  draw() {
    const [row, column, channel] = this.place();
    if (this.output) {
      paint(this.output, mapPixels(this.value, channel), [[row, column, row + 1, column + 1]]);
      if (!this.number) paint(this.output, picturePixels(this.value), [[row, column, row + 1, column + 1]]);
      this.outputText.textContent = `${nameOf(page, this.number)}, ${channelName(page, this.number, channel)}`;
      Object.assign(this.row, { value: row });
      Object.assign(this.column, { value: column });
      Object.assign(this.map, { value: channel });
    }
    if (!this.input) return;
    const terms = termsOf(page, this.number, this.index);
    const most = terms.reduce((a, b) => (a && Math.abs(a.product) >= Math.abs(b.product) ? a : b), null);
    if (most) this.from = most.number;
    const source = page.values[this.from];
    this.channel = most ? placeOf(source.shape, most.index)[2] : 0;
    const box = [Infinity, Infinity, 0, 0];
    for (const term of terms.filter((one) => one.number === this.from)) {
      const [h, w] = placeOf(source.shape, term.index);
      box[0] = Math.min(box[0], h);
      box[1] = Math.min(box[1], w);
      box[2] = Math.max(box[2], h + 1);
      box[3] = Math.max(box[3], w + 1);
    }
    const asPicture = this.from === 0;
    paint(this.input, asPicture ? picturePixels(source) : mapPixels(source, this.channel), box[2] ? [box] : []);
    const name = asPicture ? "" : `, ${channelName(page, this.from, this.channel)}`;
    this.inputText.textContent = `${nameOf(page, this.from)}${name}`;
    this.input.setAttribute("aria-label", `${nameOf(page, this.from)}${name}; the window covers rows ${box[0]} to ${box[2] - 1}, columns ${box[1]} to ${box[3] - 1}`);
  }

  explain() {
    stopWindow();
    this.draw();
    showTrail();
    const { head, said, shown } = explained(page, this.number, this.index, go);
    this.numbers.replaceChildren(make("p", { class: "head", text: head }), ...shown);
    at("said").textContent = said;
  }

  play() {
    stopWindow();
    at("play").textContent = "Stop the window";
    this.draw();
    showTrail();
    const line = formula("");
    this.numbers.replaceChildren(line);
    const step = () => {
      const channels = this.size[2], all = this.value.data.length;
      this.index = (this.index + channels) % all;
      page.trail[page.trail.length - 1] = [this.number, this.index];
      this.draw();
      line.textContent = `${placeName(page, this.number, this.index)}: ${figure(this.value.data[this.index])}`;
    };
    timer = setInterval(step, STEP);
  }
}
