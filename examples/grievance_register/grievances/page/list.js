// The list of reports with its filters.

import { ask, element, localTime } from "./http.js";

const byId = (id) => document.getElementById(id);
export const LOOKS = { waiting: "not looked at yet", "to check": "to check", confirmed: "confirmed" };

let open = 0; // the number of the report that is shown beside the list
let asked = 0; // how often the list was asked for: an answer that a later one overtook is dropped

export function lookOf({ looked_at, confirmed }) {
  return confirmed ? "confirmed" : looked_at ? "to check" : "waiting";
}

// Days begin where the reader is; the register knows moments alone.
function startOfDay(day, daysLater = 0) {
  const moment = new Date(`${day}T00:00`);
  moment.setDate(moment.getDate() + daysLater);
  return moment.toISOString();
}

async function fetchList(before) {
  const query = new URLSearchParams();
  for (const { name, value, validity } of byId("filters").elements) if (value && validity.valid) query.set(name, value);
  if (query.has("since")) query.set("since", startOfDay(query.get("since")));
  if (query.has("until")) query.set("until", startOfDay(query.get("until"), 1));
  if (before) query.set("before", before);
  const mine = ++asked;
  const answer = await ask(`/api/staff/reports?${query}`);
  return mine === asked ? answer : null;
}

export async function showList() {
  const answer = await fetchList();
  if (!answer) return;
  const { reports, total } = answer;
  byId("count").textContent = total === 1 ? "1 report" : `${total} reports`;
  byId("list").replaceChildren(...reports.map(listed));
  byId("more").hidden = reports.length >= total;
}

export async function showMore() {
  const answer = await fetchList(byId("list").lastElementChild?.dataset.number);
  if (!answer) return;
  byId("list").append(...answer.reports.map(listed));
  byId("more").hidden = !answer.reports.length || byId("list").children.length >= parseInt(byId("count").textContent);
}

export function markOpen(number) {
  open = number;
  for (const link of byId("list").querySelectorAll("a")) {
    if (link.hash === `#${number}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
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
  if (open === number) link.setAttribute("aria-current", "true");
  const entry = element("li", {}, link);
  entry.dataset.number = number;
  return entry;
}

function badge(text, kind, value) {
  const made = element("span", { className: "badge" }, text);
  made.dataset[kind] = value;
  return made;
}
