// The page's buttons: a camera, a photo or a video goes in.

import { CutOut } from "./cutout.js";
import { Network } from "./network.js";
import { Stage } from "./stage.js";

const at = (id) => document.getElementById(id);
const say = (text) => (at("said").value = text);
const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, loop: true });
const stage = new Stage(at("canvas"));
let cutOut, photo, landscape;
let plays = 0;

/** Shows frame after frame until something else is shown; frames that come while one is computed are left out. */
async function play() {
  const number = ++plays;
  await video.play();
  for (let last = performance.now(); ; ) {
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    if (number !== plays) return;
    const frame = await createImageBitmap(video);
    await cutOut.show(frame);
    frame.close();
    if (number !== plays) return;
    const now = performance.now();
    say(`${(1000 / (now - last)).toFixed(1)} frames a second`);
    last = now;
  }
}

function stop() {
  plays++;
  photo = null;
  video.pause();
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
}

async function showPhoto() {
  if (photo) await cutOut.show(photo);
}

function on(id, event, action) {
  at(id).addEventListener(event, () => action(at(id)).catch((error) => say(error.message)));
}

on("camera", "click", async () => {
  stop();
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } });
  await play();
});
on("file", "change", async ({ files: [file] }) => {
  if (!file) return;
  stop();
  if (file.type.startsWith("image/")) {
    photo = await createImageBitmap(file);
    await showPhoto();
    say(file.name);
  } else {
    video.src = URL.createObjectURL(file);
    await play();
  }
});
on("background", "change", async ({ files: [file] }) => {
  if (!file) return;
  stage.setBackground((landscape = await createImageBitmap(file)));
  at("nothing").checked = false;
  await showPhoto();
});
on("nothing", "change", async ({ checked }) => {
  stage.setBackground(checked ? null : landscape);
  await showPhoto();
});

try {
  landscape = await createImageBitmap(await (await fetch("background.jpg")).blob());
  stage.setBackground(landscape);
  cutOut = new CutOut(await Network.load("model"), stage);
  say("Ready");
} catch (error) {
  say(error.message);
}
