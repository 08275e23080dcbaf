// @ts-check
/**
 * A QR code (ISO/IEC 18004) of a link: byte mode, error correction level L, versions 1 to 10, mask 0.
 *
 * Readers accept any mask; the standard's choice of the best one only helps in poor light.
 */

/** By version: error correction bytes for each block, then the data bytes of each block. */
const BLOCKS = [
  [],
  [7, 19],
  [10, 34],
  [15, 55],
  [20, 80],
  [26, 108],
  [18, 68, 68],
  [20, 78, 78],
  [24, 97, 97],
  [30, 116, 116],
  [18, 68, 68, 69, 69],
];
const ALIGNMENT = [[], [], [18], [22], [26], [30], [34], [22, 38], [24, 42], [26, 46], [28, 50]]; // besides 6
const MAX_VERSION = 10;
const FORMAT_BITS = 0b111011111000100; // level L, mask 0, with error correction and its mask
const VERSION_POLYNOMIAL = 0x1f25;
const FIELD_POLYNOMIAL = 0x11d; // of GF(256)
const PADDING = [0xec, 0x11];
const QUIET_MODULES = 4; // white border that readers need
const SVG = "http://www.w3.org/2000/svg";

/**
 * An SVG element of the code; black on white in every theme.
 * @param {string} text at most 271 bytes
 * @param {string} label for screen readers
 */
export function qrCode(text, label) {
  const modules = qrModules(text);
  const size = modules.length + 2 * QUIET_MODULES;
  const image = create("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", "shape-rendering": "crispEdges" });
  image.setAttribute("aria-label", label);
  image.append(create("rect", { width: String(size), height: String(size), fill: "#fff" }));
  const squares = modules.flatMap((row, y) =>
    row.map((isDark, x) => (isDark ? `M${x + QUIET_MODULES} ${y + QUIET_MODULES}h1v1h-1z` : "")),
  );
  image.append(create("path", { d: squares.join(""), fill: "#000" }));
  return image;
}

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 */
function create(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/**
 * The modules by row; true is dark.
 * @param {string} text
 * @returns {boolean[][]}
 */
export function qrModules(text) {
  const bytes = new TextEncoder().encode(text);
  const version = BLOCKS.findIndex(([, ...data], index) => index && capacity(data, index) >= bytes.length);
  if (version < 1) throw new Error(`The link is too long for a QR code of version ${MAX_VERSION}.`);
  const { modules, isFunction } = functionPatterns(version);
  const bits = interleaved(version, bytes).flatMap((byte) => bitsOf(byte, 8));
  placeData(modules, isFunction, bits);
  return modules;
}

/**
 * @param {number[]} data
 * @param {number} version
 */
const capacity = (data, version) => sum(data) - (version < 10 ? 2 : 3); // mode and length take 12 or 20 bits

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/**
 * @param {number} value
 * @param {number} count
 */
const bitsOf = (value, count) => Array.from({ length: count }, (_, index) => (value >>> (count - 1 - index)) & 1);

/**
 * Data and error correction bytes in the order of the code.
 * @param {number} version
 * @param {Uint8Array} bytes
 */
function interleaved(version, bytes) {
  const [correction, ...lengths] = BLOCKS[version];
  const data = padded(version, bytes, sum(lengths));
  let from = 0;
  const blocks = lengths.map((length) => data.slice(from, (from += length)));
  const generator = generatorOf(correction);
  const checks = blocks.map((block) => remainder(block, generator));
  return [...columns(blocks), ...columns(checks)];
}

/**
 * @param {number} version
 * @param {Uint8Array} bytes
 * @param {number} length
 */
function padded(version, bytes, length) {
  const bits = [
    ...bitsOf(4, 4),
    ...bitsOf(bytes.length, version < 10 ? 8 : 16),
    ...[...bytes].flatMap((byte) => bitsOf(byte, 8)),
  ];
  bits.push(0, 0, 0, 0);
  const data = [];
  for (let at = 0; at + 8 <= bits.length; at += 8) data.push(parseInt(bits.slice(at, at + 8).join(""), 2));
  for (let index = 0; data.length < length; index += 1) data.push(PADDING[index % 2]);
  return data;
}

/** @param {number[][]} blocks */
function columns(blocks) {
  const longest = Math.max(...blocks.map((block) => block.length));
  return Array.from({ length: longest }, (_, index) =>
    blocks.filter((block) => index < block.length).map((block) => block[index]),
  ).flat();
}

/**
 * @param {number} one
 * @param {number} other
 */
function multiply(one, other) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >>> 7) * FIELD_POLYNOMIAL);
    product ^= ((other >>> bit) & 1) * one;
  }
  return product;
}

/** @param {number} degree */
function generatorOf(degree) {
  const result = [...Array(degree - 1).fill(0), 1];
  let root = 1;
  for (let step = 0; step < degree; step += 1) {
    for (let index = 0; index < degree; index += 1) {
      result[index] = multiply(result[index], root) ^ (result[index + 1] ?? 0);
    }
    root = multiply(root, 2);
  }
  return result;
}

/**
 * @param {number[]} data
 * @param {number[]} generator
 */
function remainder(data, generator) {
  const result = Array(generator.length).fill(0);
  for (const byte of data) {
    const factor = byte ^ result.shift();
    result.push(0);
    generator.forEach((coefficient, index) => (result[index] ^= multiply(coefficient, factor)));
  }
  return result;
}

/** @param {number} version */
function functionPatterns(version) {
  const size = 17 + 4 * version;
  const modules = Array.from({ length: size }, () => Array(size).fill(false));
  const isFunction = Array.from({ length: size }, () => Array(size).fill(false));
  const set = (/** @type {number} */ x, /** @type {number} */ y, /** @type {boolean} */ isDark) => {
    if (x < 0 || y < 0 || x >= size || y >= size) return;
    modules[y][x] = isDark;
    isFunction[y][x] = true;
  };
  for (let at = 0; at < size; at += 1) {
    set(6, at, at % 2 === 0);
    set(at, 6, at % 2 === 0);
  }
  for (const [x, y] of [
    [3, 3],
    [size - 4, 3],
    [3, size - 4],
  ])
    square(set, x, y, 4, [0, 1, 3]);
  const centers = [6, ...ALIGNMENT[version]];
  const last = centers.length - 1;
  centers.forEach((x, column) =>
    centers.forEach((y, row) => {
      const isFinder = (column === 0 && row === 0) || (column === 0 && row === last) || (column === last && row === 0);
      if (last && !isFinder) square(set, x, y, 2, [0, 2]);
    }),
  );
  setFormat(set, size);
  if (version >= 7) setVersion(set, size, version);
  return { modules, isFunction };
}

/**
 * @param {(x: number, y: number, isDark: boolean) => void} set
 * @param {number} centerX
 * @param {number} centerY
 * @param {number} radius
 * @param {number[]} dark distances from the center that are dark
 */
function square(set, centerX, centerY, radius, dark) {
  for (let y = -radius; y <= radius; y += 1) {
    for (let x = -radius; x <= radius; x += 1) {
      const distance = Math.max(Math.abs(x), Math.abs(y));
      set(centerX + x, centerY + y, dark.includes(distance));
    }
  }
}

/**
 * @param {(x: number, y: number, isDark: boolean) => void} set
 * @param {number} size
 */
function setFormat(set, size) {
  const bit = (/** @type {number} */ index) => ((FORMAT_BITS >>> index) & 1) === 1;
  for (let index = 0; index <= 5; index += 1) set(8, index, bit(index));
  set(8, 7, bit(6));
  set(8, 8, bit(7));
  set(7, 8, bit(8));
  for (let index = 9; index < 15; index += 1) set(14 - index, 8, bit(index));
  for (let index = 0; index < 8; index += 1) set(size - 1 - index, 8, bit(index));
  for (let index = 8; index < 15; index += 1) set(8, size - 15 + index, bit(index));
  set(8, size - 8, true);
}

/**
 * @param {(x: number, y: number, isDark: boolean) => void} set
 * @param {number} size
 * @param {number} version
 */
function setVersion(set, size, version) {
  let rest = version;
  for (let step = 0; step < 12; step += 1) rest = (rest << 1) ^ ((rest >>> 11) * VERSION_POLYNOMIAL);
  const bits = (version << 12) | rest;
  for (let index = 0; index < 18; index += 1) {
    const isDark = ((bits >>> index) & 1) === 1;
    const far = size - 11 + (index % 3);
    const near = Math.floor(index / 3);
    set(far, near, isDark);
    set(near, far, isDark);
  }
}

/**
 * Place the bits in columns of two from the right, up and down in turn, with mask 0.
 * @param {boolean[][]} modules
 * @param {boolean[][]} isFunction
 * @param {number[]} bits
 */
function placeData(modules, isFunction, bits) {
  const size = modules.length;
  let next = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5; // the timing pattern has this column
    for (let step = 0; step < size; step += 1) {
      for (const x of [right, right - 1]) {
        const y = ((right + 1) & 2) === 0 ? size - 1 - step : step;
        if (isFunction[y][x]) continue;
        const isDark = bits[next] === 1;
        modules[y][x] = isDark !== ((x + y) % 2 === 0);
        next += 1;
      }
    }
  }
}
