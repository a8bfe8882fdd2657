// The palette: Ctrl+K or "/" opens a search for everything, arrows choose a result, Enter opens it.
// htmx requests the results. Without this script the link in the sidebar opens the search page.

class CommandPalette extends HTMLElement {
  #opens = false; // Enter was pressed before the results of the text were there

  connectedCallback() {
    this.dialog = this.querySelector("dialog");
    this.input = this.querySelector("input");
    this.list = this.querySelector("[role=listbox]");
    this.input.addEventListener("keydown", (event) => this.press(event));
    this.input.addEventListener("htmx:after:swap", () => this.showResults());
    this.input.addEventListener("input", () => (this.waits = true));
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    document.addEventListener("click", (event) => {
      if (!event.target.closest("[data-palette]") || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.open();
    });
  }

  open() {
    if (this.dialog.open) return;
    this.dialog.showModal();
    this.input.value = "";
    this.waits = true;
    this.#opens = false;
    htmx.trigger(this.input, "open");
  }

  get options() {
    return [...this.list.querySelectorAll("[role=option]")];
  }

  get active() {
    return this.list.querySelector("[aria-selected=true]");
  }

  showResults() {
    // an answer to an earlier text may come while the next request waits
    const answered = this.list.querySelector("[data-for]")?.dataset.for;
    this.waits = answered !== this.input.value.trim();
    const options = this.options;
    this.list.hidden = options.length === 0;
    this.input.setAttribute("aria-expanded", options.length > 0);
    this.choose(options[0]);
    if (this.waits) return;
    if (this.#opens) options[0]?.click();
    this.#opens = false;
  }

  choose(option) {
    this.active?.setAttribute("aria-selected", "false");
    if (!option) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    this.input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  press(event) {
    const options = this.options;
    const last = options.length - 1;
    const at = options.indexOf(this.active);
    const targets = new Map([
      ["ArrowDown", at === last ? 0 : at + 1],
      ["ArrowUp", at <= 0 ? last : at - 1],
      ["PageDown", Math.min(last, at + 8)],
      ["PageUp", Math.max(0, at - 8)],
    ]);
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      if (this.waits) this.#opens = true;
      else this.active?.click();
    } else if (targets.has(event.key)) {
      event.preventDefault();
      this.choose(options[targets.get(event.key)]);
    }
  }
}

customElements.define("command-palette", CommandPalette);

// --- keys ---------------------------------------------------------------------------------

const ROWS = "main tbody tr, main .store-card";
const MAC = /^(Mac|iP)/.test(navigator.platform);
const single = document.documentElement.dataset.keys !== "off";

/** Whether a key belongs to the element that has the focus. */
function isTyping(target) {
  return target.closest("input, textarea, select, [contenteditable], [role=log], dialog, [popover], .ace_editor") !== null;
}

function linkOf(row) {
  return row.querySelector("[data-row-link], td a[href], th a[href], h2 a[href]");
}

/** Move the focus to the link of the next or previous row that is shown. */
function moveBy(step) {
  const rows = [...document.querySelectorAll(ROWS)].filter((row) => linkOf(row)?.checkVisibility());
  const at = rows.indexOf(document.activeElement?.closest(ROWS));
  const next = at < 0 ? rows[step > 0 ? 0 : rows.length - 1] : rows[at + step];
  if (!next) return false;
  linkOf(next).focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}

/** Press the control of the focused row that has this key. */
function pressInRow(key) {
  const control = document.activeElement?.closest(ROWS)?.querySelector(`[data-key="${key}"]`);
  if (control?.dataset.says) say(control.dataset.says);
  else control?.click();
  return Boolean(control);
}

/** A short message in the corner, for a key that cannot do what it does elsewhere. */
function say(text) {
  const notices = document.querySelector("#notices");
  notices?.querySelector("[data-said]")?.remove();
  const note = document.createElement("p");
  note.className = "note";
  note.dataset.said = "";
  note.textContent = text;
  notices?.append(note);
  setTimeout(() => note.remove(), 4000);
}

const KEYS = new Map([
  ["/", () => openPalette()],
  ["?", () => (location.assign("/help/keys"), true)],
  ["j", () => moveBy(1)],
  ["k", () => moveBy(-1)],
  ["e", () => pressInRow("e")],
  ["r", () => pressInRow("r")],
]);

function openPalette() {
  const palette = document.querySelector("command-palette");
  if (!palette || document.querySelector("dialog[open]")) return false;
  palette.open();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.isComposing) return;
  const command = event.ctrlKey || event.metaKey;
  const opens = MAC ? event.metaKey && !event.ctrlKey : command; // Control+K of a Mac edits text
  if (opens && !event.shiftKey && event.key.toLowerCase() === "k") {
    if (openPalette()) event.preventDefault();
    return;
  }
  if (command || !single || event.repeat && "er".includes(event.key) || isTyping(event.target)) return;
  if (KEYS.get(event.key)?.()) event.preventDefault();
});
