// An export that the page itself downloads: it shows how far it is, and goes on after a broken
// connection. The file is kept by the browser until it is complete, and then saved.

import { announce } from "./app.js";
import { receive, Received, Refused } from "./receive.js";

export const PART = { "hx-request": "true", "hx-request-type": "partial", accept: "text/html" };
const KEEP_BYTES = 2 ** 30; // a larger file is left to the browser, which does not keep it in memory

/** Wait, or until the network is back. */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const end = (settle) => {
      clearTimeout(timer);
      over.abort();
      settle();
    };
    const timer = setTimeout(end, ms, resolve);
    addEventListener("online", () => end(resolve), { signal: over.signal });
    signal.addEventListener("abort", () => end(() => reject(signal.reason)), { signal: over.signal });
  });
}

class ExportFile extends HTMLElement {
  connectedCallback() {
    if (this.received) return;
    this.received = new Received();
    this.state = this.querySelector("[data-state]");
    this.bar = this.querySelector("progress");
    this.querySelector("[data-stop]").addEventListener("click", () => this.remove());
    this.querySelector("[data-retry]").addEventListener("click", () => this.start());
    this.leave = (event) => event.preventDefault();
    announce(this.dataset.making);
    this.start();
  }

  disconnectedCallback() {
    this.stopper?.abort();
    this.idle();
  }

  async start() {
    this.stopper = new AbortController();
    this.querySelector("[data-retry]").hidden = true;
    this.say(this.dataset.making);
    addEventListener("beforeunload", this.leave);
    try {
      await receive(this.received, this.dataset.address, {
        signal: this.stopper.signal,
        moved: () => this.moved(),
        broken: () => this.say(this.dataset.broken),
        renew: (signal) => this.renew(signal),
        pause,
      });
      this.save();
    } catch (error) {
      if (this.stopper.signal.aborted) return;
      this.failed(error.message);
    } finally {
      this.idle();
    }
  }

  idle() {
    removeEventListener("beforeunload", this.leave);
  }

  async renew(signal) {
    const response = await fetch(this.dataset.renew, { headers: PART, signal });
    if (!response.ok) throw new Refused(`HTTP ${response.status}`);
    const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = parsed.querySelector("export-file");
    if (!fresh) throw new Refused("");
    this.dataset.address = fresh.dataset.address;
    return fresh.dataset.address;
  }

  moved() {
    const { bytes, all } = this.received;
    if ((all ?? bytes) > KEEP_BYTES) {
      this.handOver();
      return;
    }
    if (all) this.bar.value = bytes / all;
    else this.bar.removeAttribute("value");
    this.say(all ? this.dataset.part.replace("#1", size(bytes)).replace("#2", size(all)) : size(bytes));
  }

  /** Let the browser save a file that is too large to be kept. */
  async handOver() {
    this.stopper.abort();
    this.idle();
    this.received.clear();
    try {
      await this.renew(); // the link may have expired meanwhile
    } catch (error) {
      this.failed(error.message);
      return;
    }
    if (!this.isConnected) return;
    this.end(this.dataset.large);
    location.assign(this.dataset.address);
  }

  save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(this.received.file());
    link.download = this.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    const { bytes, made } = this.received;
    const format = { dateStyle: "medium", timeStyle: "medium", timeZone: this.dataset.zone };
    const at = made.toLocaleString(document.documentElement.lang, format);
    this.end(this.dataset.saved.replace("#1", size(bytes)).replace("#2", at));
    this.received.clear();
  }

  end(text) {
    this.bar.remove();
    this.toggleAttribute("data-ended", true);
    this.say(text);
    announce(`${this.dataset.name}: ${text}`);
    this.querySelector("[data-stop]").setAttribute("aria-label", this.dataset.close);
  }

  failed(reason) {
    if (!this.received.resumable) this.received.clear();
    this.say(this.dataset.failed + (reason ? ` ${reason}` : ""));
    this.querySelector("[data-retry]").hidden = false;
    announce(this.state.textContent);
  }

  say(text) {
    if (this.state.textContent !== text) this.state.textContent = text;
  }
}

/** Bytes in powers of 1000, with three digits. */
function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let value = bytes, unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${value.toLocaleString(document.documentElement.lang, format)} ${units[unit]}`;
}

customElements.define("export-file", ExportFile);
