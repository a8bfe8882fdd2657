/** Verification of callbacks and webhooks, which are signed as Standard Webhooks says. */

import { InvalidSignature } from "./errors.js";

const TOLERANCE = 300; // seconds

/**
 * @param {import("./index.d.ts").SignedMessage} message
 * @returns {Promise<any>}
 */
export async function verifyWebhook({ body, headers, secret, tolerance = TOLERANCE, now }) {
  const content = bytesOf(body);
  const id = header(headers, "webhook-id");
  const timestamp = header(headers, "webhook-timestamp");
  if (!/^\d{1,12}$/.test(timestamp)) throw new InvalidSignature("webhook-timestamp is not a time");
  const age = (now ?? Date.now() / 1000) - Number(timestamp);
  if (Math.abs(age) > tolerance) {
    throw new InvalidSignature("the message is too old, or from the future");
  }
  const start = new TextEncoder().encode(`${id}.${timestamp}.`);
  const signed = new Uint8Array([...start, ...content]);
  const signatures = header(headers, "webhook-signature").split(" ");
  for (const each of [secret].flat()) {
    if (await isSigned(each, signatures, signed)) {
      return JSON.parse(new TextDecoder().decode(content));
    }
  }
  throw new InvalidSignature("the signature is not from this Fyke");
}

/**
 * @param {string} secret
 * @param {string[]} signatures
 * @param {BufferSource} signed
 */
async function isSigned(secret, signatures, signed) {
  const raw = fromBase64(secret.replace(/^whsec_/, ""));
  if (!raw?.length) throw new TypeError("the secret is not one of Fyke: whsec_ and base64");
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", raw, algorithm, false, ["verify"]);
  for (const text of signatures) {
    const given = text.startsWith("v1,") ? fromBase64(text.slice(3)) : null;
    if (given && (await crypto.subtle.verify("HMAC", key, given, signed))) return true;
  }
  return false;
}

/** @param {string} text */
function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}

/** @param {unknown} body */
function bytesOf(body) {
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  throw new TypeError("body must be the text or the bytes as they were received, not parsed");
}

/**
 * @param {Headers | Record<string, string | string[] | undefined>} headers
 * @param {string} name
 */
function header(headers, name) {
  const entries = headers instanceof Headers ? [...headers] : Object.entries(headers);
  const found = entries.find(([each]) => each.toLowerCase() === name)?.[1];
  const value = Array.isArray(found) ? found[0] : found;
  if (!value) throw new InvalidSignature(`the header ${name} is missing`);
  return value;
}
