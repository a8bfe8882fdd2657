// The stream of a run's page: shows when it is interrupted, and stops after several failures.

import { dropNotice } from "./app.js";

const MAX_FAILURES = 8;
const FINAL = new Set([401, 403, 404, 410]);

class RunLive extends HTMLElement {
  connectedCallback() {
    this.failures = 0;
    this.addEventListener("htmx:sse:before:connection", (event) => {
      if (this.stopped) event.preventDefault();
      else if (this.connected) this.showState(this.dataset.reconnecting);
    });
    this.addEventListener("htmx:sse:after:connection", () => {
      this.connected = true;
      this.dataset.live = "";
      this.failures = 0;
      this.showState("");
    });
    this.addEventListener("htmx:sse:error", (event) => {
      this.failures += 1;
      if (this.failures >= MAX_FAILURES || FINAL.has(event.detail?.status)) this.stop();
    });
    this.addEventListener("htmx:sse:close", (event) => {
      if (event.detail?.reason === "message") {
        this.showState("");
        dropNotice();
      } else if (event.detail?.reason === "ended") this.stop();
    });
    // the first request got no stream: app.js tries again, but an error response is final
    this.addEventListener("htmx:error", () => {
      if (this.connected || this.stopped) return;
      this.failures += 1;
      if (this.failures >= MAX_FAILURES) this.stop();
      else this.showState(this.dataset.reconnecting);
    });
    this.addEventListener("htmx:response:error", () => {
      if (!this.connected && !this.stopped) this.stop();
    });
  }

  showState(text) {
    const line = this.querySelector(".run-live-state");
    if (line.textContent !== text) line.textContent = text;
  }

  stop() {
    this.stopped = true;
    this.showState(this.dataset.off);
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = this.dataset.refresh;
    link.className = "button small";
    this.querySelector(".run-live-state").append(" ", link);
  }
}

// close the menu when one of its buttons opens a popover; the second click of a double click still meets the button,
// because a click elsewhere closes the popover
document.addEventListener("click", (event) => {
  const menu = event.target.closest(".menu-list [popovertarget]")?.closest("details");
  if (menu) setTimeout(() => (menu.open = false), 500);
});

customElements.define("run-live", RunLive);
