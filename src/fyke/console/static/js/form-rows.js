// A table of the run form: rows can be added and removed, and pasted text fills its cells.

const NUMBER = "__row__";
const MAX_ROWS = 500; // more pasted rows go into the paste field, which the server reads

class FormRows extends HTMLElement {
  connectedCallback() {
    this.body = this.querySelector("tbody");
    this.blank = this.querySelector("template");
    this.next = this.body.rows.length;
    this.querySelector("[data-add]").addEventListener("click", () => this.focusRow(this.add()));
    this.body.addEventListener("click", (event) => this.drop(event));
    this.body.addEventListener("paste", (event) => this.paste(event));
    this.body.addEventListener("keydown", (event) => this.key(event));
  }

  add() {
    const number = String(this.next++);
    const row = this.blank.content.firstElementChild.cloneNode(true);
    for (const element of row.querySelectorAll("*")) {
      for (const name of ["id", "name", "for", "list", "aria-label", "aria-describedby"]) {
        const text = element.getAttribute(name);
        if (!text?.includes(NUMBER)) continue;
        // labels count from one, names of controls from zero
        const shown = name === "aria-label" ? String(Number(number) + 1) : number;
        element.setAttribute(name, text.replaceAll(NUMBER, shown));
      }
      if (element.tagName === "LEGEND") {
        element.textContent = element.textContent.replaceAll(NUMBER, String(Number(number) + 1));
      }
    }
    this.body.append(row);
    return row;
  }

  cells(row) {
    return [...row.cells].slice(0, -1).map((cell) => cell.querySelector("input:not([type=hidden]), select, textarea"));
  }

  focusRow(row) {
    this.cells(row)[0]?.focus();
  }

  key(event) {
    if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.metaKey) return;
    if (event.target.tagName !== "INPUT") return;
    event.preventDefault();
    const row = event.target.closest("tr");
    this.focusRow(row.nextElementSibling ?? this.add());
  }

  drop(event) {
    const button = event.target.closest("[data-drop]");
    if (!button) return;
    const row = button.closest("tr");
    const next = row.nextElementSibling ?? row.previousElementSibling ?? this.add();
    row.remove();
    this.focusRow(next);
    next.dispatchEvent(new Event("input", { bubbles: true }));
  }

  paste(event) {
    const text = event.clipboardData.getData("text/plain").replace(/\r\n?/g, "\n").replace(/\n$/, "");
    if (!/[\n\t]/.test(text)) return;
    event.preventDefault();
    const lines = readCells(text);
    if (lines.length > MAX_ROWS) {
      this.fillPasteField(text);
      return;
    }
    let row = event.target.closest("tr");
    const first = this.cells(row).indexOf(event.target);
    for (const cells of lines) {
      row ??= this.add();
      const controls = this.cells(row);
      cells.forEach((value, index) => put(controls[first + index], value));
      row = row.nextElementSibling;
    }
    this.body.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** Leave a large number of rows to the server. */
  fillPasteField(text) {
    const area = this.querySelector("textarea[name$=':paste']");
    area.closest("details").open = true;
    area.value = area.value ? `${area.value}\n${text}` : text;
    area.focus();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
customElements.define("form-rows", FormRows);

function put(control, value) {
  if (!control) return;
  if (control.type === "checkbox") control.checked = /^(true|1|yes|on)$/i.test(value.trim());
  else if (control.tagName === "SELECT") choose(control, value);
  else control.value = value;
}

function choose(select, value) {
  const wanted = value.trim().toLowerCase();
  const options = [...select.options];
  const found =
    options.find((option) => option.value === value || option.label.trim().toLowerCase() === wanted) ??
    options.find((option) => option.value.toLowerCase() === wanted);
  if (found) select.value = found.value;
}

/** The cells of text copied from a spreadsheet: separated by tabs and line ends, quoted if they contain either. */
export function readCells(text) {
  const rows = [[]];
  let at = 0;
  while (at <= text.length) {
    let cell = "";
    if (text[at] === '"') {
      const end = closing(text, at + 1);
      if (end > 0) {
        cell = text.slice(at + 1, end).replaceAll('""', '"');
        at = end + 1;
      }
    }
    let stop = at;
    while (stop < text.length && text[stop] !== "\t" && text[stop] !== "\n") stop++;
    rows.at(-1).push(cell + text.slice(at, stop));
    if (stop >= text.length) break;
    if (text[stop] === "\n") rows.push([]);
    at = stop + 1;
  }
  return rows;
}

function closing(text, from) {
  for (let at = from; at < text.length; at++) {
    if (text[at] !== '"') continue;
    if (text[at + 1] === '"') at++;
    else return text[at + 1] === undefined || "\t\n".includes(text[at + 1]) ? at : -1;
  }
  return -1;
}
