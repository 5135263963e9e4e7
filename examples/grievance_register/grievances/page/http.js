// Requests to the register: JSON in, JSON out, and one line where something is wrong; and what both pages show with.

export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Problem(0, "The register cannot be reached: check the connection, and try again.");
  }
  if (response.status === 204) return null;
  const isJson = (response.headers.get("Content-Type") || "").startsWith("application/json");
  const content = isJson ? await response.json() : null;
  if (!response.ok) throw new Problem(response.status, content?.detail ?? `The register answered ${response.status}.`);
  return content;
}

export function askWith(method, path, content) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method, headers, body: JSON.stringify(content) });
}

export async function download(path, fileName) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Problem(answer.status, (await answer.json()).detail);
  const link = element("a", { href: URL.createObjectURL(await answer.blob()), download: fileName });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// Text from reports is only ever put in as text, never as HTML.
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Shows a text where there is a place for it; without one the place is hidden.
export function tell(id, text = "") {
  const place = document.getElementById(id);
  [place.textContent, place.hidden] = [text, !text];
}

export function localTime(utc) {
  return new Date(utc).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
