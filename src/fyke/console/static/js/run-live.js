// The stream of a run's page: says when it is interrupted, and gives up after a while.

const MAX_FAILURES = 8;
const FINAL = new Set([401, 403, 404, 410]);

class RunLive extends HTMLElement {
  connectedCallback() {
    this.failures = 0;
    this.addEventListener("htmx:sse:before:connection", (event) => {
      if (this.off) event.preventDefault();
      else if (this.begun) this.say(this.dataset.reconnecting);
    });
    this.addEventListener("htmx:sse:after:connection", () => {
      this.begun = true;
      this.dataset.live = "";
      this.failures = 0;
      this.say("");
    });
    this.addEventListener("htmx:sse:error", (event) => {
      this.failures += 1;
      if (this.failures >= MAX_FAILURES || FINAL.has(event.detail?.status)) this.stop();
    });
    this.addEventListener("htmx:sse:close", (event) => {
      if (event.detail?.reason === "message") this.say("");
      else if (event.detail?.reason === "ended") this.stop();
    });
    // the first request never reached a stream: app.js tries again, and a refusal is final
    this.addEventListener("htmx:error", () => {
      if (this.begun || this.off) return;
      this.failures += 1;
      if (this.failures >= MAX_FAILURES) this.stop();
      else this.say(this.dataset.reconnecting);
    });
    this.addEventListener("htmx:response:error", () => {
      if (!this.begun && !this.off) this.stop();
    });
  }

  say(text) {
    const line = this.querySelector(".run-live-state");
    if (line.textContent !== text) line.textContent = text;
  }

  stop() {
    this.off = true;
    this.say(this.dataset.off);
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = this.dataset.refresh;
    link.className = "button small";
    this.querySelector(".run-live-state").append(" ", link);
  }
}

// what a menu opened stands alone: the menu has done its work
document.addEventListener("click", (event) => {
  const menu = event.target.closest(".menu-list [popovertarget]")?.closest("details");
  if (menu) menu.open = false;
});

customElements.define("run-live", RunLive);
