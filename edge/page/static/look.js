"use strict";
// The picture of the camera, on the canvas `picture`, and what is told with it.

const canvas = at("picture");
const pen = canvas.getContext("2d");
const ink = (name) => getComputedStyle(document.body).getPropertyValue(`--${name}`).trim();
const percent = (share) => `${Math.round(100 * share)} %`;
let seen = {}; // what was told with the last picture
let bitmap = null;

// Asks for one picture after the other, and calls `changed` with each.
async function look(changed) {
  let number = -1;
  for (;;) {
    if (document.hidden) {
      await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
      continue;
    }
    try {
      const answer = loggedOut(await fetch(`/api/look?after=${number}`, { cache: "no-store" }));
      if (!answer.ok) throw new Error(`${answer.status}`);
      number = Number(answer.headers.get("X-Number"));
      await take(await answer.arrayBuffer());
      changed();
    } catch (error) {
      connected(false, t("the page does not answer"));
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

async function take(body) {
  const head = new DataView(body);
  if (body.byteLength < 8) return;
  const length = head.getUint32(0);
  seen = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 8, length)));
  const picture = new Uint8Array(body, 8 + length);
  const next = picture.length ? await createImageBitmap(new Blob([picture], { type: "image/jpeg" })) : null;
  if (bitmap) bitmap.close();
  bitmap = next;
  connected(!seen.away);
}

function paintPicture() {
  const ratio = seen.width ? seen.height / seen.width : 0.75;
  const width = bitmap ? bitmap.width : 640;
  if (canvas.width !== width) canvas.width = width;
  const height = Math.round(width * ratio);
  if (canvas.height !== height) canvas.height = height;
  pen.fillStyle = ink("line");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  if (bitmap) pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
}
