// Choose a range of time by dragging over the runs over time. A click opens one step, by its link.

class RunBrush extends HTMLElement {
  #from = null;
  #to = null;
  #stop = null;

  connectedCallback() {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      const bar = event.target.closest("a");
      if (!bar) return;
      this.#from = this.#to = this.bars.indexOf(bar);
    }, { signal });
    this.addEventListener("pointermove", (event) => {
      if (this.#from === null) return;
      if (!event.buttons) return this.clear();
      this.#to = this.stepAt(event.clientX);
      this.show();
    }, { signal });
    this.addEventListener("dragstart", (event) => event.preventDefault(), { signal });
    addEventListener("pointerup", (event) => {
      if (this.#from === null) return;
      const [first, last] = [this.#from, this.#to].sort((one, other) => one - other);
      const bars = this.bars;
      this.clear();
      if (first === last) return;
      event.preventDefault();
      const address = new URL(bars[first].getAttribute("href"), location.href);
      const until = new URL(bars[last].getAttribute("href"), location.href).searchParams.get("until");
      address.searchParams.set("until", until);
      location.assign(address);
    }, { signal });
  }

  disconnectedCallback() {
    this.#stop.abort();
  }

  get bars() {
    return [...this.querySelectorAll("a")];
  }

  stepAt(x) {
    const bounds = this.querySelector("svg").getBoundingClientRect();
    const number = this.bars.length;
    const step = Math.floor(((x - bounds.left) / bounds.width) * number);
    return Math.min(number - 1, Math.max(0, step));
  }

  show() {
    const [first, last] = [this.#from, this.#to].sort((one, other) => one - other);
    this.bars.forEach((bar, n) => bar.classList.toggle("chosen", first !== last && n >= first && n <= last));
  }

  clear() {
    this.#from = this.#to = null;
    for (const bar of this.bars) bar.classList.remove("chosen");
  }
}

customElements.define("run-brush", RunBrush);
