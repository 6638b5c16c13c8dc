"use strict";
// What all pages share. Everything is text: nothing that comes from outside is ever taken for markup.

const at = (id) => document.getElementById(id);
const drawn = new Map();

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes))
    if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  return made;
}

// Only what has changed is drawn again: a button that is replaced under the finger loses the click,
// and a screen reader reads anew what is written anew.
function onChange(id, value, draw) {
  const key = JSON.stringify(value);
  if (drawn.get(id) === key) return;
  drawn.set(id, key);
  draw(at(id));
}

function say(id, text) {
  onChange(id, text, (place) => { place.textContent = text; });
}

function loggedOut(answer) {
  if (answer.status === 401) location.href = "/login";
  return answer;
}

async function ask(path) {
  const answer = loggedOut(await fetch(path, { cache: "no-store" }));
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

// {ok, ...what the page answers}; never throws.
async function post(path, body = "") {
  try {
    const answer = await fetch(path, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
      headers: { "X-Procrastobot": "1" },
    });
    if (path !== "/api/login") loggedOut(answer);
    return { ok: answer.ok, ...(await answer.json()) };
  } catch (error) {
    return { ok: false, error: "The page does not answer." };
  }
}

function connected(well, why = "the box does not answer") {
  document.body.classList.toggle("lost", !well);
  if (at("connection")) say("connection", well ? "connected" : why);
}

async function tell(command, payload) {
  const words = await post(`/api/command/${command}`, payload);
  at("answer").textContent = words.ok ? "" : `Refused: ${words.error}`;
  document.dispatchEvent(new Event("told"));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-command]");
  if (button) tell(button.dataset.command, button.dataset.payload);
});

if (at("logout")) at("logout").addEventListener("click", async () => {
  await post("/api/logout");
  location.href = "/login";
});

// What became of saved settings, in words.
function outcome(answer) {
  const notes = (answer.notes || []).join(" ");
  if (answer.away) return `Saved. The box does not answer: it is in force when it starts. ${notes}`;
  if (answer.error) return `Saved, but the box says: ${answer.error} ${notes}`;
  const listed = (names) => names.join(", ");
  const parts = ["Saved."];
  if ((answer.taken || []).length) parts.push(`In force now: ${listed(answer.taken)}.`);
  if ((answer.waiting || []).length) parts.push(`After the next start: ${listed(answer.waiting)}.`);
  return [...parts, notes].join(" ");
}
