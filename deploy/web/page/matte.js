// From a score to an alpha and the person's own colours, at a reduced size: what refine.py and composite.py do.

import { Planes } from "./planes.js";

/**
 * The functions of the picture's colour that give its alpha, and the colours of the person and of the room behind.
 *
 * @param {Uint8ClampedArray} pixels RGBA, of the reduced picture.
 * @param {Float32Array} score P(person) at that size.
 * @param {object} rules `matte` of model.json.
 * @returns {{functions: Float32Array, person: Float32Array, room: Float32Array}} four values a pixel each. Alpha is
 *   the dot product of the first three of `functions` and the colour in [0, 1], plus the fourth, cut off at 0 and 1.
 */
export function matte(pixels, score, width, height, rules) {
  const planes = new Planes(width, height);
  const colors = [0, 1, 2].map((channel) => planes.each((i) => pixels[4 * i + channel] / 255));
  const [low, high] = rules.solid;
  const [r, g, b, offset] = fit(planes, colors, score, rules)
    .map((plane) => planes.mean(plane, rules.radius))
    .map((plane, n) => planes.each((i) => (plane[i] - (n === 3 ? low : 0)) / (high - low)));
  const alpha = planes.each((i) => clamped(r[i] * colors[0][i] + g[i] * colors[1][i] + b[i] * colors[2][i] + offset[i]));
  return { functions: merged([r, g, b, offset]), ...separated(planes, colors, alpha, rules.widths) };
}

const clamped = (value) => Math.min(1, Math.max(0, value));

/** Up to four planes as the values of pixels of four. */
function merged(planes) {
  const pixels = new Float32Array(4 * planes[0].length);
  planes.forEach((plane, n) => {
    for (let i = 0; i < plane.length; i++) pixels[4 * i + n] = plane[i];
  });
  return pixels;
}

/** The guided filter (He, Sun and Tang, TPAMI 2013): slopes by red, green and blue, and offset, around each pixel. */
function fit(planes, [r, g, b], alpha, { radius, epsilon }) {
  const product = (x, y) => planes.mean(planes.each((i) => x[i] * y[i]), radius);
  const [mr, mg, mb, ma] = [r, g, b, alpha].map((plane) => planes.mean(plane, radius));
  const [rr, gg, bb, rg, rb, gb] = [[r, r], [g, g], [b, b], [r, g], [r, b], [g, b]].map((pair) => product(...pair));
  const [ra, ga, ba] = [r, g, b].map((color) => product(color, alpha));
  const [slopeR, slopeG, slopeB, offset] = [0, 1, 2, 3].map(() => new Float32Array(alpha.length));
  for (let i = 0; i < alpha.length; i++) {
    // Least squares by elimination, of red and then of green.
    const varR = rr[i] - mr[i] * mr[i] + epsilon;
    const [covRG, covRB, covRA] = [rg[i] - mr[i] * mg[i], rb[i] - mr[i] * mb[i], ra[i] - mr[i] * ma[i]];
    const [byG, byB] = [covRG / varR, covRB / varR];
    const varG = gg[i] - mg[i] * mg[i] + epsilon - byG * covRG;
    const covGB = gb[i] - mg[i] * mb[i] - byG * covRB;
    const covGA = ga[i] - mg[i] * ma[i] - byG * covRA;
    const by = covGB / varG;
    const varB = bb[i] - mb[i] * mb[i] + epsilon - byB * covRB - by * covGB;
    slopeB[i] = (ba[i] - mb[i] * ma[i] - byB * covRA - by * covGA) / varB;
    slopeG[i] = (covGA - covGB * slopeB[i]) / varG;
    slopeR[i] = (covRA - covRG * slopeG[i] - covRB * slopeB[i]) / varR;
    offset[i] = ma[i] - slopeR[i] * mr[i] - slopeG[i] * mg[i] - slopeB[i] * mb[i];
  }
  return [slopeR, slopeG, slopeB, offset];
}

/** Blur fusion (Forte, ICIP 2021): the colours of the person and of the room, four values a pixel each. */
function separated(planes, colors, alpha, widths) {
  const rest = planes.each((i) => 1 - alpha[i]);
  let [person, room] = [colors, colors];
  for (const width of widths) {
    person = weightedMeans(planes, person, alpha, width);
    room = weightedMeans(planes, room, rest, width);
    person = person.map((plane, n) =>
      planes.each((i) => plane[i] + alpha[i] * (colors[n][i] - alpha[i] * plane[i] - rest[i] * room[n][i])));
  }
  const inRange = (color) => merged(color.map((plane) => planes.each((i) => clamped(plane[i]))));
  return { person: inRange(person), room: inRange(room) };
}

function weightedMeans(planes, colors, weight, width) {
  const radius = (width - 1) / 2;
  const some = planes.each((i) => weight[i] + 1e-4);
  const total = planes.mean(some, radius);
  return colors.map((color) => {
    const sum = planes.mean(planes.each((i) => color[i] * some[i]), radius);
    return planes.each((i) => sum[i] / total[i]);
  });
}
