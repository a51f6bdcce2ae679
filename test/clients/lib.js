// lib.js
//   What the programs share: vectors, exact answers, binary forms.

'use strict';

const DIMENSIONS = 8;

// Components are multiples of 1/64, which every type and form holds exactly.
function vectors(count, dimensions = DIMENSIONS) {
  let state = 42;
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return ((state >>> 16) % 256) / 64 - 2;
  };

  return Array.from({ length: count }, () =>
    Array.from({ length: dimensions }, next));
}

const sum = (v) => v.reduce((a, b) => a + b, 0);
const dot = (a, b) => sum(a.map((x, i) => x * b[i]));

// The operators, computed here
const distance = {
  '<->': (a, b) => Math.sqrt(sum(a.map((x, i) => (x - b[i]) ** 2))),
  '<#>': (a, b) => -dot(a, b),
  '<=>': (a, b) => 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)),
  '<+>': (a, b) => sum(a.map((x, i) => Math.abs(x - b[i]))),
};

// The k smallest distances
function nearest(all, query, operator, k) {
  return all.map((v) => distance[operator](v, query))
    .sort((a, b) => a - b).slice(0, k);
}

// A vector's signs as bits, and the operators of bits
const bits = (v) => v.map((x) => (x > 0 ? 1 : 0)).join('');
const ones = (a, b, f) => [...a].filter((x, i) => f(+x, +b[i])).length;
const bitDistance = {
  '<~>': (a, b) => ones(a, b, (x, y) => x ^ y),
  '<%>': (a, b) => {
    const both = ones(a, b, (x, y) => x & y);

    return both === 0 ? 1 : 1 - both / ones(a, b, (x, y) => x | y);
  },
};

function nearestBits(all, query, operator, k) {
  return all.map((v) => bitDistance[operator](v, query))
    .sort((a, b) => a - b).slice(0, k);
}

function nearlyEqual(assert, actual, expected) {
  assert.equal(actual.length, expected.length);
  expected.forEach((x, i) => assert.ok(
    Math.abs(actual[i] - x) <= 1e-5 * Math.max(1, Math.abs(x)),
    `distance ${i + 1} is ${actual[i]}, not ${x}`));
}

// How many of the distances are among the exact ones, ties included
function recall(actual, expected) {
  const last = expected[expected.length - 1] + 1e-5;

  return actual.filter((d) => d <= last).length / expected.length;
}

// Single precision to half, for numbers that have an exact half
function floatToHalf(x) {
  const bits = new DataView(new ArrayBuffer(4));

  bits.setFloat32(0, x);
  const f = bits.getUint32(0);
  return x === 0 ? 0 :
    ((f >>> 16) & 0x8000) | (((f >>> 23) & 0xff) - 112) << 10 |
    ((f >>> 13) & 0x3ff);
}

function halfToFloat(h) {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;

  return exponent === 0 ? sign * (h & 0x3ff) * 2 ** -24 :
    sign * (1024 + (h & 0x3ff)) * 2 ** (exponent - 25);
}

// Binary forms of the wire: int16 dimensions, int16 0, elements
const vector = {
  encode(v) {
    const buffer = Buffer.alloc(4 + 4 * v.length);

    buffer.writeInt16BE(v.length, 0);
    v.forEach((x, i) => buffer.writeFloatBE(x, 4 + 4 * i));
    return buffer;
  },
  decode(buffer) {
    return Array.from({ length: buffer.readInt16BE(0) },
      (_, i) => buffer.readFloatBE(4 + 4 * i));
  },
};

const halfvec = {
  encode(v) {
    const buffer = Buffer.alloc(4 + 2 * v.length);

    buffer.writeInt16BE(v.length, 0);
    v.forEach((x, i) => buffer.writeUInt16BE(floatToHalf(x), 4 + 2 * i));
    return buffer;
  },
  decode(buffer) {
    return Array.from({ length: buffer.readInt16BE(0) },
      (_, i) => halfToFloat(buffer.readUInt16BE(4 + 2 * i)));
  },
};

module.exports = {
  DIMENSIONS, vectors, nearest, nearestBits, bits, nearlyEqual, recall,
  binary: { vector, halfvec },
};
