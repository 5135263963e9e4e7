// Downloads: the detections as `ssd detect --json` prints them, and the picture with its boxes.

import { drawPicture } from "./picture.js";

const MOST_PIXELS = 16e6; // of a canvas, on phones
const LINE = 1 / 640; // thickness of a thin line, of the picture's longer side

/** Download the results of `entries` as one JSON document, with the detections from `threshold` on. */
export function saveResults(entries, threshold) {
  const results = entries.map(({ result }) => ({
    ...result,
    detections: result.detections.filter(({ score }) => score >= threshold),
  }));
  const name = entries.length === 1 ? `${stem(entries[0])}.json` : "detections.json";
  save(name, new Blob([`${JSON.stringify(results, null, 2)}\n`], { type: "application/json" }));
}

/** Download a picture with its boxes as PNG, in the size of the image unless that is too large for a canvas. */
export function savePicture(entry, boxes, [height, width]) {
  const factor = Math.min(1, Math.sqrt(MOST_PIXELS / (height * width)));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height].map((side) => Math.max(1, Math.round(side * factor)));
  const unit = Math.max(1, Math.max(canvas.width, canvas.height) * LINE);
  drawPicture(canvas, { picture: entry.picture, size: [height, width], boxes, chosen: null, unit });
  canvas.toBlob((blob) => save(`${stem(entry)}_boxes.png`, blob), "image/png");
}

function stem({ file }) {
  return file.name.replace(/\.[^.]*$/, "") || "image";
}

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // browsers fetch it a moment later
}
