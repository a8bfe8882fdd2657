/** Writes ZIP archives that depend only on names, contents and modes. */

import { Buffer } from "node:buffer";
import { deflateRawSync } from "node:zlib";

const DEFLATED = 8;
const UTF8 = 0x0800;
const VERSION = 20;
const MADE_BY_UNIX = (3 << 8) | VERSION;
const DATE = (1 << 5) | 1; // 1980-01-01
const MAX_FILES = 0xffff;

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** @param {Uint8Array} data */
export function crc32(data) {
  let value = 0xffffffff;
  for (const byte of data) value = (value >>> 8) ^ TABLE[(value ^ byte) & 0xff];
  return (value ^ 0xffffffff) >>> 0;
}

/**
 * @param {{ name: string, data: Uint8Array, executable: boolean }[]} files
 * @returns {Uint8Array}
 */
export function zip(files) {
  if (files.length > MAX_FILES) throw new TypeError(`${files.length} files are too many`);
  const parts = /** @type {Uint8Array[]} */ ([]);
  const directory = /** @type {Uint8Array[]} */ ([]);
  let offset = 0;
  for (const { name, data, executable } of files) {
    const path = Buffer.from(name);
    const packed = deflateRawSync(data);
    const facts = describe(path, packed, data);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), u16(VERSION), facts, path]);
    const mode = executable ? 0o100755 : 0o100644;
    const where = [u16(0), u16(0), u16(0), u32((mode << 16) >>> 0), u32(offset)];
    const start = [Buffer.from("PK\x01\x02"), u16(MADE_BY_UNIX), u16(VERSION)];
    directory.push(...start, facts, ...where, path);
    parts.push(local, packed);
    offset += local.length + packed.length;
  }
  const index = Buffer.concat(directory);
  const counts = [u16(0), u16(0), u16(files.length), u16(files.length)];
  const end = [Buffer.from("PK\x05\x06"), ...counts, u32(index.length), u32(offset), u16(0)];
  return Buffer.concat([...parts, index, ...end]);
}

/**
 * What the header of a file and its entry in the directory have in common.
 *
 * @param {Uint8Array} path
 * @param {Uint8Array} packed
 * @param {Uint8Array} data
 */
function describe(path, packed, data) {
  const sizes = [u32(crc32(data)), u32(packed.length), u32(data.length), u16(path.length), u16(0)];
  return Buffer.concat([u16(UTF8), u16(DEFLATED), u16(0), u16(DATE), ...sizes]);
}

/** @param {number} value */
function u16(value) {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

/** @param {number} value */
function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
