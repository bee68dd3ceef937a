// Puts the person on the canvas: the matte, which is small, meets the picture at its own size, on the GPU.

const VERTICES = `#version 300 es
out vec2 place;
void main() { // one triangle that covers the canvas
  place = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0;
  gl_Position = vec4(place * 2.0 - 1.0, 0, 1);
  place.y = 1.0 - place.y;
}`;

const FRAGMENTS = `#version 300 es
precision highp float;
uniform sampler2D picture, functions, person, room, background;
uniform vec2 seen; // the part of the background that covers the canvas
uniform float opaque;
in vec2 place;
out vec4 color;
void main() {
  vec3 frame = texture(picture, place).rgb;
  vec4 f = texture(functions, place);
  float alpha = clamp(dot(f.rgb, frame) + f.a, 0.0, 1.0);
  vec3 own = texture(person, place).rgb, old = texture(room, place).rgb;
  own = clamp(own + alpha * (frame - old - alpha * (own - old)), 0.0, 1.0);
  vec3 behind = texture(background, (place - 0.5) * seen + 0.5).rgb * opaque;
  color = vec4(own * alpha + behind * (1.0 - alpha), alpha + opaque * (1.0 - alpha));
}`;

const NAMES = ["picture", "functions", "person", "room", "background"];

export class Stage {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    const gl = (this.gl = canvas.getContext("webgl2", { premultipliedAlpha: true, preserveDrawingBuffer: true }));
    if (!gl) throw new Error("this browser has no WebGL 2");
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTICES], [gl.FRAGMENT_SHADER, FRAGMENTS]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    this.seen = gl.getUniformLocation(program, "seen");
    this.opaque = gl.getUniformLocation(program, "opaque");
    NAMES.forEach((name, unit) => {
      gl.uniform1i(gl.getUniformLocation(program, name), unit);
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      for (const axis of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, axis, gl.CLAMP_TO_EDGE);
      // A background may have many more pixels than the canvas.
      const shrinking = name === "background" ? gl.LINEAR_MIPMAP_LINEAR : gl.LINEAR;
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, shrinking);
    });
    this.background = null;
  }

  /** @param {ImageBitmap | null} background covers the canvas; null leaves it transparent. */
  setBackground(background) {
    this.background = background;
    if (background === null) return;
    this.#upload("background", background);
    this.gl.generateMipmap(this.gl.TEXTURE_2D);
  }

  /** Draws an ImageBitmap with its matte, see matte.js, which has a size of its own. */
  draw(picture, matte, matteWidth, matteHeight) {
    const { gl, canvas, background } = this;
    const { width, height } = picture;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    gl.viewport(0, 0, width, height);
    this.#upload("picture", picture);
    for (const name of ["functions", "person", "room"]) {
      gl.activeTexture(gl.TEXTURE0 + NAMES.indexOf(name));
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA16F, matteWidth, matteHeight, 0, gl.RGBA, gl.FLOAT, matte[name]);
    }
    gl.uniform1f(this.opaque, Number(background !== null));
    if (background !== null) {
      const zoom = Math.max(width / background.width, height / background.height);
      gl.uniform2f(this.seen, width / zoom / background.width, height / zoom / background.height);
    }
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  #upload(name, picture) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0 + NAMES.indexOf(name));
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
  }
}
