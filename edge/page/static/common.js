"use strict";
// What all pages share. Everything is text: nothing that comes from outside is ever taken for markup.

const at = (id) => document.getElementById(id);
const drawn = new Map();

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

// What the page says, in the browser's language (words.js).
function t(text, values = {}) {
  return fill(WORDS[text] ?? text, values);
}

function tn(one, many, number, values = {}) {
  const forms = WORDS[one] ?? [one, many];
  return fill(forms[form(number)], { n: number, ...values });
}

// What the box says: a message as it is, or one of those with something in them.
function said(text) {
  if (!text || text in WORDS) return WORDS[text] ?? text;
  for (const pattern of PATTERNS) {
    const names = [...pattern.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
    const plain = pattern.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const found = new RegExp(`^${plain.join("(.+?)")}$`, "s").exec(text);
    if (found) return t(pattern, Object.fromEntries(names.map((name, i) => [name, said(found[i + 1])])));
  }
  return text;
}

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

// Once: on the way to the login the page still asks how the box is, is refused, and would cut the way short.
let leaving = false;

function toLogin() {
  if (!leaving) location.href = "/login";
  leaving = true;
}

addEventListener("pageshow", () => { leaving = false; }); // "back" may show this page as it was left

function loggedOut(answer) {
  if (answer.status === 401) toLogin();
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
    return { ok: false, error: t("The page does not answer.") };
  }
}

function connected(well, why = t("the box does not answer")) {
  document.body.classList.toggle("lost", !well);
  document.body.classList.remove("waiting");
  if (at("connection")) say("connection", well ? t("connected") : why);
}

async function tell(command, payload) {
  at("answer").textContent = ""; // before it is told: the box may refuse it before the page has answered
  const words = await post(`/api/command/${command}`, payload);
  if (!words.ok) at("answer").textContent = t("Refused: {why}", { why: said(words.error) });
  document.dispatchEvent(new Event("told"));
  return words.ok;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-command]");
  if (button) tell(button.dataset.command, button.dataset.payload);
});

if (at("logout")) at("logout").addEventListener("click", async () => {
  await post("/api/logout");
  toLogin();
});

// What became of a click, where the loop of the box has something to say of it later: what it refused,
// and what it has learnt. What was so before this page was opened is no answer.
let heard = null;

function hear(state) {
  if (heard && state.refused.number !== heard.refused)
    at("answer").textContent = t("Refused: {why}", { why: said(state.refused.why) });
  if (heard && state.taught.number !== heard.taught) {
    const { name, views } = state.taught;
    at("answer").textContent = tn("Learnt: {name}, from {n} view.", "Learnt: {name}, from {n} views.", views, { name: said(name) });
  }
  heard = { refused: state.refused.number, taught: state.taught.number };
}

// What became of saved settings, in words.
function outcome(answer) {
  const notes = (answer.notes || []).join(" ");
  if (answer.away) return `${t("Saved. The box does not answer: it is in force when it starts.")} ${notes}`;
  if (answer.error) return `${t("Saved, but the box says: {error}", { error: said(answer.error) })} ${notes}`;
  const parts = [t("Saved.")];
  if ((answer.taken || []).length) parts.push(t("In force now: {names}.", { names: answer.taken.join(", ") }));
  if ((answer.waiting || []).length) parts.push(t("After the next start: {names}.", { names: answer.waiting.join(", ") }));
  return [...parts, notes].join(" ");
}
