"use strict";
// The live picture with what is made of it, and the drawing of seats and dock.
// A rectangle is [top, left, bottom, right], each 0..1 of the picture, as in the configuration.

const SMALLEST = 0.02;
const GRIP = 0.03; // so near to an edge is on it
const STEP = 0.01;
let plan = null; // the seats as they are being drawn: [{name, box, dock}]
let chosen = { seat: 0, part: "box" };
let drag = null;

function describe() {
  const seats = seen.seats || [];
  at("focus").hidden = seen.away || seen.camera;
  at("aim").hidden = seen.away || seen.session === "focus" || (seen.camera && !seen.aiming);
  say("aim", seen.aiming ? t("Close it now") : t("Open it for two minutes, to aim it"));
  const phone = seats.some((seat) => seat.activity === "phone");
  at("not-a-phone").hidden = !phone;
  at("my-phone").hidden = phone || seen.session !== "focus";
  if (!seen.camera) {
    say("words", seen.away ? t("The box does not answer.")
      : t("The camera is closed. It is open in a focus session only, and then a light is on."));
    say("reason", "");
    say("hint", "");
    onChange("sight", [], (list) => list.replaceChildren());
    return;
  }
  const things = (seen.things || []).map((thing) => `${said(thing.label)} ${percent(thing.score)}`);
  say("words", seen.view && seen.view !== "clear" ? t("The camera cannot see the desk: {why}.", { why: said(seen.view) })
    : things.length ? t("Sees {things}.", { things: things.join(", ") }) : t("Sees nothing that it knows."));
  const worst = seats.reduce((a, b) => (b.level > a.level ? b : a), { level: 0, reason: "" });
  say("reason", worst.level ? t("Level {level}: {reason}", { level: worst.level, reason: said(worst.reason) })
    : seen.session === "focus" ? t("No nudge.")
    : seen.reading ? t("Nobody is watched: the camera waits for a card with a number of minutes.")
    : t("Nobody is watched: this is only to aim the camera."));
  const lines = seen.session !== "focus" ? [] : seats.map((seat) => {
    const use = seat.phone && said(seat.phone.use) + (seat.phone.why ? ` (${said(seat.phone.why)})` : "");
    const phone = use ? `, ${t("a phone {use}", { use })}` : "";
    const dock = seat.docked && seat.docked !== "none" ? `, ${t("dock: {what}", { what: said(seat.docked) })}` : "";
    return `${seat.name}: ${said(seat.activity)}${phone}${dock}`;
  });
  onChange("sight", lines, (list) => list.replaceChildren(...lines.map((line) => element("li", line))));
  say("hint", said(seen.hint || ""));
}

// ---------------------------------------------------------------- painting

function paint() {
  paintPicture();
  if (plan) {
    plan.forEach((seat, i) => {
      for (const part of ["box", "dock"])
        if (seat[part]) {
          const own = i === chosen.seat && part === chosen.part;
          rectangle(seat[part], part === "dock" ? "#58a6ff" : "#62c08a", label(seat, part), own ? 4 : 2, !own);
        }
    });
    return;
  }
  for (const seat of seen.seats || []) {
    if ((seen.seats.length > 1 || seat.box.join() !== "0,0,1,1"))
      rectangle(seat.box, "#62c08a", seat.name, 2, true);
    if (seat.dock) rectangle(seat.dock, "#58a6ff", seat.docked === "none" ? t("dock") : t("dock: {what}", { what: said(seat.docked) }), 2, true);
  }
  for (const thing of seen.things || [])
    rectangle(thing.box, thing.label === "phone" ? "#ff5a4f" : "#f0a83c", `${said(thing.label)} ${percent(thing.score)}`, 2);
}

function rectangle(box, colour, words, width, dashed = false) {
  const [top, left, bottom, right] = box.map((edge, i) => edge * (i % 2 ? canvas.width : canvas.height));
  const dot = canvas.width / (canvas.clientWidth || canvas.width); // one of the screen
  pen.lineWidth = width * dot;
  pen.strokeStyle = colour;
  pen.setLineDash(dashed ? [8 * dot, 6 * dot] : []);
  pen.strokeRect(left, top, right - left, bottom - top);
  const size = Math.round(12 * dot);
  pen.font = `600 ${size}px system-ui, sans-serif`;
  const wide = pen.measureText(words).width + size;
  const x = Math.max(0, Math.min(left, canvas.width - wide));
  const y = top >= size * 1.5 ? top - size * 1.5 : top;
  pen.fillStyle = colour;
  pen.fillRect(x, y, wide, size * 1.5);
  pen.fillStyle = "#000";
  pen.fillText(words, x + size / 2, y + size * 1.15);
}

const label = (seat, part) => (part === "dock" ? t("dock of {seat}", { seat: seat.name }) : seat.name);

// ---------------------------------------------------------------- drawing

async function beginDrawing() {
  const form = await ask("/api/settings");
  plan = form.seats;
  chosen = { seat: 0, part: "box" };
  at("drawing").hidden = false;
  at("draw").hidden = true;
  at("faulty").replaceChildren();
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", t("Draw here; arrows move it, with Shift they move its lower right corner"));
  showTargets();
  canvas.focus();
}

function endDrawing() {
  plan = drag = null;
  at("drawing").hidden = true;
  at("draw").hidden = false;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", t("The camera's picture"));
  paint();
}

function showTargets() {
  const rows = plan.map((seat, i) => {
    const row = element("div", "", { class: "target" });
    for (const part of ["box", "dock"]) {
      const name = element("label", "", { class: "inline" });
      const radio = element("input", "", { type: "radio", name: "target", value: `${i} ${part}` });
      radio.checked = i === chosen.seat && part === chosen.part;
      radio.addEventListener("change", () => { chosen = { seat: i, part }; showNumbers(); paint(); });
      name.append(radio, ` ${part === "box" ? t("Seat") : seat.dock ? t("Its dock") : t("Its dock (none yet)")}`);
      row.append(name);
    }
    const named = element("label", t("Name") + " ");
    const input = element("input", "", { value: seat.name, maxlength: 32 });
    input.addEventListener("input", () => { seat.name = input.value; paint(); });
    named.append(input);
    row.append(named);
    return row;
  });
  at("targets").replaceChildren(at("targets").firstElementChild, ...rows);
  showNumbers();
}

const current = () => plan[chosen.seat][chosen.part];

function setCurrent([top, left, bottom, right]) {
  const round = (edge) => Math.round(Math.min(1, Math.max(0, edge)) * 1000) / 1000;
  const had = current();
  plan[chosen.seat][chosen.part] = [top, left, bottom, right].map(round);
  if (!had) showTargets();
  else showNumbers();
  paint();
}

function showNumbers() {
  const box = current();
  at("edges").disabled = !box;
  at("drop").textContent = chosen.part === "dock" ? t("No dock") : t("Take this seat away");
  at("drop").disabled = chosen.part === "dock" ? !box : plan.length < 2;
  const [top, left, bottom, right] = box || [0, 0, 0, 0];
  const values = { left, top, wide: right - left, tall: bottom - top };
  for (const [id, value] of Object.entries(values))
    if (document.activeElement !== at(id)) at(id).value = box ? Math.round(value * 1000) / 10 : "";
}

for (const id of ["left", "top", "wide", "tall"]) at(id).addEventListener("input", () => {
  const [left, top, wide, tall] = ["left", "top", "wide", "tall"].map((each) => at(each).valueAsNumber / 100);
  if ([left, top, wide, tall].every(Number.isFinite)) setCurrent([top, left, top + tall, left + wide]);
});

function where(event) {
  const place = canvas.getBoundingClientRect();
  const share = (value, from, length) => Math.min(1, Math.max(0, (value - from) / length));
  return [share(event.clientY, place.top, place.height), share(event.clientX, place.left, place.width)];
}

// Which edges of the rectangle are held there: of an edge or a corner those, inside all of them.
function held(box, [y, x]) {
  if (!box) return null;
  const [top, left, bottom, right] = box;
  if (y < top - GRIP || y > bottom + GRIP || x < left - GRIP || x > right + GRIP) return null;
  const near = [top, left, bottom, right].map((edge, i) => Math.abs((i % 2 ? x : y) - edge) < GRIP);
  if (near.some(Boolean)) return near;
  // What fills the picture has nothing beside it: begin anew inside.
  return right - left > 0.95 && bottom - top > 0.95 ? null : [true, true, true, true];
}

canvas.addEventListener("pointerdown", (event) => {
  if (!plan) return;
  canvas.setPointerCapture(event.pointerId);
  const from = where(event);
  drag = { from, box: current() && [...current()], edges: held(current(), from) };
  event.preventDefault();
});

canvas.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const to = where(event);
  if (drag.edges) return moveEdges(drag.box, drag.edges, to[0] - drag.from[0], to[1] - drag.from[1]);
  const [y, x] = drag.from;
  if (Math.abs(to[0] - y) > SMALLEST && Math.abs(to[1] - x) > SMALLEST)
    setCurrent([Math.min(y, to[0]), Math.min(x, to[1]), Math.max(y, to[0]), Math.max(x, to[1])]);
});

for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { drag = null; });

function moveEdges([top, left, bottom, right], edges, down, across) {
  if (edges.every(Boolean)) {
    down = Math.min(Math.max(down, -top), 1 - bottom);
    across = Math.min(Math.max(across, -left), 1 - right);
  }
  const moved = [top, left, bottom, right].map((edge, i) => edges[i] ? edge + (i % 2 ? across : down) : edge);
  if (moved[2] - moved[0] >= SMALLEST && moved[3] - moved[1] >= SMALLEST) setCurrent(moved);
}

canvas.addEventListener("keydown", (event) => {
  const ways = { ArrowUp: [-STEP, 0], ArrowDown: [STEP, 0], ArrowLeft: [0, -STEP], ArrowRight: [0, STEP] };
  const way = ways[event.key];
  if (!plan || !way) return;
  event.preventDefault();
  const box = current() || [0.4, 0.4, 0.6, 0.6];
  moveEdges(box, event.shiftKey ? [false, false, true, true] : [true, true, true, true], ...way);
});

const aim = async (on) => {
  const answer = await post("/api/aim", { on });
  at("answer").textContent = answer.ok ? "" : said(answer.error);
};
at("aim").addEventListener("click", () => aim(!seen.aiming));
at("draw").addEventListener("click", beginDrawing);
at("leave").addEventListener("click", endDrawing);
at("add-seat").addEventListener("click", () => {
  plan.push({ name: t("seat {n}", { n: plan.length + 1 }), box: [0, 0.5, 1, 1], dock: null });
  chosen = { seat: plan.length - 1, part: "box" };
  showTargets();
  paint();
});
at("drop").addEventListener("click", () => {
  if (chosen.part === "dock") plan[chosen.seat].dock = null;
  else plan.splice(chosen.seat, 1);
  chosen = { seat: 0, part: "box" };
  showTargets();
  paint();
});
at("save").addEventListener("click", async () => {
  const answer = await post("/api/settings", { changes: [{ path: ["seats"], value: plan }] });
  const faults = answer.faults || (answer.ok ? [] : [{ where: "", text: answer.error }]);
  at("faulty").replaceChildren(...faults.map((fault) => element("li", `${fault.where} ${fault.text}`)));
  if (!answer.ok) return;
  at("answer").textContent = outcome(answer);
  endDrawing();
});

if (new URLSearchParams(location.search).has("aim")) aim(true);
look(() => { describe(); paint(); });
// What the box refuses later, and what it has learnt.
setInterval(async () => {
  try { if (!document.hidden) hear(await ask("/api/state")); } catch (error) { /* look() says it */ }
}, 1000);
