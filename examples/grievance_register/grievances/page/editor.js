// Boxes on a photograph, moved and resized by mouse, touch and keyboard. Coordinates are pixels of the photograph.

const SVG = "http://www.w3.org/2000/svg";
const CORNERS = { nw: [0, 1], ne: [2, 1], se: [2, 3], sw: [0, 3] }; // which coordinates a corner changes
const SMALLEST = 4;
const COLOURS = ["#e6194b", "#0082c8", "#f58231", "#3cb44b", "#911eb4", "#008080", "#f032e6", "#808000", "#aa6e28"];
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const rounded = (value) => Math.round(value * 100) / 100;

export function colourOf(label, classNames) {
  const place = classNames.indexOf(label);
  return COLOURS[(place < 0 ? classNames.length : place) % COLOURS.length];
}

export class BoxEditor {
  // `onChange(kind)` is called after each change: "box", "boxes" (one came or went) or "selection".
  constructor(svg, onChange) {
    this.svg = svg;
    this.onChange = onChange;
    this.show([], 1, 1, []);
    svg.addEventListener("pointerdown", (event) => this.#grab(event));
    svg.addEventListener("keydown", (event) => this.#press(event));
    svg.addEventListener("focusin", (event) => this.#choose(event));
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  show(detections, width, height, classNames) {
    this.letGo();
    this.detections = structuredClone(detections);
    [this.width, this.height, this.classNames] = [width, height, classNames];
    this.selected = -1;
    this.adding = false;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.draw();
  }

  // Ends a drag where it is.
  letGo() {
    this.dragging?.abort();
  }

  select(index) {
    if (index === this.selected) return;
    this.selected = index;
    this.draw();
    this.onChange("selection");
  }

  remove(index) {
    this.detections.splice(index, 1);
    this.selected = -1;
    this.draw();
    this.onChange("boxes");
  }

  rename(index, label) {
    this.detections[index].label = label;
    this.draw();
    this.onChange("box");
  }

  // Waits for a box to be drawn; by keyboard, the box in the middle is moved to where it belongs.
  startAdding() {
    this.adding = true;
    this.draw();
  }

  addInTheMiddle() {
    const [w, h] = [this.width, this.height];
    this.#add([w * 0.4, h * 0.4, w * 0.6, h * 0.6]);
    this.svg.querySelector(`[data-index="${this.selected}"]`).focus();
  }

  draw() {
    const unit = this.width / (this.svg.clientWidth || this.width); // photograph pixels in one of the screen
    const focused = this.svg.contains(document.activeElement);
    this.svg.classList.toggle("adding", this.adding);
    // The largest first: a small box inside of a large one stays within reach.
    const order = this.detections.map((_, index) => index).sort((a, b) => this.#area(b) - this.#area(a));
    this.svg.replaceChildren(...order.map((index) => this.#drawn(index, unit)));
    if (focused && this.selected >= 0) this.svg.querySelector(`[data-index="${this.selected}"]`)?.focus();
  }

  #area(index) {
    const [x0, y0, x1, y1] = this.detections[index].box;
    return (x1 - x0) * (y1 - y0);
  }

  #drawn(index, unit) {
    const { box, label } = this.detections[index];
    const [x0, y0, x1, y1] = box;
    const isSelected = index === this.selected;
    const colour = colourOf(label, this.classNames);
    const group = make("g", { "data-index": index, tabindex: 0, role: "button", class: isSelected ? "selected" : "" });
    group.setAttribute("aria-label", `${label}, ${box.map((value) => Math.round(value)).join(", ")}`);
    group.append(
      make("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, stroke: colour, "stroke-width": (isSelected ? 4 : 2.5) * unit }),
    );
    const isAtTheRight = x0 > 0.8 * this.width; // there the name ends where the box does
    const name = make("text", {
      x: isAtTheRight ? x1 - 3 * unit : x0 + 3 * unit,
      y: Math.max(y0 - 5 * unit, 14 * unit),
      "text-anchor": isAtTheRight ? "end" : "start",
      "font-size": 14 * unit,
      fill: colour,
    });
    name.style.strokeWidth = 4 * unit;
    name.textContent = label;
    group.append(name);
    if (isSelected) {
      for (const [corner, [x, y]] of Object.entries(CORNERS)) {
        const place = { cx: box[x], cy: box[y], "data-corner": corner, class: corner };
        group.append(make("circle", { ...place, r: 16 * unit, class: `reach ${corner}` }));
        group.append(make("circle", { ...place, r: 6 * unit, fill: colour, "stroke-width": 2 * unit }));
      }
    }
    return group;
  }

  #choose(event) {
    const index = Number(event.target.closest("[data-index]")?.dataset.index ?? -1);
    if (index >= 0) this.select(index);
  }

  #point(event) {
    const { left, top, width, height } = this.svg.getBoundingClientRect();
    return [
      clamp(((event.clientX - left) / width) * this.width, 0, this.width),
      clamp(((event.clientY - top) / height) * this.height, 0, this.height),
    ];
  }

  #grab(event) {
    if (event.button !== 0) return;
    const corner = event.target.dataset.corner;
    const index = Number(event.target.closest("[data-index]")?.dataset.index ?? -1);
    const from = this.#point(event);
    if (this.adding) {
      event.preventDefault();
      this.#add([...from, ...from]);
      return this.#drag(event, (to) => [...from, ...to], true);
    }
    if (index < 0) return this.select(-1);
    event.preventDefault();
    this.select(index);
    this.svg.querySelector(`[data-index="${index}"]`).focus({ preventScroll: true });
    const before = [...this.detections[index].box];
    this.#drag(event, (to) => this.#dragged(before, corner, to[0] - from[0], to[1] - from[1]));
  }

  #dragged(box, corner, dx, dy) {
    if (!corner) return this.#moved(box, dx, dy);
    const [x, y] = CORNERS[corner];
    const changed = [...box];
    changed[x] += dx;
    changed[y] += dy;
    return changed;
  }

  #moved([x0, y0, x1, y1], dx, dy) {
    const x = clamp(dx, -x0, this.width - x1);
    const y = clamp(dy, -y0, this.height - y1);
    return [x0 + x, y0 + y, x1 + x, y1 + y];
  }

  #drag(start, boxAt, isNew = false) {
    this.letGo();
    this.dragging = new AbortController();
    const { signal } = this.dragging;
    const isSame = (event) => event.pointerId === start.pointerId;
    const end = (event) => isSame(event) && this.letGo();
    addEventListener("pointermove", (event) => isSame(event) && this.#put(boxAt(this.#point(event))), { signal });
    addEventListener("pointerup", end, { signal });
    addEventListener("pointercancel", end, { signal });
    signal.addEventListener("abort", () => {
      if (this.selected < 0) return; // deleted by a key meanwhile
      const [x0, y0, x1, y1] = this.detections[this.selected].box;
      if (isNew && (x1 - x0 < SMALLEST * 2 || y1 - y0 < SMALLEST * 2)) this.remove(this.selected); // a mere click
    });
  }

  #add(box) {
    this.adding = false;
    this.detections.push({ label: this.classNames[0] ?? "object", box: box.map(rounded), score: null, source: "staff" });
    this.selected = this.detections.length - 1;
    this.draw();
    this.onChange("boxes");
  }

  #press(event) {
    if (this.selected < 0) return;
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      this.remove(this.selected);
    } else if (event.key in STEPS) {
      event.preventDefault();
      const [dx, dy] = STEPS[event.key].map((step) => step * (event.shiftKey ? 10 : 1));
      const { box } = this.detections[this.selected];
      this.#put(event.ctrlKey || event.metaKey ? this.#dragged(box, "se", dx, dy) : this.#moved(box, dx, dy));
    }
  }

  // Turns a box upright, keeps it on the photograph, and no smaller than can be seen.
  #put([ax, ay, bx, by]) {
    const x0 = clamp(Math.min(ax, bx), 0, this.width - SMALLEST);
    const y0 = clamp(Math.min(ay, by), 0, this.height - SMALLEST);
    const x1 = clamp(Math.max(ax, bx), x0 + SMALLEST, this.width);
    const y1 = clamp(Math.max(ay, by), y0 + SMALLEST, this.height);
    this.detections[this.selected].box = [x0, y0, x1, y1].map(rounded);
    this.draw();
    this.onChange("box");
  }
}

function make(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
