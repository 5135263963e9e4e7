// The strip of images, where there are several.

import { element, objects } from "./list.js";

const SIDE = 128; // pixels of a thumbnail's canvas

const SAID = { waiting: "waits", looking: "is being looked at", failed: "failed" };

/**
 * Fill `place` with a button for each of `entries`; `count(entry)` says how many objects are shown of one that is
 * done, and `onChoose(entry)` is told which was pressed.
 */
export function drawThumbnails(place, entries, current, { count, onChoose }) {
  while (place.children.length > entries.length) place.lastChild.remove();
  entries.forEach((entry, index) => {
    const button = place.children[index]?.firstChild ?? newButton(place);
    button.onclick = () => onChoose(entry);
    button.className = entry.state;
    button.setAttribute("aria-current", String(entry === current));
    const said = SAID[entry.state] ?? objects(count(entry));
    button.setAttribute("aria-label", `${entry.file.name}, ${said}`);
    if (button.drawn !== entry.picture) drawThumbnail(button, entry.picture);
  });
}

function newButton(place) {
  const button = element("button", { type: "button", drawn: null }, [
    element("canvas", { width: SIDE, height: SIDE }),
  ]);
  place.append(element("li", {}, [button]));
  return button;
}

/** Fill the square with the middle of the picture. */
function drawThumbnail(button, picture) {
  button.drawn = picture;
  const context = button.firstChild.getContext("2d");
  context.clearRect(0, 0, SIDE, SIDE);
  if (picture === null) return;
  const side = Math.min(picture.naturalWidth, picture.naturalHeight);
  const [x, y] = [(picture.naturalWidth - side) / 2, (picture.naturalHeight - side) / 2];
  context.drawImage(picture, x, y, side, side, 0, 0, SIDE, SIDE);
}
