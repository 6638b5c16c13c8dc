"use strict";
// The page itself is made by its server; here it is erased, and asks whether the box is there.

let erasing = null; // how often the box had erased something, before it was asked to

function ready() {
  for (const button of document.querySelectorAll("#erase button")) {
    const words = button.textContent;
    button.addEventListener("click", async () => {
      if (!button.dataset.sure) {
        button.dataset.sure = "yes";
        button.textContent = t("Really erase it?");
        return;
      }
      delete button.dataset.sure;
      button.textContent = words;
      const before = erased;
      const answer = await post("/api/erase", { day: button.dataset.day || null });
      at("answer").textContent = answer.ok ? t("It is being erased.") : t("Refused: {why}", { why: said(answer.error) });
      if (answer.ok) erasing = before;
    });
  }
}

let erased = 0;

async function refresh() {
  if (document.hidden) return;
  try {
    const state = await ask("/api/state");
    connected(true);
    say("box", state.box || "Procrastobot");
    erased = state.erased.number;
    if (erasing === null || erased === erasing) return;
    erasing = null;
    if (state.erased.why) at("answer").textContent = t("Not all of it is erased: {why}", { why: said(state.erased.why) });
    else location.reload();
  } catch (error) {
    connected(false);
  }
}

ready();
refresh();
setInterval(refresh, 1000);
