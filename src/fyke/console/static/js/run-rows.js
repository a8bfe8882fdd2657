// The rows of a run: the export form in a dialog, its file, and a reload of the rows when the run
// has ended.

import { PART } from "./export-file.js";

document.addEventListener("click", async (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (!dialog?.showModal || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    await openWith(dialog, opener);
    return;
  }
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog")?.close();
});

// the file is downloaded by this page; a link is shown by another
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches(".export-form") || event.submitter?.value) return;
  event.preventDefault();
  const asked = new URLSearchParams(new FormData(form));
  asked.set("do", "save");
  try {
    await save(form, `${form.action}?${asked}`);
  } catch {
    form.submit(); // the browser shows what is wrong
  }
});

async function save(form, address) {
  const response = await fetch(address, { headers: PART });
  const parts = elementsOf(await response.text());
  if (response.status === 422) {
    form.replaceWith(...parts);
    document.querySelector("#faults")?.focus();
    return;
  }
  if (!response.ok) throw new Error(String(response.status));
  const shown = document.querySelector("#run-output") ?? form.closest("section");
  shown.before(...parts); // the rows may be reloaded, and it stays
  form.closest("dialog")?.close();
}

async function openWith(dialog, opener) {
  try {
    dialog.querySelector("#export-body").replaceChildren(...(await partOf(opener.href)));
  } catch {
    location.href = opener.href;
    return;
  }
  dialog.addEventListener("close", () => opener.focus(), { once: true });
  dialog.showModal();
}

/** Fetch a part of a page and return its elements. */
async function partOf(address) {
  const response = await fetch(address, { headers: PART });
  if (!response.ok) throw new Error(String(response.status));
  return elementsOf(await response.text());
}

function elementsOf(html) {
  return new DOMParser().parseFromString(html, "text/html").body.childNodes;
}

/** Whether the reader has scrolled, selected text, or pressed or focused something in the rows; then they stay. */
function inUse(output) {
  if (output.matches(":active")) return true;
  if (!output.querySelector("#rows")) return false;
  const region = output.querySelector(".rows-region");
  const scrolled =
    document.scrollingElement.scrollTop > 0 || region?.scrollTop > 0 || region?.scrollLeft > 0;
  const selected = getSelection();
  return (
    scrolled ||
    output.contains(document.activeElement) ||
    output.querySelector("dialog[open], details[open]") !== null ||
    (!selected.isCollapsed && output.contains(selected.anchorNode))
  );
}

// The stream sends this element when the run has ended; the link beside it is for rows in use.
class OutputReload extends HTMLElement {
  async connectedCallback() {
    const output = document.querySelector("#run-output");
    if (!output || inUse(output)) return;
    try {
      const fresh = await partOf(location.href);
      if (!inUse(output)) output.replaceWith(...fresh);
    } catch {
      // the link remains
    }
  }
}

customElements.define("output-reload", OutputReload);

// After a lost connection the stream may repeat rows: those already present are not added again.
addEventListener("htmx:after:swap", () => {
  const list = document.querySelector("#rows-list");
  const seen = new Set();
  for (const row of [...(list?.children ?? [])]) {
    if (seen.has(row.id)) row.remove();
    seen.add(row.id);
  }
});

class FieldOrder extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const up = event.target.closest("[data-up]");
      const button = up ?? event.target.closest("[data-down]");
      const item = button?.closest("li");
      if (!item) return;
      const other = up ? item.previousElementSibling : item.nextElementSibling;
      if (other) up ? other.before(item) : other.after(item);
      button.focus();
    });
  }
}

customElements.define("field-order", FieldOrder);
