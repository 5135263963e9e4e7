// The staff's page: the list with its filters, and one report with its boxes, side by side.

import { ask, askWith, download, element, localTime, tell } from "./http.js";
import { LOOKS, lookOf, markOpen, showList, showMore } from "./list.js";
import { BoxEditor, colourOf } from "./editor.js";

const byId = (id) => document.getElementById(id);
const REFRESH_MS = 4000;

let choices = null;
let report = null; // the one that is open
const unsaved = { boxes: false, facts: false };
let asked = 0; // how often a report was asked for: an answer that a later one overtook is dropped
let saving = Promise.resolve();
const editor = new BoxEditor(byId("boxes"), (kind) => {
  if (kind !== "selection") unsaved.boxes = true;
  if (kind === "boxes") showDetections();
  else markDetections();
});

// Runs what a click asks for; what goes wrong is told, and without a login the login form comes.
async function attempt(work) {
  tell("problem");
  try {
    await work();
  } catch (problem) {
    if (problem.status === 401 && choices) {
      choices = null;
      showLogin();
    }
    if (problem.status === 409) {
      tell("conflict", problem.message);
      byId("reload").hidden = false;
    } else tell("problem", problem.message);
  }
}

function showLogin() {
  for (const id of ["desk", "export", "logout"]) byId(id).hidden = true;
  byId("login").hidden = false;
  byId("who").textContent = "";
}

async function start() {
  try {
    choices = await ask("/api/staff/choices");
  } catch (problem) {
    if (problem.status === 401) return showLogin();
    throw problem;
  }
  byId("login").hidden = true;
  for (const id of ["desk", "export", "logout"]) byId(id).hidden = false;
  byId("who").textContent = choices.name;
  const filters = byId("filters").elements;
  fill(filters.status, choices.statuses, "Any status");
  fill(filters.category, choices.categories, "Any category");
  offerClasses();
  filters.look.replaceChildren(
    element("option", { value: "" }, "Any detections"),
    ...Object.entries(LOOKS).map(([value, text]) => element("option", { value }, text)),
  );
  fill(byId("change").elements.status, choices.statuses);
  fill(byId("change").elements.category, choices.categories);
  fill(byId("format"), choices.formats);
  await showList();
  await followAddress();
}

function fill(select, values, all) {
  const chosen = select.value;
  const first = all ? [element("option", { value: "" }, all)] : [];
  select.replaceChildren(...first, ...values.map((value) => element("option", { value }, value)));
  if (values.includes(chosen)) select.value = chosen;
}

function offerClasses() {
  fill(byId("filters").elements.label, choices.class_names, "Any class seen");
  byId("classes").replaceChildren(...choices.class_names.map((value) => element("option", { value })));
}

const isUnsaved = () => unsaved.boxes || unsaved.facts;

function mayLeave() {
  return !isUnsaved() || confirm(`What you changed in report #${report.number} is not saved. Leave it, and lose that?`);
}

// Nothing is edited while an answer is on its way that would take the edit's place.
async function whileNobodyEdits(work) {
  const mine = ++asked;
  const focused = document.activeElement;
  editor.letGo();
  byId("report").inert = true;
  try {
    return await work(() => mine === asked);
  } finally {
    if (mine === asked) byId("report").inert = false;
    if (document.activeElement === document.body && focused?.isConnected) focused.focus({ preventScroll: true });
  }
}

function closeReport() {
  asked += 1;
  [report, unsaved.boxes, unsaved.facts] = [null, false, false];
  byId("report").hidden = true;
  byId("nothing").hidden = false;
  markOpen(0);
}

// Another report that is on its way is no longer wanted.
function stay() {
  asked += 1;
  byId("report").inert = false;
  history.replaceState(null, "", `#${report.number}`);
}

// Opens what the address says, unless there is something to lose.
async function followAddress() {
  await saving;
  const number = Number(location.hash.slice(1));
  if (report && (number === report.number ? isUnsaved() : !mayLeave())) return stay();
  document.body.classList.toggle("reading", Boolean(number));
  if (number) await openReport(number);
  else closeReport();
}

async function openReport(number) {
  await whileNobodyEdits(async (isWanted) => {
    const answer = await ask(`/api/staff/reports/${number}`);
    if (!isWanted()) return;
    unsaved.facts = false;
    showReport(answer);
    byId("report").inert = false;
    byId("title").focus({ preventScroll: true });
  });
}

function showReport(shown) {
  report = shown;
  unsaved.boxes = false;
  byId("report").hidden = false;
  byId("nothing").hidden = true;
  byId("title").textContent = `#${report.number} ${report.category}`;
  const look = lookOf(report);
  byId("look").textContent = LOOKS[look];
  byId("look").dataset.look = look;
  const isAway = !report.looked_at && report.look_fault;
  tell("look-fault", isAway ? `The detector has not looked yet (${report.look_fault}); it is asked again.` : report.look_fault);
  tell("conflict");
  byId("reload").hidden = true;
  byId("photo").src = `/api/staff/reports/${report.number}/photo`;
  byId("photo").alt = `Photograph of report ${report.number}`;
  [byId("photo").width, byId("photo").height] = [report.width, report.height];
  editor.show(report.detections, report.width, report.height, choices.class_names);
  showDetections();
  showFacts();
  markOpen(report.number);
}

function showFacts() {
  byId("description").textContent = report.description || "No description.";
  byId("received").textContent = localTime(report.received);
  const { latitude, longitude, address } = report;
  const point = latitude === null ? "" : `${latitude}, ${longitude}`;
  const map = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=18/${latitude}/${longitude}`;
  const link = point ? element("a", { href: map, target: "_blank", rel: "noreferrer" }, point) : "";
  byId("place").replaceChildren(address, address && point ? " · " : "", link);
  if (!unsaved.facts) {
    byId("change").elements.status.value = report.status;
    byId("change").elements.category.value = report.category;
    byId("change").elements.note.value = "";
  }
  byId("history").replaceChildren(
    ...report.history.map(({ time, who, change }) => element("li", {}, element("b", {}, who), ` ${change} `, element("span", { className: "quiet small" }, localTime(time)))),
  );
}

function showDetections() {
  byId("detections").replaceChildren(
    ...editor.detections.map((one, index) => {
      const label = element("input", { value: one.label, maxLength: 200, required: true });
      label.setAttribute("list", "classes");
      label.setAttribute("aria-label", `Class of box ${index + 1}`);
      label.addEventListener("focus", () => editor.select(index));
      label.addEventListener("input", () => editor.rename(index, label.value.trim()));
      const score = one.score === null ? one.source : `${Math.round(100 * one.score)} %`;
      const remove = element("button", { type: "button", title: "Delete this box" }, "✕");
      remove.setAttribute("aria-label", `Delete box ${index + 1}`);
      remove.addEventListener("click", () => editor.remove(index));
      const dot = element("span", { className: "dot" });
      return element("li", { className: "row" }, dot, label, element("span", { className: "quiet small score" }, score), remove);
    }),
  );
  if (!editor.detections.length) {
    const none = report.looked_at ? "No object." : "The detector has not looked yet.";
    byId("detections").append(element("li", { className: "quiet" }, none));
  }
  markDetections();
}

function markDetections() {
  [...byId("detections").children].forEach((entry, index) => {
    entry.classList.toggle("selected", index === editor.selected);
    const dot = entry.querySelector(".dot");
    if (dot) dot.style.background = colourOf(editor.detections[index].label, choices.class_names);
  });
  byId("add").setAttribute("aria-pressed", editor.adding);
  byId("save").disabled = !unsaved.boxes;
}

// Asks for a change of the open report; whoever wants to open another one waits for it.
async function change(method, path, content, show) {
  const { number, version } = report;
  const changing = whileNobodyEdits(async (isWanted) => {
    const changed = await askWith(method, `/api/staff/reports/${number}${path}`, { version, ...content });
    if (isWanted()) show(changed);
  });
  saving = changing.catch(() => {});
  await changing;
}

async function save(confirmed) {
  const detections = editor.detections.map(({ number, label, box }) => (number ? { number, label, box } : { label, box }));
  await change("PUT", "/detections", { detections, confirmed }, showReport);
  choices = await ask("/api/staff/choices");
  offerClasses();
  await showList();
}

async function changeReport() {
  const { status, category, note } = Object.fromEntries(new FormData(byId("change")));
  await change("PATCH", "", { status, category, note }, (changed) => {
    unsaved.facts = false;
    if (!unsaved.boxes) return showReport(changed);
    report = changed; // the boxes that are not saved yet stay
    showFacts();
  });
  await showList();
}

function exportData() {
  const to = byId("format").value;
  return download(`/api/staff/export?to=${to}`, `reports_${to}.zip`);
}

// New reports and what the detector saw appear by themselves; what is being corrected is left alone.
async function refresh() {
  if (!choices || document.hidden || byId("list").children.length > 30) return;
  await showList();
  if (!report || isUnsaved() || byId("report").inert) return;
  const mine = ++asked;
  const now = await ask(`/api/staff/reports/${report.number}`);
  if (mine !== asked || isUnsaved()) return;
  if (now.version !== report.version || now.look_fault !== report.look_fault) showReport(now);
}

async function logIn(form) {
  const { name, token } = Object.fromEntries(new FormData(form));
  await askWith("POST", "/api/staff/login", { name, token });
  form.reset();
  await start();
}

function on(id, kind, work) {
  byId(id).addEventListener(kind, (event) => {
    if (kind === "submit") event.preventDefault();
    attempt(() => work(event));
  });
}

on("login-form", "submit", (event) => logIn(event.target));
on("logout", "click", async () => {
  if (!mayLeave()) return;
  closeReport();
  await ask("/api/staff/logout", { method: "POST" });
  choices = null;
  showLogin();
});
on("filters", "input", showList);
on("filters", "submit", showList);
on("more", "click", showMore);
on("add", "click", (event) => {
  if (event.detail === 0) editor.addInTheMiddle(); // by keyboard
  else editor.startAdding();
  markDetections();
});
on("save", "click", () => save(Boolean(report.confirmed)));
on("confirm", "click", () => save(true));
on("reload", "click", () => openReport(report.number));
on("change", "submit", changeReport);
on("export", "submit", exportData);
on("back", "click", () => (location.hash = ""));
byId("change").addEventListener("input", () => (unsaved.facts = true));
addEventListener("hashchange", () => attempt(followAddress));
addEventListener("beforeunload", (event) => isUnsaved() && event.preventDefault());
setInterval(() => refresh().catch(() => {}), REFRESH_MS); // the next one may succeed
attempt(start);
