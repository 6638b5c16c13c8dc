"use strict";

async function begin() {
  const { code } = await ask("/api/login");
  say("what", code
    ? t("Nobody has set a password yet. The box has said a code: in its log, and by procrastobot page --code.")
    : t("This box belongs to somebody."));
  say("label", code ? t("Code") : t("Password"));
  if (!code) return;
  at("given").type = "text";
  at("given").autocomplete = "one-time-code";
  at("given").inputMode = "numeric";
}

at("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await post("/api/login", { given: at("given").value });
  if (answer.ok) location.href = answer.first ? "/setup" : "/";
  else at("answer").textContent = answer.error;
  at("given").select();
});

begin();
