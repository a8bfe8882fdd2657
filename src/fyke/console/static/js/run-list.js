// Choose rows of a list, one by one or all at once. Buttons are disabled while no row is chosen.
// An update of the list keeps the chosen rows.

class RunList extends HTMLElement {
  #chosen = new Set();

  connectedCallback() {
    this.addEventListener("change", (event) => {
      if (event.target.matches("[data-all]")) {
        for (const checkbox of this.boxes) checkbox.checked = event.target.checked;
      }
      this.remember();
      this.showChosen();
    });
    new MutationObserver(() => this.restore()).observe(this, { childList: true, subtree: true });
    this.remember();
    this.showChosen();
  }

  get boxes() {
    return [...this.querySelectorAll(`input[name="${this.dataset.name ?? "run"}"]`)];
  }

  remember() {
    this.#chosen = new Set(this.boxes.filter((box) => box.checked).map((box) => box.value));
  }

  restore() {
    const fresh = this.boxes.filter((box) => !box.checked && this.#chosen.has(box.value));
    if (!fresh.length) return;
    for (const checkbox of fresh) checkbox.checked = true;
    this.showChosen();
  }

  showChosen() {
    const chosen = this.boxes.filter((box) => box.checked);
    for (const checkbox of this.boxes) checkbox.closest("tr").classList.toggle("chosen", checkbox.checked);
    const line = this.querySelector("[data-chosen]");
    if (!line) return;
    const matching = this.querySelector("[data-matching]")?.checked ?? false;
    const text = chosen.length
      ? line.dataset.some.replace("#", chosen.length)
      : line.dataset.none;
    if (line.textContent !== text) line.textContent = text;
    line.hidden = matching;
    const all = this.querySelector("[data-all]");
    all.checked = chosen.length > 0 && chosen.length === this.boxes.length;
    all.indeterminate = chosen.length > 0 && !all.checked;
    for (const button of this.querySelectorAll("[data-act]")) {
      button.disabled = !matching && chosen.length === 0;
    }
  }
}

customElements.define("run-list", RunList);
