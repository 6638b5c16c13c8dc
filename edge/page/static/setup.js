"use strict";
// The first steps of a new box. What a step asks for are settings, so it is saved as they are.

let declared = { sections: [] };
let now = 0;

function settingOf(path) {
  const section = declared.sections.find((each) => each.path.join() === path.slice(0, -1).join());
  return section.settings.find((each) => each.name === path.at(-1));
}

// A labelled input for one setting; `values` gets what is typed.
function asked(path, words, values) {
  const setting = settingOf(path);
  const id = `s-${path.join(".")}`;
  const row = element("div", "", { class: "setting" });
  const choices = setting.choices;
  const kind = { switch: "checkbox", secret: "password" }[setting.kind] || "text";
  const input = choices ? element("select") : element("input", "", { type: kind, autocomplete: "off" });
  input.id = id;
  input.setAttribute("aria-describedby", `${id}-help ${id}-wrong`);
  if (choices) input.append(...choices.map((each) => element("option", String(each), { value: String(each) })));
  if (kind === "checkbox") input.checked = setting.value;
  else input.value = setting.value === null ? "" : String(setting.value);
  input.addEventListener("input", () => {
    const text = input.value.trim();
    const number = setting.kind === "whole" || setting.kind === "number" || choices && typeof choices[0] === "number";
    values.set(path, kind === "checkbox" ? input.checked : number && text && Number.isFinite(Number(text)) ? Number(text) : input.value);
  });
  row.append(element("label", words, { for: id }), input,
    element("p", setting.help, { id: `${id}-help`, class: "help" }),
    element("p", "", { id: `${id}-wrong`, class: "wrong", role: "alert" }));
  return row;
}

async function save(values) {
  if (values.size === 0) return true;
  const changes = [...values].map(([path, value]) => ({ path, value: value === "" ? null : value }));
  const answer = await post("/api/settings", { changes });
  const faults = answer.faults || (answer.ok ? [] : [{ where: "", text: answer.error }]);
  const elsewhere = [];
  for (const fault of faults) {
    const place = at(`s-${fault.where}-wrong`);
    if (place) place.textContent = fault.text.replace(/^ = .*?: /s, "");
    else elsewhere.push(`${fault.where} ${fault.text}`);
  }
  at("faulty").replaceChildren(...elsewhere.map((text) => element("li", text)));
  if (answer.ok) {
    waiting = waiting || (answer.waiting || []).length > 0 || Boolean(answer.away);
    at("answer").textContent = outcome(answer);
    declared = await ask("/api/settings");
  }
  return answer.ok;
}

let waiting = false; // whether something is in force after the next start only

function settingsStep(title, words, paths) {
  const values = new Map();
  return {
    title,
    done: t("Save and go on"),
    show: (body) => body.append(element("p", words), ...paths.map(([path, label]) => asked(path, label, values))),
    leave: () => save(values),
  };
}

// The zones that this browser knows, and its own to be taken with one press.
function zones(input) {
  const known = element("datalist", "", { id: "zones" });
  known.append(...Intl.supportedValuesOf("timeZone").map((name) => element("option", "", { value: name })));
  input.setAttribute("list", known.id);
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const take = element("button", t("Take {zone}", { zone: here }), { type: "button" });
  take.addEventListener("click", () => {
    input.value = here;
    input.dispatchEvent(new Event("input"));
  });
  input.after(known, take);
}

const PARTS = [["lights", t("Show the lights")], ["buzzer", t("Play the sound")], ["chirp", t("Play a chirp")]];

const STEPS = [
  {
    title: t("A password"),
    done: t("Set it and go on"),
    show(body) {
      const label = element("label", t("Password, 8 characters or more"));
      const input = element("input", "", { type: "password", id: "password-new", autocomplete: "new-password" });
      label.append(input);
      body.append(element("p", t("Until there is one, whoever has the code of the box gets in.")), label);
    },
    async leave() {
      const answer = await post("/api/password", { new: at("password-new").value });
      at("faulty").replaceChildren(...(answer.ok ? [] : [element("li", answer.error)]));
      return answer.ok;
    },
  },
  () => {
    const step = settingsStep(t("Its name, its place and its time"), t("The box goes by this name, here and in Home Assistant. Its clock says {time}, {hours} h from world time (UTC).", { time: clock(), hours: ahead() }),
      [[["box", "name"], t("Name")], [["box", "place"], t("Place")], [["box", "timezone"], t("Time zone")], [["box", "id"], t("Id, for more than one box on a broker")]]);
    return { ...step, show: (body) => { step.show(body); zones(at("s-box.timezone")); } };
  },
  {
    title: t("The camera and the seats"),
    done: t("Go on"),
    show(body) {
      const steps = element("ol");
      steps.append(
        element("li", t("Open the view: for two minutes the camera is open for it, and a light is on.")),
        element("li", t("Turn the box until your seat and your hands on the desk are in the picture.")),
        element("li", t("Draw the seat, and the dock where the phone is to lie, if you want one.")));
      const link = element("a", t("Open the view"), { href: "/view?aim", class: "button", target: "_blank", rel: "opener" });
      body.append(steps, link);
    },
    leave: () => true,
  },
  {
    title: t("Your phone"),
    done: t("Go on"),
    show(body) {
      body.append(element("p", t("The box knows phones. It knows yours better when you have shown it, and what you hold that is none.")),
        element("a", t("Show it"), { href: "/teach", class: "button", target: "_blank", rel: "opener" }));
    },
    leave: () => true,
  },
  {
    title: t("Lights, sound and button"),
    done: t("All of it works"),
    show(body) {
      const row = element("div", "", { class: "row" });
      for (const [part, words] of PARTS)
        row.append(element("button", words, { "data-command": "test", "data-payload": part, type: "button" }));
      body.append(element("p", t("Each shows or sounds for two seconds. A short press of the button on the box starts a focus session, a long one ends it.")),
        row, element("p", "", { id: "pressed", role: "status" }));
    },
    leave: () => true,
  },
  () => settingsStep(t("Who else may know"), t("A broker of yours, the one in the box, or none: the box works without."),
    [[["mqtt", "host"], t("Your broker")], [["mqtt", "username"], t("Its user")], [["mqtt", "password"], t("Its password")],
      [["broker", "enabled"], t("Run a broker in the box instead")]]),
  () => settingsStep(t("How hard it nudges"), t("All of this can be changed at any time."),
    [[["nudge", "mode"], t("Mode")], [["session", "focus_min"], t("A focus session, minutes")], [["session", "break_min"], t("A break, minutes")]]),
  {
    title: t("That is all"),
    done: t("To the box"),
    show(body) {
      body.append(element("p", waiting
        ? t("Some of it is in force after the next start of the box, which takes some seconds.")
        : t("All of it is in force.")));
      if (!waiting) return;
      const again = element("button", t("Start the box again now"), { type: "button" });
      again.addEventListener("click", async () => {
        const answer = await post("/api/restart");
        at("answer").textContent = answer.ok ? t("The box starts again.") : said(answer.error);
        waiting = waiting && !answer.ok;
        again.disabled = answer.ok;
      });
      body.append(again);
    },
    leave: () => { location.href = "/"; return false; },
  },
];

let session = "";
const clock = () => (boxTime ? boxTime.slice(0, 16).replace("T", " ") : t("nothing yet"));
const ahead = () => (boxTime ? boxTime.slice(-6, -3).replace("-", "−") + (boxTime.endsWith(":00") ? "" : boxTime.slice(-3)) : "?");
let boxTime = "";

function show(number, focus = true) {
  now = number;
  const step = typeof STEPS[now] === "function" ? STEPS[now]() : STEPS[now];
  at("title").textContent = step.title;
  at("body").replaceChildren();
  at("faulty").replaceChildren();
  step.show(at("body"));
  at("do").textContent = step.done;
  at("do").onclick = async () => { if (await step.leave()) show(now + 1); };
  at("skip").textContent = now < STEPS.length - 1 ? t("Leave this out") : "";
  at("skip").hidden = now === STEPS.length - 1;
  at("skip").onclick = () => show(now + 1);
  at("steps").replaceChildren(...STEPS.map((each, i) => {
    const item = element("li");
    const title = (typeof each === "function" ? each() : each).title;
    const button = element("button", title, { class: "quiet", "aria-current": i === now ? "step" : null });
    button.addEventListener("click", () => show(i));
    item.append(button);
    return item;
  }));
  if (focus) at("title").focus();
}

async function refresh() {
  try {
    const state = await ask("/api/state");
    connected(true);
    boxTime = state.now;
    if (session && state.session !== session && at("pressed")) say("pressed", t("The box is in: {session}.", { session: said(state.session) }));
    session = state.session;
  } catch (error) {
    connected(false);
  }
}

async function begin() {
  declared = await ask("/api/settings");
  if (declared.faults.length) at("faulty").replaceChildren(...declared.faults.map((each) => element("li", `${each.where} ${each.text}`)));
  if (declared.sections.length) show(0, false);
  await refresh();
  setInterval(refresh, 1000);
}

begin();
