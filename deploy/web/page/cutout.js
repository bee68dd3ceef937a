// A picture, from the network to the canvas, and what is remembered from one frame of a video to the next.

import { matte } from "./matte.js";
import { resized, rounded } from "./planes.js";
import { Steady } from "./steady.js";

export class CutOut {
  /**
   * @param {Network} network finds the person.
   * @param {Stage} stage shows the person in front of something else.
   */
  constructor(network, stage) {
    this.network = network;
    this.stage = stage;
    this.steady = new Steady(network.rules.steady);
    this.context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  }

  /** Forgets the frames before, which the next picture does not follow. */
  reset() {
    this.steady.reset();
  }

  /** Shows a picture's person. @param {ImageBitmap} picture */
  async show(picture) {
    const { width, height } = picture;
    const rules = this.network.rules.matte;
    const score = await this.network.score(picture, width, height, this.steady.mirrors);
    score.data = this.steady.fuse(score.gray, score.data);
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
