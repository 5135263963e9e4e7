// The staff's page: the list with its filters, and one report with its boxes, side by side.

import { ask, askWith, element, localTime } from "./http.js";
import { BoxEditor, colourOf } from "./editor.js";

const byId = (id) => document.getElementById(id);
const LOOKS = { waiting: "not looked at yet", "to check": "to check", confirmed: "confirmed" };
const REFRESH_MS = 4000;

let choices = null;
let report = null; // the one that is open
let unsaved = false;
const editor = new BoxEditor(byId("boxes"), (kind) => {
  if (kind !== "selection") unsaved = true;
  if (kind === "boxes") showDetections();
  else markDetections();
});

function tell(id, text = "") {
  byId(id).textContent = text;
  byId(id).hidden = !text;
}

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
  fill(filters.label, choices.class_names, "Any class seen");
  filters.look.replaceChildren(
    element("option", { value: "" }, "Any detections"),
    ...Object.entries(LOOKS).map(([value, text]) => element("option", { value }, text)),
  );
  fill(byId("change").elements.status, choices.statuses);
  fill(byId("change").elements.category, choices.categories);
  fill(byId("format"), choices.formats);
  byId("classes").replaceChildren(...choices.class_names.map((value) => element("option", { value })));
  await showList();
  await openReport(Number(location.hash.slice(1)));
}

function fill(select, values, all) {
  const chosen = select.value;
  const first = all ? [element("option", { value: "" }, all)] : [];
  select.replaceChildren(...first, ...values.map((value) => element("option", { value }, value)));
  if (values.includes(chosen)) select.value = chosen;
}

function lookOf({ looked_at, confirmed }) {
  return confirmed ? "confirmed" : looked_at ? "to check" : "waiting";
}

async function fetchList(before) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(byId("filters"))) if (value) query.set(name, value);
  if (before) query.set("before", before);
  return ask(`/api/staff/reports?${query}`);
}

async function showList() {
  const { reports, total } = await fetchList();
  byId("count").textContent = total === 1 ? "1 report" : `${total} reports`;
  byId("list").replaceChildren(...reports.map(listed));
  byId("more").hidden = reports.length >= total;
}

async function showMore() {
  const last = byId("list").lastElementChild?.dataset.number;
  const { reports } = await fetchList(last);
  byId("list").append(...reports.map(listed));
  byId("more").hidden = !reports.length || byId("list").children.length >= parseInt(byId("count").textContent);
}

function listed(one) {
  const { number, category, status, labels, address, description, received } = one;
  const look = lookOf(one);
  const picture = element("img", { src: `/api/staff/reports/${number}/photo?thumbnail=true`, alt: "", loading: "lazy" });
  const lines = element(
    "div",
    {},
    element("div", { className: "row" }, element("b", {}, `#${number} ${category}`), badge(status, "status", status)),
    element("div", { className: "small" }, address || description || "–"),
    element("div", { className: "small row" }, badge(LOOKS[look], "look", look), labels.join(", ")),
    element("div", { className: "small quiet" }, localTime(received)),
  );
  const link = element("a", { href: `#${number}` }, picture, lines);
  if (report?.number === number) link.setAttribute("aria-current", "true");
  const entry = element("li", {}, link);
  entry.dataset.number = number;
  return entry;
}

function badge(text, kind, value) {
  const made = element("span", { className: "badge" }, text);
  made.dataset[kind] = value;
  return made;
}

async function openReport(number, keepsNumber = false) {
  document.body.classList.toggle("reading", Boolean(number));
  if (!number) {
    [report, unsaved] = [null, false];
    byId("report").hidden = true;
    byId("nothing").hidden = false;
    return;
  }
  await showReport(await ask(`/api/staff/reports/${number}`));
  if (!keepsNumber) byId("title").focus({ preventScroll: true });
}

async function showReport(shown) {
  [report, unsaved] = [shown, false];
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
  for (const link of byId("list").querySelectorAll("a")) {
    if (link.hash === `#${report.number}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function showFacts() {
  byId("description").textContent = report.description || "No description.";
  byId("received").textContent = localTime(report.received);
  const { latitude, longitude, address } = report;
  const point = latitude === null ? "" : `${latitude}, ${longitude}`;
  const map = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=18/${latitude}/${longitude}`;
  const link = point ? element("a", { href: map, target: "_blank", rel: "noreferrer" }, point) : "";
  byId("place").replaceChildren(address, address && point ? " · " : "", link);
  byId("change").elements.status.value = report.status;
  byId("change").elements.category.value = report.category;
  byId("change").elements.note.value = "";
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
      label.addEventListener("change", () => editor.rename(index, label.value.trim()));
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
  byId("save").disabled = !unsaved;
}

async function save(confirmed) {
  const detections = editor.detections.map(({ number, label, box }) => (number ? { number, label, box } : { label, box }));
  const changed = { version: report.version, detections, confirmed };
  await showReport(await askWith("PUT", `/api/staff/reports/${report.number}/detections`, changed));
  choices = await ask("/api/staff/choices");
  fill(byId("filters").elements.label, choices.class_names, "Any class seen");
  byId("classes").replaceChildren(...choices.class_names.map((value) => element("option", { value })));
  await showList();
}

async function changeReport() {
  const { status, category, note } = Object.fromEntries(new FormData(byId("change")));
  const changed = await askWith("PATCH", `/api/staff/reports/${report.number}`, { version: report.version, status, category, note });
  if (unsaved) {
    report = changed; // the boxes that are not saved yet stay
    showFacts();
  } else await showReport(changed);
  await showList();
}

async function exportData() {
  const answer = await fetch(`/api/staff/export?to=${byId("format").value}`);
  if (!answer.ok) throw Object.assign(new Error((await answer.json()).detail), { status: answer.status });
  const link = element("a", { href: URL.createObjectURL(await answer.blob()), download: `reports_${byId("format").value}.zip` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// New reports and what the detector saw appear by themselves; what is being corrected is left alone.
async function refresh() {
  if (!choices || document.hidden || byId("list").children.length > 30) return;
  await showList();
  if (!report || unsaved) return;
  const now = await ask(`/api/staff/reports/${report.number}`);
  if (now.version !== report.version || now.look_fault !== report.look_fault) await showReport(now);
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
addEventListener("hashchange", () => attempt(() => openReport(Number(location.hash.slice(1)))));
addEventListener("beforeunload", (event) => unsaved && event.preventDefault());
setInterval(() => refresh().catch(() => {}), REFRESH_MS); // the next one may succeed
attempt(start);
