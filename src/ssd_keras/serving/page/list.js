// The list of what was found, a group for each class.

/** Count the objects of each class, in the order of `classNames`: [[label, count]]. */
export function counts(boxes, classNames) {
  return classNames
    .map((label) => [label, boxes.filter((found) => found.label === label).length])
    .filter(([, count]) => count > 0);
}

/** Say what was found: "12 objects: 10 car, 2 person". */
export function inWords(boxes, classNames) {
  if (boxes.length === 0) return objects(0);
  const parts = counts(boxes, classNames).map(([label, count]) => `${count} ${label}`);
  return `${objects(boxes.length)}: ${parts.join(", ")}`;
}

export function objects(count) {
  if (count === 0) return "nothing found";
  return count === 1 ? "1 object" : `${count} objects`;
}

/**
 * Fill `place` with the groups. `onPoint(found | null)` is told which entry the mouse or the focus is on,
 * `onPick(found)` which was pressed.
 */
export function fillList(place, boxes, classNames, { onPoint, onPick }) {
  place.replaceChildren(
    ...counts(boxes, classNames).map(([label, count]) => {
      const group = boxes.filter((found) => found.label === label);
      const list = element("ol", {}, group.map((found) => entry(found, onPoint, onPick)));
      return element("section", { className: "group" }, [heading(label, count, group[0].colour), list]);
    }),
  );
}

/** Mark the entry of `chosen`, and only that. */
export function markEntry(place, chosen) {
  for (const button of place.querySelectorAll("button")) {
    button.classList.toggle("chosen", button.found === chosen);
  }
}

/** Mark the entries as pressed or not. */
export function pressEntry(place, pinned) {
  for (const button of place.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.found === pinned));
  }
}

function heading(label, count, colour) {
  const swatch = element("span", { className: "swatch" });
  swatch.style.background = colour;
  const number = element("span", { className: "count", textContent: count });
  return element("h3", {}, [swatch, element("span", { className: "label", textContent: label }), " ", number]);
}

function entry(found, onPoint, onPick) {
  const [x0, y0, x1, y1] = found.box.map(Math.round);
  const bar = element("span", { className: "bar" });
  bar.style.setProperty("--score", found.score);
  bar.style.setProperty("--colour", found.colour);
  const button = element("button", { type: "button", found }, [
    element("span", { className: "score", textContent: found.score.toFixed(2) }),
    bar,
    element("span", { className: "where", textContent: `${x1 - x0} × ${y1 - y0} px` }),
  ]);
  const said = `${found.label}, score ${found.score.toFixed(2)}, from ${x0}, ${y0} to ${x1}, ${y1} pixels`;
  button.setAttribute("aria-label", said);
  button.setAttribute("aria-pressed", "false");
  for (const event of ["mouseenter", "focus"]) button.addEventListener(event, () => onPoint(found));
  for (const event of ["mouseleave", "blur"]) button.addEventListener(event, () => onPoint(null));
  button.addEventListener("click", () => onPick(found));
  return element("li", {}, [button]);
}

/** Make an element with properties and children. */
export function element(name, properties, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
