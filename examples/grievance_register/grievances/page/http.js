// Requests to the register: JSON in, JSON out, and one line where something is wrong.

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

// Text from reports is only ever put in as text, never as HTML.
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function localTime(utc) {
  return new Date(utc).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
