// Choosing runs of a list: all at once, how many are chosen, and no act on none.

class RunList extends HTMLElement {
  connectedCallback() {
    this.addEventListener("change", (event) => {
      if (event.target.matches("[data-all]")) this.choose(event.target.checked);
      this.tell();
    });
    this.tell();
  }

  get boxes() {
    return [...this.querySelectorAll('input[name="run"]')];
  }

  choose(all) {
    for (const box of this.boxes) box.checked = all;
  }

  tell() {
    const chosen = this.boxes.filter((box) => box.checked);
    for (const box of this.boxes) box.closest("tr").classList.toggle("chosen", box.checked);
    const line = this.querySelector("[data-chosen]");
    if (!line) return;
    const matching = this.querySelector("[data-matching]")?.checked ?? false;
    line.hidden = matching;
    line.textContent = chosen.length
      ? line.dataset.some.replace("#", chosen.length)
      : line.dataset.none;
    const all = this.querySelector("[data-all]");
    all.checked = chosen.length > 0 && chosen.length === this.boxes.length;
    all.indeterminate = chosen.length > 0 && !all.checked;
    for (const button of this.querySelectorAll('button[name="action"]')) {
      button.disabled = !matching && chosen.length === 0;
    }
  }
}

customElements.define("run-list", RunList);
