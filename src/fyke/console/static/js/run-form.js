// The run form: lists and tables as rows, choices in the order they were made, JSON in an editor,
// Ctrl+Enter. All controls also work without these elements.

import "./form-json.js";
import "./form-rows.js";
import { announce } from "./app.js";

const MAX_LINES = 200; // a longer list stays text, which is faster to work with

/** Notify the form of a change that was not typed. */
export function changed(element) {
  element.dispatchEvent(new Event("input", { bubbles: true }));
}

/** A list: one input per line above a textarea. The form sends the textarea. */
class FormList extends HTMLElement {
  connectedCallback() {
    this.area = this.querySelector("textarea");
    this.lines = this.querySelector(".entries");
    this.toggle = this.querySelector("[data-toggle]");
    this.toggleLabels = [this.toggle.textContent, this.toggle.dataset.other];
    this.querySelector("[data-add]").addEventListener("click", () => this.add(""));
    this.toggle.addEventListener("click", () => this.show(!("lines" in this.dataset)));
    this.lines.addEventListener("input", () => this.write());
    this.lines.addEventListener("keydown", (event) => this.key(event));
    this.lines.addEventListener("paste", (event) => this.paste(event));
    this.lines.addEventListener("click", (event) => this.drop(event));
    const count = this.area.value.split("\n").length;
    this.show(count <= MAX_LINES && !this.area.matches("[aria-invalid]"));
  }

  show(asLines) {
    if (asLines && this.area.value.split("\n").length > MAX_LINES) {
      asLines = false;
      announce(this.toggleLabels[0]);
    }
    // set on the element itself: a swap may restore the attributes of elements with an id
    this.toggleAttribute("data-lines", asLines);
    this.toggle.textContent = this.toggleLabels[asLines ? 0 : 1];
    if (asLines) this.draw();
  }

  draw() {
    const texts = this.area.value.split("\n").filter((text) => text !== "");
    this.lines.replaceChildren(...(texts.length ? texts : [""]).map((text) => this.line(text)));
    this.label();
  }

  line(text) {
    const row = document.createElement("div");
    row.className = "entry";
    const input = document.createElement("input");
    input.value = text;
    input.autocomplete = "off";
    input.spellcheck = false;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small plain icon-only";
    button.dataset.drop = "";
    button.textContent = "×";
    row.append(input, button);
    return row;
  }

  label() {
    this.inputs().forEach((input, index) => {
      input.setAttribute("aria-label", `${this.dataset.line} ${index + 1}`);
      const label = this.dataset.remove.replace("%s", index + 1);
      input.nextElementSibling.setAttribute("aria-label", label);
    });
  }

  inputs() {
    return [...this.lines.querySelectorAll("input")];
  }

  add(text, after = this.lines.lastElementChild) {
    const row = this.line(text);
    after ? after.after(row) : this.lines.append(row);
    this.label();
    row.firstElementChild.focus();
    return row;
  }

  write() {
    this.area.value = this.inputs().map((input) => input.value).join("\n");
  }

  key(event) {
    const row = event.target.closest(".entry");
    if (event.target.tagName !== "INPUT" || event.isComposing || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter") {
      event.preventDefault();
      this.add("", row);
    } else if (event.key === "Backspace" && event.target.value === "" && this.inputs().length > 1) {
      event.preventDefault();
      const before = row.previousElementSibling ?? row.nextElementSibling;
      row.remove();
      this.label();
      before.firstElementChild.focus();
      changed(before.firstElementChild);
    }
  }

  paste(event) {
    const text = event.clipboardData.getData("text/plain").replace(/\r\n?/g, "\n");
    if (!text.includes("\n")) return;
    event.preventDefault();
    const input = event.target;
    const texts = text.split("\n").filter((line) => line !== "");
    const head = input.value.slice(0, input.selectionStart);
    const tail = input.value.slice(input.selectionEnd);
    const lines = [head + (texts.shift() ?? ""), ...texts];
    lines.push(lines.pop() + tail);
    const before = this.inputs();
    const at = before.indexOf(input);
    const all = before.map((each) => each.value);
    all.splice(at, 1, ...lines);
    this.area.value = all.join("\n");
    if (all.length > MAX_LINES) this.show(false);
    else {
      this.draw();
      this.inputs()[Math.min(at + lines.length - 1, this.inputs().length - 1)]?.focus();
    }
    changed(this.area);
  }

  drop(event) {
    const button = event.target.closest("[data-drop]");
    if (!button) return;
    const row = button.closest(".entry");
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    if (!next) this.add("");
    else next.firstElementChild.focus();
    this.label();
    this.write();
    changed(this.area);
  }
}
customElements.define("form-list", FormList);

/** Checkboxes in a fixed order, with a filter if there are many. */
class FormChoices extends HTMLElement {
  connectedCallback() {
    this.order = this.querySelector("[data-order]");
    this.addEventListener("change", (event) => this.updateOrder(event.target));
    const filter = this.querySelector("[data-filter]");
    filter?.addEventListener("input", (event) => {
      event.stopPropagation();
      this.filter(filter.value);
    });
  }

  updateOrder(box) {
    if (box.type !== "checkbox" || !this.order) return;
    let tokens = [];
    try {
      tokens = JSON.parse(this.order.value || "[]");
    } catch {}
    tokens = tokens.filter((token) => token !== box.value);
    if (box.checked) tokens.push(box.value);
    this.order.value = JSON.stringify(tokens);
    const summary = this.closest("details")?.querySelector("[data-chosen]");
    if (summary) summary.textContent = this.labels(tokens) || "…";
  }

  labels(tokens) {
    const checkboxes = [...this.querySelectorAll("input[type=checkbox]")];
    const label = (token) =>
      checkboxes.find((checkbox) => checkbox.value === token)?.nextElementSibling.textContent ?? token;
    return tokens.map(label).join(", ");
  }

  filter(text) {
    const wanted = text.trim().toLowerCase();
    for (const choice of this.querySelectorAll(".choice")) {
      choice.hidden = !choice.textContent.toLowerCase().includes(wanted);
    }
  }
}
customElements.define("form-choices", FormChoices);

// on the document, because the form may be replaced at any time
for (const name of ["input", "change"]) {
  document.addEventListener(name, (event) => {
    const form = event.target.closest("#run-form");
    form?.querySelector("#outlook")?.dispatchEvent(new Event("run-input"));
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const start = document.querySelector("#run-form [data-start]");
  if (!start) return;
  event.preventDefault();
  start.click();
});

// a link of the summary of errors opens the closed section or list that contains its control
document.addEventListener("click", (event) => {
  const link = event.target.closest("#faults a[href^='#']");
  const target = link && document.getElementById(link.hash.slice(1));
  if (!target) return;
  event.preventDefault();
  for (let at = target.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
  const list = target.closest("form-list[data-lines]");
  const editor = target.closest("form-json[data-edited]");
  if (editor) {
    editor.editor.focus();
    editor.scrollIntoView({ block: "center" });
    return;
  }
  const shown = list ? list.querySelector(".entries input") : target;
  (shown.matches("fieldset, div") ? shown.querySelector("input") ?? shown : shown).focus();
  shown.scrollIntoView({ block: "center" });
});
