// Steadier scores of a video: what temporal.py does, but without optical flow, so that only what stands still is steadied.

export class Steady {
  /** @param {object} rules `steady` of model.json. */
  constructor(rules) {
    this.rules = rules;
    this.reset();
  }

  /** Forgets the past, as a scene begins. */
  reset() {
    this.before = null;
  }

  /** Whether the network is to see the next frame mirrored: it errs otherwise there, and what stands still has the mean. */
  get mirrors() {
    return this.before !== null && !this.before.mirrored;
  }

  /**
   * Smooths the score of a frame.
   *
   * @param {Float32Array} gray the frame, in [0, 255], at the size of the score.
   * @param {Float32Array} score in [0, 1]; of a frame that the network saw as `mirrors` said.
   * @returns {Float32Array} the same in [0, 1].
   */
  fuse(gray, score) {
    const { before } = this;
    const mirrored = this.mirrors;
    const found = before?.gray.length === gray.length ? this.#found(before.gray, gray) : null;
    const smooth = found ? this.#fused(before, found, score) : score;
    this.before = { gray, mirrored, raw: score, rawBefore: found ? before.raw : score, smooth };
    return smooth;
  }

  /** How much of each pixel is what it was, in [0, 1]; null in a new scene. */
  #found(before, gray) {
    const found = gray.map((value, i) => Math.exp(-(((value - before[i]) / this.rules.likeness) ** 2)));
    return found.reduce((sum, share) => sum + share, 0) < this.rules.cut * found.length ? null : found;
  }

  #fused({ raw, rawBefore, smooth }, found, score) {
    const { memory, same } = this.rules;
    return score.map((now, i) => {
      const alike = Math.max(0, 1 - Math.abs(now - rawBefore[i]) / same);
      now += (found[i] * alike * (raw[i] - now)) / 2;
      const change = smooth[i] - now;
      const contradiction = Math.abs(2 * now - 1) * Math.sqrt(Math.sqrt(Math.abs(change)));
      return now + memory * found[i] * (1 - contradiction) * change;
    });
  }
}
