// Asking until there is an answer: waits while the server is busy, and asks the user for the token it wants.

import { keepsToken, keepToken } from "./asking.js";

const MOST_TRIES = 20; // while the server is busy or starting

const at = (id) => document.getElementById(id);

let giveToken = null; // goes on with what waits for a token

/**
 * Give what `ask()` gives; a refusal that does not pass is thrown. `tell(text)` shows what is being waited for,
 * `speak(text)` has it said once, and `isWanted()` says whether anybody still wants the answer: if not, nothing
 * is asked or waited for any more, and the last refusal is thrown.
 */
export async function answered(ask, { tell, speak, isWanted = () => true }) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (refusal) {
      const isHopeful = refusal.wantsToken || (refusal.passes && tries < MOST_TRIES);
      if (!isHopeful || !isWanted()) throw refusal;
      await (refusal.wantsToken ? tokenGiven() : waited(refusal, tell, speak, isWanted));
      if (!isWanted()) throw refusal;
    }
  }
}

/** Let the form for the token go on with what waits for it. */
export function listenForToken() {
  at("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(at("token").value.trim());
    at("token-form").hidden = true;
    giveToken();
  });
}

function tokenGiven() {
  at("token-hint").textContent = keepsToken()
    ? "The token was not accepted: check it."
    : "Whoever runs it has chosen one. It is kept until this tab is closed.";
  at("token-form").hidden = false;
  at("token").focus();
  return new Promise((resolve) => { giveToken = resolve; });
}

async function waited({ message, seconds }, tell, speak, isWanted) {
  const whole = Math.ceil(seconds);
  speak(`${message} Trying again in ${whole} seconds.`);
  for (let left = whole; left > 0 && isWanted(); left -= 1) {
    tell(`${message} Trying again in ${left} s.`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
