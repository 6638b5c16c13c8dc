"use strict";
// A form for every setting, made from what the box says of them.

let declared = { sections: [] };
let played = null; // where to say what became of the last tune
const changes = new Map(); // path -> value; null: back to the default

const keyOf = (path) => path.join(".");
const idOf = (path) => `s-${keyOf(path)}`;

function field(path, setting, noted = note) {
  const id = idOf(path);
  const row = element("div", "", { class: "setting" });
  row.dataset.words = `${keyOf(path)} ${setting.help}`.toLowerCase();
  const words = element("label", setting.name.replaceAll("_", " "), { for: id });
  const help = element("p", helpOf(setting), { id: `${id}-help`, class: "help" });
  const wrong = element("p", "", { id: `${id}-wrong`, class: "wrong", role: "alert" });
  const input = inputOf(setting);
  input.id = id;
  input.setAttribute("aria-describedby", `${id}-help ${id}-wrong`);
  const back = element("button", t("Default"), { type: "button", class: "quiet",
    "aria-label": t("{setting}: back to the default", { setting: keyOf(path) }) });
  back.hidden = !setting.set || setting.by_hand;
  input.disabled = setting.by_hand;
  back.addEventListener("click", () => {
    show(input, setting, setting.default);
    noted(path, null);
    back.hidden = true;
  });
  input.addEventListener("input", () => {
    input.removeAttribute("aria-invalid");
    wrong.textContent = "";
    noted(path, valueOf(input, setting));
    back.hidden = false;
  });
  show(input, setting, setting.value);
  row.append(words, input, back, help, wrong);
  if (setting.tunes) row.append(...listening(path, setting.tunes, input, wrong));
  return row;
}

// A tune can be chosen from the library or written out, and listened to before it is saved.
function listening(path, tunes, input, wrong) {
  const known = element("datalist", "", { id: `${input.id}-known` });
  known.append(...tunes.map((name) => element("option", "", { value: name })));
  input.setAttribute("list", known.id);
  const button = element("button", t("Play it"), { type: "button", "aria-label": t("{setting}: play it", { setting: keyOf(path) }) });
  button.addEventListener("click", async () => {
    played = wrong;
    const answer = await post("/api/play", { tune: input.value.trim(), loud: path.at(-1) === "loud" });
    wrong.textContent = answer.ok ? "" : said(answer.error);
    if (answer.ok) input.removeAttribute("aria-invalid");
    else input.setAttribute("aria-invalid", "true");
  });
  return [known, button];
}

function helpOf(setting) {
  const parts = [setting.help];
  if ("low" in setting) parts.push(t("{low} to {high}.", setting));
  if (setting.kind === "secret") parts.push(setting.there ? t("One is set.") : t("None is set."));
  if (setting.by_hand) parts.push(t("Set in the file itself."));
  else if (setting.start) parts.push(t("In force after the next start."));
  return parts.join(" ");
}

function inputOf(setting) {
  if (setting.kind === "choice") {
    const select = element("select");
    select.append(...setting.choices.map((each) => element("option", String(each), { value: String(each) })));
    return select;
  }
  if (setting.kind === "switch") return element("input", "", { type: "checkbox" });
  if (setting.kind === "secret") return element("input", "", { type: "password", autocomplete: "new-password" });
  // Not type=number: what the box says of a wrong value is better than what a browser does with it.
  const number = setting.kind === "number" || setting.kind === "whole";
  return element("input", "", { type: "text", inputmode: number ? "decimal" : null, autocomplete: "off", spellcheck: "false" });
}

function show(input, setting, value) {
  if (setting.kind === "switch") input.checked = Boolean(value);
  else input.value = value === null ? "" : String(value);
}

function valueOf(input, setting) {
  if (setting.kind === "switch") return input.checked;
  if (setting.kind === "choice") return setting.choices.find((each) => String(each) === input.value);
  const number = Number(input.value.trim().replace(",", "."));
  const numeric = setting.kind === "number" || setting.kind === "whole";
  return numeric && input.value.trim() && Number.isFinite(number) ? number : input.value;
}

function note(path, value) {
  changes.set(keyOf(path), { path, value });
  at("bar").hidden = false;
  say("count", tn("{n} change", "{n} changes", changes.size));
}

// Hooks: those there are, each by its name in the file, with what of it changes, and new ones.
let hooks = [];

function hooksChanged() {
  note(["hooks"], hooks.map(({ of, set }) => ({ of, set })));
}

function hookPart(hook, number) {
  const part = element("details", "", { class: "section" });
  const now = (setting) => {
    if (!(setting.name in hook.set)) return setting;
    const given = hook.set[setting.name];
    const secret = setting.kind === "secret";
    return { ...setting, value: secret ? "" : given ?? setting.default, there: secret && Boolean(given), set: given !== null };
  };
  const out = element("button", t("Take it out"), { type: "button", "aria-label": t("{name}: take it out", { name: hook.name }) });
  out.addEventListener("click", () => {
    hooks.splice(number, 1);
    hooksChanged();
    showHooks();
    at("add").focus();
  });
  const summary = element("summary", hook.name);
  part.append(summary, ...hook.settings.map((setting) =>
    field([`hooks[${number}]`, setting.name], now(setting), (_, value) => {
      hook.set[setting.name] = value;
      if (setting.name === "name") summary.textContent = hook.name = value ?? setting.default;
      hooksChanged();
    })), out);
  part.open = hook.open;
  part.addEventListener("toggle", () => { hook.open = part.open; });
  return part;
}

function showHooks() {
  at("hooks").replaceChildren(...hooks.map(hookPart));
}

at("add").addEventListener("click", () => {
  const made = declared.hooks.at(-1);
  let name = made.of;
  for (let n = 2; hooks.some((each) => each.name === name); n += 1) name = `${made.of}-${n}`;
  hooks.push({ of: null, name, set: { name }, settings: made.settings, open: true });
  hooksChanged();
  showHooks();
  at(`s-hooks[${hooks.length - 1}].name`).focus();
});

async function load() {
  declared = await ask("/api/settings");
  connected(true);
  hooks = declared.hooks.slice(0, -1).map((hook) => ({ ...hook, name: hook.of, set: {}, open: false }));
  showHooks();
  changes.clear();
  at("bar").hidden = true;
  say("file", declared.file ? t("These are the settings in {file}; it can be edited by hand too.", { file: declared.file })
    : t("There is no configuration file: all is as it comes, and nothing can be changed here."));
  complain(declared.faults || []);
  at("sections").replaceChildren(...declared.sections.map((section) => {
    const part = element("details", "", { class: "section" });
    part.append(element("summary", `[${keyOf(section.path)}]`), element("p", section.help, { class: "help" }),
      ...section.settings.map((setting) => field([...section.path, setting.name], setting)));
    return part;
  }));
  find();
}

function complain(faults) {
  const elsewhere = [];
  for (const fault of faults) {
    const input = at(`s-${fault.where}`);
    if (!input) { elsewhere.push(`${fault.where} ${fault.text}`.trim()); continue; }
    input.setAttribute("aria-invalid", "true");
    at(`s-${fault.where}-wrong`).textContent = fault.text.replace(/^ = .*?: /s, "");
    input.closest("details").open = true;
  }
  at("faulty").replaceChildren(...elsewhere.map((text) => element("li", text)));
  const first = document.querySelector("[aria-invalid]");
  if (!first) return;
  first.focus();
  first.closest(".setting").scrollIntoView({ block: "center" }); // not below the bar
}

function find() {
  const wanted = at("find").value.trim().toLowerCase();
  for (const part of document.querySelectorAll("details.section")) {
    let any = false;
    for (const row of part.querySelectorAll(".setting")) {
      row.hidden = wanted !== "" && !row.dataset.words.includes(wanted);
      any = any || !row.hidden;
    }
    part.hidden = !any;
    if (wanted) part.open = true;
  }
}

async function save() {
  const answer = await post("/api/settings", { changes: [...changes.values()] });
  if (answer.faults) { complain(answer.faults); say("count", t("Not saved: see above.")); return; }
  if (!answer.ok) { say("count", answer.error); return; }
  await load();
  at("answer").textContent = outcome(answer);
  at("restart").hidden = !(answer.waiting || []).length;
  at("answer").scrollIntoView({ block: "center" });
}

at("find").addEventListener("input", find);
at("save").addEventListener("click", save);
at("leave").addEventListener("click", load);
for (const id of ["sections", "hooks"])
  at(id).addEventListener("submit", (event) => { event.preventDefault(); save(); });
at("restart").addEventListener("click", async () => {
  const answer = await post("/api/restart");
  at("answer").textContent = answer.ok ? t("The box starts again; that takes some seconds.") : said(answer.error);
  at("restart").hidden = answer.ok;
});
at("password").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await post("/api/password", { new: at("new").value });
  at("password-answer").textContent = answer.ok ? t("Set. Other browsers have to log in again.") : answer.error;
  if (answer.ok) at("new").value = "";
});
at("plain").hidden = location.protocol === "https:";
at("certificate").addEventListener("click", async () => {
  const answer = await post("/api/certificate");
  const there = location.href.replace(/^http:/, "https:");
  at("fingerprint").textContent = answer.ok
    ? t("Made. After the next start of the box the page is at {address}, and the browser warns once. It is the right one with the fingerprint (SHA-256) {fingerprint}.", { address: there, fingerprint: answer.fingerprint })
    : said(answer.error);
  if (answer.ok) await load();
  at("restart").hidden = !answer.ok;
});
// What the box refuses to play: it is muted, or the hours are quiet.
setInterval(async () => {
  if (document.hidden) return;
  try {
    const before = heard && heard.refused;
    hear(await ask("/api/state"));
    if (played && before !== null && before !== heard.refused) say(played.id, at("answer").textContent);
    connected(true);
  } catch (error) {
    connected(false);
  }
}, 1000);
load();
