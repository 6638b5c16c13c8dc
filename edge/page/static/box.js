"use strict";
// What the box says of its own condition.

const FIGURES = [
  ["version", t("Version"), (value) => value],
  ["fps", t("Pictures judged a second"), (value) => number(value, 1)],
  ["inference_ms", t("Time of the detector"), (value) => `${number(value, 0)} ms`],
  ["frame_age_ms", t("Age of a picture when it is judged"), (value) => `${number(value, 0)} ms`],
  ["temperature_c", t("Temperature"), (value) => `${number(value, 0)} °C`],
  ["throttled", t("Held back by heat or too little current"), throttled],
  ["rss_kib", t("Memory"), (value) => `${number(value / 1024, 0)} MiB`],
  ["drops", t("Pictures that were not judged"), (value) => number(value, 0)],
];

const number = (value, digits) => value.toLocaleString(LANGUAGE, { maximumFractionDigits: digits });

// Bits 0 to 3 are what is so now, those from 16 on what once was.
function throttled(bits) {
  return bits & 15 ? t("yes, now") : bits >> 16 ? t("not now, but since it was switched on") : t("no");
}

function show(box) {
  const rows = FIGURES.filter(([name]) => box.figures[name] !== null && box.figures[name] !== undefined)
    .map(([name, words, shape]) => [words, shape(box.figures[name])]);
  onChange("figures", rows, (list) => list.replaceChildren(...rows.flatMap(([words, value]) =>
    [element("dt", words), element("dd", value)])));
  say("faults", box.faults.length ? t("Not working: {parts}", { parts: box.faults.map(said).join(", ") }) : "");
  const offer = box.newest && box.newest.newer ? box.newest : null;
  at("update").hidden = !offer;
  if (offer) {
    say("version", t("{version} is there; {installed} runs.", { version: offer.version, installed: box.figures.version }));
    say("notes", offer.notes);
    at("where").hidden = !offer.url;
    at("where").href = offer.url; // http or https: the box takes no other
    say("where", offer.url);
  }
  onChange("lines", box.lines, (list) => {
    const below = list.scrollHeight - list.scrollTop - list.clientHeight < 8;
    list.replaceChildren(...box.lines.map(line));
    if (below) list.scrollTop = list.scrollHeight;
  });
  at("none").hidden = box.lines.length > 0;
}

function line({ at: when, level, by, text }) {
  const item = element("li", "", { class: level.toLowerCase() });
  const time = new Date(1000 * when).toLocaleString(LANGUAGE, { dateStyle: "short", timeStyle: "medium" });
  item.append(element("time", time), element("span", by === "page" ? t("page") : t("box")), element("span", text));
  return item;
}

async function refresh() {
  if (document.hidden) return;
  try {
    const box = await ask("/api/box");
    connected(!box.away);
    show(box);
  } catch (error) {
    connected(false, t("the page does not answer"));
  }
}

refresh();
setInterval(refresh, 2000);
