// What the page asks the server, and what it says when the server refuses.

export const LOWEST_THRESHOLD = 0.05; // asked for once, so that the slider filters without asking again
const TOKEN_KEY = "ssd-token";
const USUAL_WAIT = 2; // seconds, where the server names none
const LONGEST_WAIT = 60;

/** What the server answers in place of a result: `status` is 0 where there was no answer at all. */
export class Refusal extends Error {
  constructor(status, message, seconds = USUAL_WAIT) {
    super(message);
    this.status = status;
    this.seconds = seconds;
  }

  /** Whether the same request may be answered in a little while. */
  get passes() {
    return this.status === 429 || this.status === 503;
  }

  /** Whether there is sense in asking again: not where the image or the request is at fault. */
  get isWorthAnotherTry() {
    return this.passes || this.status < 400 || this.status >= 500;
  }

  get wantsToken() {
    return this.status === 401;
  }
}

export function keepToken(token) {
  sessionStorage.setItem(TOKEN_KEY, token);
}

export function keepsToken() {
  return sessionStorage.getItem(TOKEN_KEY) !== null;
}

/** Give what the server says about its model. */
export async function askModel() {
  return answerOf("v1/model", {});
}

/** Give `{image, size, detections}` of one file, with all detections that the slider can show. */
export async function askDetections(file, model) {
  if (file.size > model.max_image_bytes) {
    throw new Refusal(413, `${file.name} has ${megabytes(file.size)}, and this server takes ` +
      `${megabytes(model.max_image_bytes)} at most: make it smaller.`);
  }
  await checkReadable(file);
  const body = new FormData();
  body.append("images", file, file.name);
  const answer = await answerOf(`v1/detect?threshold=${lowestThreshold(model)}`, { method: "POST", body });
  return answer.results[0];
}

/** The lowest score that is asked for: below the model's own threshold if that is lower still. */
export function lowestThreshold(model) {
  return Math.min(LOWEST_THRESHOLD, model.threshold);
}

export function megabytes(bytes) {
  return bytes < 1e5 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

async function answerOf(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: authorization(), cache: "no-store" });
  } catch {
    throw new Refusal(0, "The server does not answer. Is it still running, and are you connected to it?");
  }
  if (!response.ok) throw await refusalOf(response);
  try {
    return await response.json();
  } catch {
    throw new Refusal(response.status, "The answer of the server was cut off or is none of a detector.");
  }
}

async function refusalOf(response) {
  let detail = `The server answers ${response.status} ${response.statusText}`.trim();
  try {
    const told = (await response.json()).detail;
    if (typeof told === "string" && told) detail = told;
  } catch {
    // a proxy in between has its own error pages
  }
  const wait = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  const seconds = Number.isFinite(wait) ? Math.min(Math.max(wait, 1), LONGEST_WAIT) : USUAL_WAIT;
  return new Refusal(response.status, asSentence(detail), seconds);
}

function authorization() {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

async function checkReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Refusal(400, `${file.name} cannot be read: is it a folder, or was it changed or removed?`);
  }
}

function asSentence(text) {
  const sentence = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
