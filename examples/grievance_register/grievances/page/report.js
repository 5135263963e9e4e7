// The citizen's page: a photograph, a place, a category, and a receipt.

import { ask, element, localTime, tell } from "./http.js";
import { placeOfPhoto } from "./place.js";

const byId = (id) => document.getElementById(id);
const form = byId("form");
let photo = null;
let offered = null;
let key = newKey();
let mostBytes = Infinity;

// The same key is the same report: sending it twice, because the answer got lost, makes no second one.
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function start() {
  const shown = location.hash.slice(1);
  try {
    if (shown) return await showReceipt(shown);
  } catch (problem) {
    tell("no-receipt", problem.message);
  }
  const { categories, most_photo_bytes } = await ask("/api/form");
  mostBytes = most_photo_bytes;
  byId("categories").replaceChildren(
    ...categories.map((value) =>
      element("label", {}, element("input", { type: "radio", name: "category", value, required: true }), value),
    ),
  );
}

async function takePhoto(file) {
  if (!file) return;
  tell("photo-problem");
  if (file.size > mostBytes) {
    tell("photo-problem", `This file is larger than ${Math.round(mostBytes / 2 ** 20)} MiB: choose a smaller one.`);
    return;
  }
  photo = file;
  key = newKey();
  URL.revokeObjectURL(byId("preview").src);
  byId("preview").src = URL.createObjectURL(file);
  byId("preview").hidden = false;
  offered = await placeOfPhoto(file).catch(() => null);
  byId("offer").hidden = !offered;
  if (offered) byId("offered").textContent = `${offered.latitude}, ${offered.longitude}`;
}

function usePlace({ latitude, longitude }) {
  form.elements.latitude.value = latitude;
  form.elements.longitude.value = longitude;
  byId("offer").hidden = true;
  key = newKey();
  tell("place-problem");
}

function locate() {
  const failed = () => tell("place-problem", "This device does not tell where it is: type the address.");
  if (!navigator.geolocation) return failed();
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => usePlace({ latitude: coords.latitude.toFixed(6), longitude: coords.longitude.toFixed(6) }),
    failed,
    { enableHighAccuracy: true, timeout: 15000 },
  );
}

function whatIsMissing(fields) {
  if (!photo) return ["photo-problem", "Take or choose a photograph."];
  const [latitude, longitude] = [fields.get("latitude"), fields.get("longitude")];
  if (!latitude !== !longitude) return ["place-problem", "A place needs both latitude and longitude."];
  if (!latitude && !fields.get("address").trim()) return ["place-problem", "Say where it is: an address, or a position."];
  return null;
}

async function send(event) {
  event.preventDefault();
  for (const id of ["photo-problem", "place-problem", "problem"]) tell(id);
  const fields = new FormData(form);
  const missing = whatIsMissing(fields);
  if (missing) {
    tell(...missing);
    return byId(missing[0]).scrollIntoView({ block: "center" });
  }
  const filled = new FormData();
  for (const [name, value] of fields) if (value !== "") filled.append(name, value);
  filled.append("photo", photo);
  byId("send").disabled = true;
  byId("send").textContent = "Sending …";
  try {
    await ask("/api/reports", { method: "POST", headers: { "Idempotency-Key": key }, body: filled });
    history.replaceState(null, "", `#${key}`);
    await showReceipt(key);
  } catch (problem) {
    if (problem.status === 409) key = newKey();
    tell("problem", problem.message);
  } finally {
    byId("send").disabled = false;
    byId("send").textContent = "Send the report";
  }
}

async function showReceipt(of) {
  const report = await ask(`/api/receipts/${encodeURIComponent(of)}`);
  byId("number").textContent = `#${report.number}`;
  byId("receipt-category").textContent = report.category;
  byId("received").textContent = localTime(report.received);
  byId("receipt-status").textContent = report.status;
  byId("receipt-status").dataset.status = report.status;
  tell("no-receipt");
  form.hidden = true;
  byId("receipt").hidden = false;
  byId("receipt").focus();
}

for (const id of ["camera", "file"]) byId(id).addEventListener("change", (event) => takePhoto(event.target.files[0]));
byId("use-offer").addEventListener("click", () => usePlace(offered));
byId("locate").addEventListener("click", locate);
form.addEventListener("input", () => (key = newKey()));
form.addEventListener("submit", send);
addEventListener("hashchange", () => location.reload());
start().catch((problem) => tell("problem", problem.message));
