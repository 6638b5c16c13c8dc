"use strict";
// A thing is held before the camera, and a ring fills as different views of it come in; below it is
// what was shown before.

const AROUND = 2 * Math.PI * 52; // the ring
const LATE_S = 20; // a lesson that has not begun by then will not
const FEW = 10; // views, in a lesson
let begun = null; // when, and whether the camera was opened for it
let views = 0; // in the last lesson

function phase(lesson) {
  if (!lesson) return begun.seen ? t("One moment.") : t("The camera opens.");
  if (lesson.empty_s > 0) return t("Hands empty, and out of the picture.");
  if (lesson.left_s <= 0) return t("One moment.");
  if (lesson.views >= lesson.enough) return t("That is enough. You may put it down, or go on.");
  if (lesson.pictures > 15 && lesson.used * 5 < lesson.pictures)
    return t("Hardly anything is found in your hand: nearer to the camera, in better light.");
  return t("Hold it where you hold it when you use it, and turn it slowly: front, back, edge, in either hand.");
}

function ring(lesson) {
  const enough = lesson ? lesson.enough : 20;
  views = lesson ? lesson.views : 0;
  at("filled").setAttribute("stroke-dasharray", `${AROUND * Math.min(1, views / enough)} ${AROUND}`);
  say("views", t("{n} of {all}", { n: views, all: enough }));
  at("ring").setAttribute("aria-valuemax", enough);
  at("ring").setAttribute("aria-valuenow", Math.min(views, enough));
}

function show() {
  paintPicture();
  if (!begun) return;
  const lesson = seen.lesson || null;
  if (lesson) begun.seen = true;
  ring(lesson);
  say("phase", phase(lesson));
  countdown(lesson);
  // Closed by somebody, or never opened: what came in until then is kept for the next picture.
  if (!seen.camera && (begun.seen || Date.now() - begun.at > 1000 * LATE_S)) end();
}

// The box tells with each look how much is left, and between two of them time goes on.
let told = { left_s: null, at: 0 };

function countdown(lesson) {
  if (!lesson) { say("left", ""); return; }
  if (lesson.left_s !== told.left_s) told = { left_s: lesson.left_s, at: Date.now() };
  const passed = begun.seen && seen.camera ? (Date.now() - told.at) / 1000 : 0;
  const left = Math.ceil((lesson.empty_s > 0 ? lesson.empty_s : lesson.left_s) - passed);
  say("left", left > 0 ? t("{n} s", { n: left }) : "");
}

function end() {
  if (!begun) return;
  if (begun.opened) post("/api/aim", { on: false });
  begun = null;
  at("live").hidden = true;
  at("begin").disabled = false;
  load();
}

at("lesson").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = at("name").value.trim();
  const kind = new FormData(at("lesson")).get("kind");
  const opened = !seen.camera || Boolean(seen.aiming);
  if (opened) {
    const answer = await post("/api/aim", { on: true });
    if (!answer.ok) { at("answer").textContent = said(answer.error); return; }
  }
  if (!await tell("teach", JSON.stringify({ name, kind }))) return;
  begun = { at: Date.now(), opened, seen: false };
  at("live").hidden = false;
  at("begin").disabled = true;
  show();
  at("live").scrollIntoView({ block: "nearest" });
});

// ---------------------------------------------------------------- what it was shown

function row(thing) {
  const item = element("li");
  const words = element("div");
  const kind = thing.phone ? t("a phone") : t("no phone");
  words.append(element("strong", `${said(thing.name)}:`),
    ` ${tn("{kind}, {n} look of it is kept.", "{kind}, {n} looks of it are kept.", thing.views, { kind })} `,
    t("Taken for a phone: {before} before, {now} now.", { before: share(thing.before), now: share(thing.now) }));
  const button = element("button", t("Forget"), { type: "button", "aria-label": t("Forget {name}", { name: said(thing.name) }) });
  button.addEventListener("click", () => {
    if (button.dataset.sure) { tell("forget", JSON.stringify({ name: thing.name })); return; }
    button.dataset.sure = "yes";
    button.textContent = t("Really forget it?");
    button.removeAttribute("aria-label");
  });
  item.append(words, button);
  return item;
}

const share = (chance) => `${Math.round(100 * chance)} %`;

function advice(things) {
  if (!things.length) return "";
  if (things.every((thing) => thing.phone)) return t("Now show it something that is no phone: a wallet, a calculator, a cup.");
  if (things.every((thing) => !thing.phone)) return t("Now show it your phone.");
  if (views && views < FEW) return t("Those were few views: show it once more, and turn it further.");
  return t("Good. Show it more whenever something is taken for a phone.");
}

async function load() {
  try {
    const { things } = await ask("/api/taught");
    onChange("things", things, (list) => list.replaceChildren(...things.map(row)));
    at("nothing").hidden = things.length > 0;
    at("change").hidden = at("export").hidden = things.length === 0;
    say("advice", advice(things));
  } catch (error) { /* what is shown is how it was; refresh() says so */ }
}

async function refresh() {
  if (document.hidden) return;
  try {
    const before = heard && { ...heard };
    hear(await ask("/api/state"));
    // The lesson is over, or did not begin: the box has said what became of it.
    if (before && (before.taught !== heard.taught || before.refused !== heard.refused)) end();
    connected(true);
  } catch (error) {
    connected(false);
  }
}

function suggest() {
  if (!at("name").value && new FormData(at("lesson")).get("kind") === "phone") at("name").value = said("my phone");
}

at("lesson").addEventListener("change", suggest);
suggest();
load();
refresh();
look(show);
setInterval(refresh, 1000);
setInterval(load, 3000);
