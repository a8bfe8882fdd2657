// A growing log: follows its end, drops repeated lines, and keeps a limited number of lines.

const MAX_LINES = 2000; // lines in the page
const MAX_WITH_EARLIER = 1500; // with more, earlier lines open on a separate page
const ANNOUNCE_EVERY = 5000; // ms between two announcements

class RunLog extends HTMLElement {
  connectedCallback() {
    this.box = this.querySelector(".log-box");
    this.lines = this.querySelector("#log-lines");
    this.last = Number(this.lines.dataset.last);
    this.unannounced = 0;
    this.switches();
    this.watch();
    this.addEventListener("click", (event) => this.clicked(event), true);
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    const chosen = this.querySelector(".line.chosen");
    if (chosen) chosen.scrollIntoView({ block: "center" });
    else if (this.lines.dataset.last !== "0") this.toEnd();
  }

  disconnectedCallback() {
    this.observer?.disconnect();
    clearInterval(this.announceTimer);
  }

  get followSwitch() {
    return this.querySelector("[data-follow]");
  }

  get following() {
    return this.followSwitch?.checked ?? false;
  }

  switches() {
    for (const option of this.querySelectorAll("[data-keep]")) {
      const name = option.dataset.keep;
      const kept = localStorage.getItem(`fyke-log-${name}`);
      if (kept !== null) option.checked = kept === "1";
      this.box.classList.toggle(name, option.checked);
      option.addEventListener("change", () => {
        this.box.classList.toggle(name, option.checked);
        localStorage.setItem(`fyke-log-${name}`, option.checked ? "1" : "0");
      });
    }
    this.followSwitch?.addEventListener("change", () => this.following && this.toEnd());
  }

  watch() {
    this.observer = new MutationObserver((changes) => this.changed(changes));
    this.observer.observe(this.lines, { childList: true });
    this.announceTimer = setInterval(() => this.announce(), ANNOUNCE_EVERY);
  }

  // After a lost connection the stream may repeat lines: those already present are dropped.
  changed(changes) {
    let added = 0;
    for (const change of changes) {
      for (const node of change.addedNodes) {
        if (node.nodeType !== Node.ELEMENT_NODE) continue;
        if (this.isEarlier(node)) continue;
        const position = Number(node.dataset.position ?? 0);
        if (!position) continue;
        if (position <= this.last) node.remove();
        else {
          this.last = position;
          added += 1;
        }
      }
    }
    if (!added) return;
    this.querySelector(".log-empty")?.remove();
    this.unannounced += added;
    this.trim();
    if (this.following) this.toEnd();
  }

  // Earlier lines, inserted in front, have positions below the previous first line.
  isEarlier(node) {
    return Number(node.dataset.position ?? 0) < this.first();
  }

  first() {
    if (this.firstSeen === undefined) {
      const line = this.lines.querySelector("[data-position]");
      this.firstSeen = line && this.lines.dataset.last !== "0" ? Number(line.dataset.position) : 0;
    }
    return this.firstSeen;
  }

  trim() {
    const over = this.lines.childElementCount - MAX_LINES;
    if (over <= 0) return;
    for (let i = 0; i < over; i += 1) this.lines.firstElementChild.remove();
    const line = this.lines.querySelector("[data-position]");
    if (!line) return;
    this.firstSeen = Number(line.dataset.position);
    const earlier = this.querySelector("#log-earlier");
    const link = document.createElement("a");
    link.className = "button small plain";
    const address = new URL(location.href);
    address.searchParams.set("before", line.dataset.position);
    link.href = address.pathname + address.search;
    link.textContent = this.dataset.kept;
    earlier.replaceChildren(link);
  }

  clicked(event) {
    const earlier = event.target.closest("[data-earlier]");
    if (earlier && this.lines.childElementCount > MAX_WITH_EARLIER) {
      // open a separate page, so that this one stays limited
      event.preventDefault();
      event.stopPropagation();
      location.href = earlier.href;
    }
    if (event.target.closest("[data-end]") && this.lines.dataset.last !== "0") {
      event.preventDefault();
      if (this.followSwitch) this.followSwitch.checked = true;
      this.toEnd();
    }
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target !== this.box) return;
    if (event.key === "f" && this.followSwitch) {
      this.followSwitch.checked = !this.followSwitch.checked;
      if (this.following) this.toEnd();
    } else if (event.key === "End") this.toEnd();
    else if (event.key === "Home") this.box.scrollTop = 0;
    else return;
    event.preventDefault();
  }

  // Scrolling up turns following off, so that the lines being read stay in place.
  scrolled() {
    if (!this.followSwitch) return;
    const away = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight;
    if (this.box.scrollTop < (this.top ?? 0) - 4 && away > 40) this.followSwitch.checked = false;
    this.top = this.box.scrollTop;
  }

  toEnd() {
    requestAnimationFrame(() => {
      this.box.scrollTop = this.box.scrollHeight;
      this.top = this.box.scrollTop;
    });
  }

  announce() {
    if (!this.unannounced) return;
    this.querySelector("[data-status]").textContent = this.dataset.new.replace("#", this.unannounced);
    this.unannounced = 0;
  }
}

customElements.define("run-log", RunLog);
