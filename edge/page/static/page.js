"use strict";
// Asks the box for its state every second, and shows it.

const SVG = "http://www.w3.org/2000/svg";
let state = {};
let aheadMs = 0; // of the box's clock
let refusals = null; // how many the box has told of

function minutes(seconds) {
  const whole = Math.round(seconds / 60);
  return whole < 60 ? `${whole} min` : `${Math.floor(whole / 60)} h ${whole % 60} min`;
}

function countdown(until) {
  const left = Math.max(0, Math.round((new Date(until) - Date.now() - aheadMs) / 1000));
  const two = (n) => String(n).padStart(2, "0");
  return `${Math.floor(left / 60)}:${two(left % 60)}`;
}

function look() {
  if (state.level >= 2) return "sound";
  if (state.level === 1) return "light";
  return state.session;
}

function reason() {
  if (state.reason || state.session !== "focus") return state.reason;
  if (state.snooze_until) {
    const until = new Date(state.snooze_until).toLocaleTimeString([], { timeStyle: "short" });
    return `Snoozed until ${until}.`;
  }
  if (state.view !== "clear") return `The camera cannot see the desk: ${state.view}.`;
  return state.activity === "working" ? "All is well." : "";
}

const SESSIONS = { idle: "Nothing runs", focus: "Focus", break: "Break", paused: "Paused" };

function show() {
  say("box", state.box || "Procrastobot");
  at("now").dataset.look = look();
  onChange("session", state.session, (place) => {
    place.textContent = SESSIONS[state.session] || state.session;
    refreshDays();
  });
  say("clock", state.until ? countdown(state.until) : "");
  say("reason", reason());
  const seats = Object.entries(state.seats || {}).map(([name, seat]) =>
    `${name}: ${state.session === "focus" ? seat.activity : "not watched"}`);
  onChange("seats", seats, (place) => place.replaceChildren(...seats.map((line) => element("li", line))));
  at("faults").textContent = (state.faults || []).length ? `Not working: ${state.faults.join(", ")}` : "";
  const shown = {
    start: state.session === "idle" || state.session === "break",
    pause: state.session === "focus",
    resume: state.session === "paused",
    break: state.session !== "break",
    stop: state.session !== "idle",
  };
  for (const button of document.querySelectorAll('[data-command="session"]'))
    button.hidden = !shown[button.dataset.payload];
  document.querySelector('[data-command="not_a_phone"]').hidden = state.activity !== "phone";
  document.querySelector('[data-command="snooze"]').hidden = state.session !== "focus";
  say("mute", state.muted ? "Unmute" : "Mute");
  at("mute").dataset.payload = state.muted ? "off" : "on";
  if (refusals !== null && state.refused.number !== refusals)
    at("answer").textContent = `Refused: ${state.refused.why}`;
  refusals = state.refused.number; // those before this page was opened are no answers
  const mode = at("mode");
  if (mode.options.length !== (state.modes || []).length)
    mode.replaceChildren(...(state.modes || []).map((name) => element("option", name, { value: name })));
  if (document.activeElement !== mode) mode.value = state.mode;
  if (document.activeElement !== at("volume")) at("volume").value = state.volume;
  const learnt = state.learnt || [];
  at("learnt-section").hidden = learnt.length === 0;
  onChange("learnt", learnt, (place) => place.replaceChildren(...learnt.map((entry) => {
    const often = entry.times === 1 ? "once" : `${entry.times} times`;
    const item = element("li", `${entry.seat}, said ${often} `);
    item.append(element("button", "Forget",
      { "data-command": "forget", "data-payload": String(entry.number) }));
    return item;
  })));
}

function bar(day, longest) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", "bar");
  made.setAttribute("viewBox", "0 0 100 10");
  made.setAttribute("preserveAspectRatio", "none");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", `${minutes(day.phone_s)} phone of ${minutes(day.focus_s)} focus`);
  const unit = 100 / longest;
  const parts = [["focus", 0, day.focus_s - day.phone_s], ["phone", day.focus_s - day.phone_s, day.phone_s]];
  for (const [kind, from, length] of parts) {
    const part = document.createElementNS(SVG, "rect");
    part.setAttribute("class", kind);
    part.setAttribute("x", Math.max(0, from) * unit);
    part.setAttribute("width", Math.max(0, length) * unit);
    part.setAttribute("height", 10);
    made.append(part);
  }
  return made;
}

function showDays(answer) {
  // A full bar is an hour at least: a day of one minute must not look like a day of work.
  const longest = Math.max(...answer.days.map((day) => day.focus_s), 3600);
  at("days").replaceChildren(...[...answer.days].reverse().map((day) => {
    const row = element("tr");
    const name = new Date(`${day.date}T12:00:00`).toLocaleDateString(undefined,
      { weekday: "short", day: "numeric", month: "short" });
    const shape = element("td");
    shape.append(bar(day, longest));
    row.append(element("td", name), shape,
      element("td", minutes(day.focus_s)), element("td", minutes(day.phone_s)),
      element("td", String(day.pickups)), element("td", `${day.clean_sessions} of ${day.sessions}`));
    return row;
  }));
  at("days-why").textContent = answer.why || (answer.days.length ? "" : "No history is kept.");
}

async function refresh() {
  try {
    state = await ask("/api/state");
    aheadMs = new Date(state.now) - Date.now();
    connected(true);
    show();
  } catch (error) {
    connected(false); // what is shown is how it was
  }
}

async function refreshDays() {
  try {
    showDays(await ask("/api/days"));
  } catch (error) {
    at("days-why").textContent = "the box does not answer";
  }
}

document.addEventListener("told", () => setTimeout(refresh, 250));
at("mode").addEventListener("change", (event) => tell("mode", event.target.value));
at("volume").addEventListener("change", (event) => tell("volume", event.target.value));
refresh();
setInterval(refresh, 1000);
setInterval(refreshDays, 60000);
