// One picture, from the network to the canvas.

import { matte } from "./matte.js";
import { resized, rounded } from "./planes.js";

export class CutOut {
  /**
   * @param {Network} network finds the person.
   * @param {Stage} stage shows the person in front of something else.
   */
  constructor(network, stage) {
    this.network = network;
    this.stage = stage;
    this.context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  }

  /** Shows a picture's person. @param {ImageBitmap} picture */
  async show(picture) {
    const { width, height } = picture;
    const rules = this.network.rules.matte;
    const score = await this.network.score(picture, width, height);
    const shrink = Math.min(1, rules.side / Math.max(width, height));
    const [w, h] = [width, height].map((side) => Math.max(1, rounded(side * shrink)));
    const pixels = this.#reduced(picture, w, h);
    this.stage.draw(picture, matte(pixels, resized(score, w, h), w, h, rules), w, h);
  }

  #reduced(picture, width, height) {
    Object.assign(this.context.canvas, { width, height });
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(picture, 0, 0, width, height);
    return this.context.getImageData(0, 0, width, height).data;
  }
}
