// The page: takes images, shows what the server finds in them, and lets it be looked at and kept.

import { askDetections, askModel, lowestThreshold, megabytes } from "./asking.js";
import { listenForFiles } from "./dropping.js";
import { element, fillList, inWords, markEntry, objects, pressEntry } from "./list.js";
import { answered, listenForToken } from "./patience.js";
import { boxAround, classColour, drawPicture } from "./picture.js";
import { savePicture, saveResults } from "./saving.js";
import { drawThumbnails } from "./thumbnails.js";

const QUIET_MS = 500; // the slider rests so long before what is shown is spoken

const at = (id) => document.getElementById(id);
const show = (id, isShown) => { at(id).hidden = !isShown; };

let model = null; // what /v1/model says
let entries = []; // {file, picture, state: "waiting" | "looking" | "done" | "failed", result, problem}
let current = null; // the entry that is shown
let pointed = null; // the box under the mouse or the focus
let pinned = null; // the box that was pressed
let listed = []; // the boxes in the list
let isWorking = false;
let retry = null; // what "Try again" does in place of the current image

// --- asking ---------------------------------------------------------------------------------------------

async function learnModel() {
  retry = null;
  show("problem", false);
  try {
    model = await answered(askModel, { tell: progress, speak });
  } catch (refusal) {
    problem(refusal, learnModel);
    return;
  } finally {
    show("progress", false);
  }
  describeModel();
  work();
}

/** Look at the images that wait, one after another. */
async function work() {
  if (isWorking || model === null) return;
  isWorking = true;
  for (let entry = nextEntry(); entry; entry = nextEntry()) await lookAt(entry);
  isWorking = false;
}

const nextEntry = () => entries.find(({ state }) => state === "waiting");

async function lookAt(entry) {
  entry.state = "looking";
  render();
  const ask = () => {
    progress(`Looking at ${entry.file.name} …`);
    return askDetections(entry.file, model);
  };
  try {
    const isWanted = () => entries.includes(entry);
    entry.result = await answered(ask, { tell: progress, speak, isWanted });
    entry.boxes = entry.result.detections.map((found) => ({ ...found, colour: colourOf(found.label) }));
    entry.state = "done";
  } catch (refusal) {
    entry.problem = refusal;
    entry.state = "failed";
  }
  show("progress", false);
  if (entry === current) speakCurrent();
  render();
}

const colourOf = (label) => classColour(model.class_names.indexOf(label));

// --- taking images --------------------------------------------------------------------------------------

async function take(files) {
  const added = [...files].map((file) => ({ file, picture: null, state: "waiting" }));
  if (added.length === 0) return;
  entries.push(...added);
  current = added[0];
  pinned = pointed = null;
  render();
  work();
  for (const entry of added) {
    entry.picture = await pictureOf(entry.file); // one after another: photographs are large
    render();
  }
}

/** Give the image of a file, upright; null where the browser does not show this kind. */
async function pictureOf(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
    return image;
  } catch {
    URL.revokeObjectURL(image.src);
    return null;
  }
}

function startOver() {
  for (const { picture } of entries) if (picture) URL.revokeObjectURL(picture.src);
  entries = [];
  current = pinned = pointed = null;
  show("progress", false);
  render();
  speak("All images are put away.");
  at("choose").focus();
}

function choose(entry) {
  current = entry;
  pinned = pointed = null;
  listed = [];
  render();
  speakCurrent();
}

function again() {
  if (retry) return retry();
  current.state = "waiting";
  render();
  return work();
}

// --- showing --------------------------------------------------------------------------------------------

const threshold = () => Number(at("threshold").value);
const above = (entry) => entry.boxes.filter(({ score }) => score >= threshold());

function describeModel() {
  at("model").textContent = model.name;
  const count = model.class_names.length;
  at("class-count").textContent = count === 1 ? "1 class" : `${count} classes`;
  at("class-names").replaceChildren(...model.class_names.map((name) => {
    const item = element("li", { textContent: name });
    item.style.setProperty("--colour", colourOf(name));
    return item;
  }));
  show("classes", true);
  const slider = at("threshold");
  [slider.min, slider.max, slider.value] = [lowestThreshold(model), 1, model.threshold];
  at("limits").textContent = `Up to ${megabytes(model.max_image_bytes)} and ` +
    `${Math.round(model.max_image_pixels / 1e6)} megapixels each. They go to this server only.`;
}

function render() {
  show("figure", current !== null && (current.picture !== null || current.state === "done"));
  show("strip", entries.length > 1);
  show("found", current?.state === "done");
  show("clear", entries.length > 0);
  document.body.classList.toggle("with-images", entries.length > 0);
  if (current?.state === "failed") problem(current.problem, null);
  else if (!retry) show("problem", false);
  if (current === null) return;
  at("name").textContent = current.file.name;
  renderFound();
}

function renderFound() {
  const isDone = current.state === "done";
  const boxes = isDone ? above(current) : [];
  if (isDone) {
    const [height, width] = current.result.size;
    at("size").textContent = `${width} × ${height} px`;
    at("headline").textContent = boxes.length ? objects(boxes.length) : nothingFound();
    at("threshold-value").textContent = threshold().toFixed(2);
    at("threshold").setAttribute("aria-valuetext", `${threshold().toFixed(2)}, ${objects(boxes.length)}`);
    relist(boxes);
    at("save-json").textContent = finished().length > 1 ? `Download JSON of ${finished().length}` : "Download JSON";
  } else {
    at("size").textContent = "";
  }
  const count = (entry) => above(entry).length;
  drawThumbnails(at("thumbnails"), entries, current, { count, onChoose: choose });
  at("picture").setAttribute("aria-label", isDone
    ? `${current.file.name}: ${inWords(boxes, model.class_names)}` : current.file.name);
  draw();
}

/** Fill the list where it is to change; else the focus stays where it is in it. */
function relist(boxes) {
  const isSame = listed.length === boxes.length && boxes.every((found, index) => found === listed[index]);
  if (isSame && boxes.length) return;
  listed = boxes;
  fillList(at("list"), boxes, model.class_names, { onPoint: point, onPick: pick });
  pressEntry(at("list"), pinned);
}

function nothingFound() {
  const [best] = current.boxes;
  return best ? `Nothing at ${threshold().toFixed(2)}; the best is ${best.label} with ${best.score.toFixed(2)}`
    : "Nothing found";
}

/** Draw the picture as large as it is shown, to the pixel of the screen. */
function draw() {
  if (current === null) return;
  const canvas = at("picture");
  const size = sizeOf(current);
  canvas.style.setProperty("--ratio", size[1] / size[0]);
  const across = canvas.clientWidth * devicePixelRatio;
  canvas.width = Math.max(1, Math.round(across));
  canvas.height = Math.max(1, Math.round((across * size[0]) / size[1]));
  const boxes = current.state === "done" ? above(current) : [];
  const chosen = boxes.find((found) => found === (pointed ?? pinned)) ?? null;
  drawPicture(canvas, { picture: current.picture, size, boxes, chosen, unit: devicePixelRatio });
  markEntry(at("list"), chosen);
}

/** Give [height, width] of an entry: as the server saw it, or else as the browser does. */
function sizeOf({ result, picture }) {
  if (result) return result.size;
  return picture ? [picture.naturalHeight, picture.naturalWidth] : [3, 4];
}

function point(found) {
  pointed = found;
  draw();
}

function pick(found) {
  pinned = pinned === found ? null : found;
  pressEntry(at("list"), pinned);
  if (pinned) at("picture").scrollIntoView({ block: "nearest" }); // on a phone the list is far below it
  draw();
}

function placeInPicture({ offsetX, offsetY }) {
  const { clientWidth, clientHeight } = at("picture");
  const [height, width] = sizeOf(current);
  return [(offsetX / clientWidth) * width, (offsetY / clientHeight) * height];
}

const boxUnder = (event) => (current?.state === "done" ? boxAround(above(current), placeInPicture(event)) : null);

function problem({ message, isWorthAnotherTry }, action) {
  retry = action;
  if (at("problem-text").textContent !== message) at("problem-text").textContent = message;
  show("again", isWorthAnotherTry);
  show("problem", true);
}

function progress(text) {
  at("progress").textContent = text;
  show("progress", true);
}

let speaking = 0;

/** Have a screen reader say something once nothing else came for a moment. */
function speak(text, milliseconds = 0) {
  clearTimeout(speaking);
  speaking = setTimeout(() => { at("spoken").textContent = text; }, milliseconds);
}

function speakCurrent(milliseconds = 0) {
  if (current.state === "done") {
    speak(`${current.file.name}: ${inWords(above(current), model.class_names)}`, milliseconds);
  }
}

// --- what the user does ---------------------------------------------------------------------------------

const finished = () => entries.filter(({ state }) => state === "done");

function listen() {
  const on = (id, event, action) => at(id).addEventListener(event, action);
  on("choose", "click", () => at("files").click());
  on("photograph", "click", () => at("camera").click());
  for (const id of ["files", "camera"]) {
    on(id, "change", ({ target }) => {
      take(target.files);
      target.value = ""; // the same file may be chosen again
    });
  }
  on("threshold", "input", () => { renderFound(); speakCurrent(QUIET_MS); });
  on("picture", "pointermove", (event) => point(boxUnder(event)));
  on("picture", "pointerleave", () => point(null));
  on("picture", "click", (event) => pick(boxUnder(event)));
  on("again", "click", again);
  on("clear", "click", startOver);
  on("save-json", "click", () => saveResults(finished(), threshold()));
  on("save-picture", "click", () => savePicture(current, above(current), sizeOf(current)));
  listenForToken();
  listenForFiles(take);
  new ResizeObserver(draw).observe(at("figure"));
}

listen();
learnModel();
