"use strict";
// Asks the box for its state every second, and shows it.

const SVG = "http://www.w3.org/2000/svg";
let state = {};
let aheadMs = 0; // of the box's clock

function minutes(seconds) {
  const whole = Math.round(seconds / 60);
  return whole < 60 ? t("{n} min", { n: whole }) : t("{hours} h {n} min", { hours: Math.floor(whole / 60), n: whole % 60 });
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
  if (state.reason || state.session !== "focus") return said(state.reason);
  if (state.snooze_until) {
    const until = new Date(state.snooze_until).toLocaleTimeString(LANGUAGE, { timeStyle: "short" });
    return t("Snoozed until {time}.", { time: until });
  }
  if (state.view !== "clear") return t("The camera cannot see the desk: {why}.", { why: said(state.view) });
  return state.activity === "working" ? t("All is well.") : "";
}

const SESSIONS = { idle: t("Nothing runs"), focus: t("Focus"), break: t("Break"), paused: t("Paused") };

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
    `${name}: ${state.session === "focus" ? said(seat.activity) : t("not watched")}`);
  onChange("seats", seats, (place) => place.replaceChildren(...seats.map((line) => element("li", line))));
  at("faults").textContent = (state.faults || []).length
    ? t("Not working: {parts}", { parts: state.faults.map(said).join(", ") }) : "";
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
  // What it sees now, and what it missed.
  document.querySelector('[data-command="my_phone"]').hidden = state.session !== "focus" || state.activity === "phone";
  say("mute", state.muted ? t("Unmute") : t("Mute"));
  at("mute").dataset.payload = state.muted ? "off" : "on";
  hear(state);
  const mode = at("mode");
  if (mode.options.length !== (state.modes || []).length)
    mode.replaceChildren(...(state.modes || []).map((name) => element("option", name, { value: name })));
  if (document.activeElement !== mode) mode.value = state.mode;
  if (document.activeElement !== at("volume")) at("volume").value = state.volume;
  const learnt = state.learnt || [];
  at("learnt-section").hidden = learnt.length === 0;
  onChange("learnt", learnt, (place) => place.replaceChildren(...learnt.map((entry) => {
    const item = element("li", tn("{seat}, said once", "{seat}, said {n} times", entry.times, { seat: entry.seat }) + " ");
    item.append(element("button", t("Forget"),
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
  made.setAttribute("aria-label", t("{phone} phone of {focus} focus", { phone: minutes(day.phone_s), focus: minutes(day.focus_s) }));
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
    const name = new Date(`${day.date}T12:00:00`).toLocaleDateString(LANGUAGE,
      { weekday: "short", day: "numeric", month: "short" });
    const shape = element("td");
    shape.append(bar(day, longest));
    row.append(element("td", name), shape,
      element("td", minutes(day.focus_s)), element("td", minutes(day.phone_s)),
      element("td", String(day.pickups)), element("td", t("{n} of {all}", { n: day.clean_sessions, all: day.sessions })));
    return row;
  }));
  at("days-why").textContent = answer.why || (answer.days.length ? "" : t("No history is kept."));
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
    at("days-why").textContent = t("the box does not answer");
  }
}

document.addEventListener("told", () => setTimeout(refresh, 250));
at("mode").addEventListener("change", (event) => tell("mode", event.target.value));
at("volume").addEventListener("change", (event) => tell("volume", event.target.value));
refreshDays().then(refresh).then(() => setInterval(refresh, 1000));
setInterval(refreshDays, 60000);
