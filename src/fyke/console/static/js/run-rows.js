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
  for (const ended of document.querySelectorAll("export-file[data-ended]")) ended.remove();
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

/** Show the rows and the pager that the stream has sent. It repeats rows after a lost connection. */
function showNew() {
  const list = document.querySelector("#rows-list");
  for (const row of [...document.querySelector("#rows-new").children]) {
    if (list.querySelector(`:scope > #${row.id}`)) row.remove();
    else list.append(row);
  }
  const pager = document.querySelector("#pager-new > nav");
  if (pager) document.querySelector("#rows-pager").replaceWith(pager);
  const link = document.querySelector("#fresh [data-more]");
  if (link) link.hidden = true;
}

// New rows are shown when the rows are not in use, and otherwise announced; rows must not move while they are read.
addEventListener("htmx:after:swap", () => {
  const output = document.querySelector("#run-output");
  const fresh = document.querySelector("#rows-new");
  if (!output || !fresh) return;
  const count = fresh.childElementCount;
  const link = document.querySelector("#fresh [data-more]");
  if (!count || !link || !inUse(output)) return showNew();
  link.textContent = count === 1 ? link.dataset.one : link.dataset.more.replace("#", count);
  link.hidden = false;
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("#fresh [data-more]")) return;
  event.preventDefault();
  showNew();
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
