// Receives a file in as many requests as it takes, each for the rest of what the earlier ones brought.

const BLOB_BYTES = 8 * 2 ** 20; // received bytes that become one Blob, which browsers move to disk
const PAUSES = [1, 2, 4, 8, 15, 30]; // seconds before the next try
const TRIES = 20; // without a single byte

/** An error that another try cannot change. */
export class Refused extends Error {}

/** What has been received of a file, and how to ask for the rest. */
export class Received {
  constructor() {
    this.clear();
  }

  clear() {
    this.bytes = 0;
    this.all = null; // bytes of the whole file, null = unknown
    this.tag = "";
    this.type = "";
    this.made = null;
    this.resumable = false;
    this.blobs = [];
    this.chunks = [];
    this.pending = 0;
  }

  get complete() {
    return this.all !== null && this.bytes >= this.all;
  }

  /** A range is one of the file itself, never of a compressed answer. */
  headers() {
    const range = `bytes=${this.bytes}-`;
    return this.tag ? { range, "if-range": this.tag } : { range };
  }

  /** Note what an answer is about; a whole file replaces what has been received. */
  begin(response) {
    const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
    const continues = response.status === 206 && range && Number(range[1]) === this.bytes;
    if (!continues) this.clear();
    if (response.status === 206 && !continues) throw new Error("another part");
    const length = response.headers.get("content-length");
    if (range) this.all = Number(range[2]);
    else if (length !== null && !response.headers.get("content-encoding")) this.all = Number(length);
    this.tag = response.headers.get("etag") ?? "";
    this.type = response.headers.get("content-type") ?? "";
    this.resumable = response.headers.get("accept-ranges") === "bytes" && this.tag !== "";
    this.made ??= new Date(response.headers.get("last-modified") ?? response.headers.get("date") ?? Date.now());
  }

  add(chunk) {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    this.pending += chunk.length;
    if (this.pending >= BLOB_BYTES) this.pack();
  }

  pack() {
    this.blobs.push(new Blob(this.chunks));
    this.chunks = [];
    this.pending = 0;
  }

  /** The whole file. */
  file() {
    this.pack();
    return new Blob(this.blobs, { type: this.type });
  }
}

/**
 * Receive the file at `address` to its end, in as many requests as it takes.
 *
 * `moved` is called after each chunk, `broken` before each pause; `renew` returns the address of a
 * new link, because links are valid for minutes. Throws `Refused`, and the error of `signal`.
 */
export async function receive(received, address, { signal, moved, broken, renew, pause }) {
  let renewed = false;
  for (let tries = 0; ; ) {
    const before = received.bytes;
    let seconds = PAUSES[Math.min(tries, PAUSES.length - 1)];
    try {
      const response = await fetch(address, { headers: received.headers(), signal });
      if (response.status === 404 && !renewed) {
        address = await renew(signal);
        renewed = true;
        continue;
      }
      if (response.status === 416 && !received.bytes) received.begin(response); // an empty file
      else if (response.ok) await readBody(response, received, moved);
      else if (response.status === 429 || response.status >= 500)
        seconds = Math.max(seconds, Math.min(60, Number(response.headers.get("retry-after")) || 0));
      else throw new Refused(await reasonOf(response));
      if (received.complete) return;
    } catch (error) {
      if (signal.aborted || error instanceof Refused) throw error;
      if (received.bytes && !received.resumable) throw new Refused("", { cause: error });
    }
    if (received.bytes > before) {
      tries = 0;
      renewed = false;
      seconds = PAUSES[0];
    }
    if (++tries > TRIES) throw new Refused("");
    broken();
    await pause(seconds * 1000, signal);
  }
}

async function readBody(response, received, moved) {
  received.begin(response);
  moved();
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    received.add(value);
    moved();
  }
  if (received.all === null) received.all = received.bytes; // it ended as it should
}

/** The message of an error of the API, or the status. */
async function reasonOf(response) {
  try {
    return (await response.json()).message;
  } catch {
    return `HTTP ${response.status}`;
  }
}
