// What the network says of a picture. All that it needs to know stands in model.json, which build.py writes.

import * as ort from "./ort.wasm.min.mjs";
import { rounded } from "./planes.js";

export class Network {
  /** Loads model.json and model.onnx from a folder, by its address. */
  static async load(folder) {
    const answer = await fetch(`${folder}/model.json`);
    if (!answer.ok) throw new Error(`${answer.url}: ${answer.status}; write the page again with build.py`);
    return new Network(await answer.json(), await ort.InferenceSession.create(`${folder}/model.onnx`));
  }

  constructor(rules, session) {
    this.rules = rules;
    this.session = session;
    this.canvas = new OffscreenCanvas(1, 1);
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
  }

  /**
   * P(person) of a picture, and the picture in grey.
   *
   * @param {CanvasImageSource} picture of a width and a height in pixels.
   * @param {boolean} mirrored whether the network sees its mirror image; the result is of the picture itself.
   * @returns {Promise<{data: Float32Array, gray: Float32Array, width: number, height: number}>} rows in [0, 1] and in
   *   [0, 255], at the network's size.
   */
  async score(picture, width, height, mirrored = false) {
    const place = this.place(width, height);
    const pixels = this.pixels(picture, place, mirrored);
    const input = new ort.Tensor("float32", this.tensor(pixels), [1, 3, place.wholeHeight, place.wholeWidth]);
    const outputs = await this.session.run({ [this.session.inputNames[0]]: input });
    const { data, dims } = outputs[this.session.outputNames[0]];
    const size = place.wholeWidth * place.wholeHeight;
    const person = dims.length === 3 // the classes themselves
      ? (index) => Number(Number(data[index]) > 0)
      : dims[1] === 2 ? (index) => data[size + index] : (index) => 1 - data[index];
    const gray = (i) => 0.299 * pixels[4 * i] + 0.587 * pixels[4 * i + 1] + 0.114 * pixels[4 * i + 2];
    const score = part(person, place, mirrored);
    const highest = score.reduce((one, other) => Math.max(one, other));
    if (highest <= this.rules.sure) score.fill(0); // nobody is there, and what is left is haze
    return { data: score, gray: part(gray, place, mirrored), width: place.width, height: place.height };
  }

  /** Where a picture lies in the network's input: `Preprocess.content` in Python. */
  place(width, height) {
    const { rules } = this;
    const whole = { left: 0, top: 0, wholeWidth: rules.width, wholeHeight: rules.height };
    if (rules.border === null) return { ...whole, width: rules.width, height: rules.height };
    const zoom = Math.min(rules.width / width, rules.height / height);
    const [w, h] = [width, height].map((side) => Math.max(1, rounded(side * zoom)));
    if (rules.coarsest_stride !== null) {
      whole.wholeWidth = Math.ceil(w / rules.coarsest_stride) * rules.coarsest_stride;
      whole.wholeHeight = Math.ceil(h / rules.coarsest_stride) * rules.coarsest_stride;
    }
    if (rules.centered) {
      whole.left = Math.floor((whole.wholeWidth - w) / 2);
      whole.top = Math.floor((whole.wholeHeight - h) / 2);
    }
    return { ...whole, width: w, height: h };
  }

  /** The input as RGBA in [0, 255]. */
  pixels(picture, { left, top, width, height, wholeWidth, wholeHeight }, mirrored = false) {
    const { rules, canvas, context } = this;
    Object.assign(canvas, { width: wholeWidth, height: wholeHeight });
    if (rules.border !== null) {
      context.fillStyle = `rgb(${rules.border.join(" ")})`;
      context.fillRect(0, 0, wholeWidth, wholeHeight);
    }
    context.imageSmoothingQuality = "high";
    if (mirrored) context.setTransform(-1, 0, 0, 1, 2 * left + width, 0);
    context.drawImage(picture, left, top, width, height);
    return context.getImageData(0, 0, wholeWidth, wholeHeight).data;
  }

  /** The input normalised, plane after plane. */
  tensor(pixels) {
    const { rules } = this;
    const size = pixels.length / 4;
    const tensor = new Float32Array(3 * size);
    rules.channels.forEach((channel, plane) => {
      const [scale, offset] = [rules.scale[plane], rules.offset[plane]];
      for (let i = 0; i < size; i++) tensor[plane * size + i] = pixels[4 * i + channel] * scale + offset;
    });
    return tensor;
  }
}

/** A plane of what a function gives for each pixel's number in the network's input, without the border. */
function part(value, { left, top, width, height, wholeWidth }, mirrored) {
  const plane = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      plane[y * width + (mirrored ? width - 1 - x : x)] = value((top + y) * wholeWidth + left + x);
    }
  }
  return plane;
}
