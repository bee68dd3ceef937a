// The page's buttons: a camera, a photo or a video goes in.

import { CutOut } from "./cutout.js";
import { Network } from "./network.js";
import { Stage } from "./stage.js";

const LARGEST = 4096; // pixels of a side, which any GPU takes; what is larger is shown smaller
const at = (id) => document.getElementById(id);
const say = (text) => (at("said").value = text);
const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, loop: true });
let stage, cutOut, photo, landscape;
let turns = 0;

/** Ends what is shown. @returns {() => boolean} whether nothing else was begun since. */
function begin() {
  const number = ++turns;
  photo = null;
  cutOut.reset();
  at("canvas").classList.remove("mirrored");
  video.pause();
  ended(video.srcObject);
  video.srcObject = null;
  return () => number === turns;
}

function ended(stream) {
  stream?.getTracks().forEach((track) => track.stop());
}

/** Of a file or a video's frame, an ImageBitmap that is not too large. What is transparent becomes white. */
async function opened(source) {
  const picture = await createImageBitmap(source);
  const zoom = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
  if (zoom === 1 && source === video) return picture;
  const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * zoom)));
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, width, height);
  picture.close();
  return context.canvas.transferToImageBitmap();
}

/** Shows frame after frame while `current()`; frames that come while one is computed are left out. */
async function play(current) {
  await video.play();
  for (let last = performance.now(); ; ) {
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    if (!current()) return;
    const frame = await opened(video);
    await cutOut.show(frame);
    frame.close();
    if (!current()) return;
    const now = performance.now();
    say(`${(1000 / (now - last)).toFixed(1)} frames a second`);
    last = now;
  }
}

async function showPhoto() {
  if (!photo) return;
  cutOut.reset();
  await cutOut.show(photo);
}

function on(id, event, action) {
  at(id).addEventListener(event, () => action(at(id)).catch((error) => say(error.message)));
}

/** When a file is chosen, the same one again too. */
function onFile(id, action) {
  on(id, "change", async (input) => {
    const [file] = input.files;
    input.value = "";
    if (file) await action(file);
  });
}

on("camera", "click", async () => {
  if (!navigator.mediaDevices) throw new Error("The browser gives a camera to https and to localhost alone");
  const current = begin();
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } });
  if (!current()) return ended(stream);
  stream.getVideoTracks()[0].addEventListener("ended", () => {
    if (!current()) return;
    begin();
    say("The camera gives no more pictures");
  });
  video.srcObject = stream;
  at("canvas").classList.add("mirrored"); // as one sees oneself
  await play(current);
});
onFile("file", async (file) => {
  const current = begin();
  if (!file.type.startsWith("image/")) {
    video.src = URL.createObjectURL(file);
    return play(current);
  }
  const picture = await opened(file);
  if (!current()) return;
  photo = picture;
  await showPhoto();
  if (current()) say(file.name);
});
onFile("background", async (file) => {
  stage.setBackground((landscape = await opened(file)));
  at("nothing").checked = false;
  await showPhoto();
});
on("nothing", "change", async ({ checked }) => {
  stage.setBackground(checked ? null : landscape);
  await showPhoto();
});

try {
  stage = new Stage(at("canvas"));
  landscape = await opened(await (await fetch("background.jpg")).blob());
  stage.setBackground(landscape);
  cutOut = new CutOut(await Network.load("model"), stage);
  document.querySelector("fieldset").disabled = false;
  say("Ready");
} catch (error) {
  say(error.message);
}
