// Draws a picture with its boxes, on the screen and for the download alike.

const GOLDEN_ANGLE = 137.508; // degrees: steps of this size keep any number of classes well apart
const FIRST_HUE = 25;
const HALO = "rgb(0 0 0 / 0.55)"; // beneath each line, so that it shows on any picture
const INK = "#101214";

/** Give the colour of a class: all are equally light, so that dark letters on them can always be read. */
export function classColour(index) {
  return `oklch(0.8 0.16 ${(FIRST_HUE + index * GOLDEN_ANGLE) % 360})`;
}

/**
 * Draw on all of `canvas`; `shown` has what `drawing` says it has:
 * picture (an image, or null where the browser cannot show it), size [height, width] in whose pixels the boxes
 * are, boxes [{label, score, box, colour}] best first, chosen (one of them or null), unit (pixels of the canvas
 * for a thin line).
 */
export function drawPicture(canvas, { picture, size, boxes, chosen, unit }) {
  const context = canvas.getContext("2d");
  context.fillStyle = picture ? "#fff" : "#8a8f94"; // white shows through where a picture is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (picture) context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const onCanvas = boxes.map((found) => ({ found, place: scaled(found.box, size, canvas) }));
  for (const { found, place } of [...onCanvas].reverse()) {
    if (found !== chosen) drawBox(context, place, found.colour, unit, chosen !== null);
  }
  drawCaptions(context, onCanvas, chosen, unit);
}

/** Give the smallest of the boxes around a point (x, y), both in pixels of the image; null if there is none. */
export function boxAround(boxes, [x, y]) {
  const around = boxes.filter(({ box: [x0, y0, x1, y1] }) => x0 <= x && x <= x1 && y0 <= y && y <= y1);
  const area = ({ box: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0);
  return around.reduce((best, found) => (best === null || area(found) < area(best) ? found : best), null);
}

function scaled([x0, y0, x1, y1], [height, width], canvas) {
  const [across, down] = [canvas.width / width, canvas.height / height];
  return { x: x0 * across, y: y0 * down, width: (x1 - x0) * across, height: (y1 - y0) * down };
}

function drawBox(context, { x, y, width, height }, colour, unit, isFaint) {
  context.save();
  context.globalAlpha = isFaint ? 0.35 : 1;
  context.lineJoin = "round";
  for (const [style, thickness] of [[HALO, 3.5], [colour, 2]]) {
    context.strokeStyle = style;
    context.lineWidth = thickness * unit;
    context.strokeRect(x, y, width, height);
  }
  context.restore();
}

function drawChosen(context, place, colour, unit) {
  context.save();
  context.globalAlpha = 0.12;
  context.fillStyle = colour;
  context.fillRect(place.x, place.y, place.width, place.height);
  context.restore();
  drawBox(context, place, colour, 1.6 * unit, false);
}

function drawCaptions(context, onCanvas, chosen, unit) {
  const letters = Math.min(12 * unit, Math.max(9 * unit, context.canvas.width / 45));
  context.font = `600 ${letters}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const taken = [];
  const first = onCanvas.filter(({ found }) => found === chosen);
  if (first.length) drawChosen(context, first[0].place, first[0].found.colour, unit);
  for (const { found, place } of chosen ? first : onCanvas) {
    const text = `${found.label} ${found.score.toFixed(2)}`;
    const spot = freeSpot(context, place, context.measureText(text).width + 8 * unit, 1.4 * letters, taken);
    if (spot === null) continue; // it would hide a better one's; the list has it
    taken.push(spot);
    context.fillStyle = found.colour;
    context.beginPath();
    context.roundRect(spot.x, spot.y, spot.width, spot.height, 3 * unit);
    context.fill();
    context.fillStyle = INK;
    context.fillText(text, spot.x + 4 * unit, spot.y + spot.height / 2);
  }
}

/** Find room for a caption above the box, or else inside or below it; null where there is none. */
function freeSpot(context, box, width, height, taken) {
  const x = Math.max(0, Math.min(box.x, context.canvas.width - width));
  const lowest = context.canvas.height - height;
  for (const top of [box.y - height, box.y, box.y + box.height, box.y + box.height - height]) {
    const y = taken.length === 0 ? Math.max(0, Math.min(top, lowest)) : top;
    const spot = { x, y, width, height };
    if (y >= 0 && y <= lowest && !taken.some((other) => overlap(spot, other))) return spot;
  }
  return null;
}

function overlap(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
