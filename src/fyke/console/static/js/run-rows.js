// The rows of a run: the export form in a dialog, and the rows once more when the run has ended.

const PART = { "hx-request": "true", "hx-request-type": "partial", accept: "text/html" };

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

// the file comes as a download, so the page stays: the dialog has done its work
document.addEventListener("submit", (event) => {
  const dialog = event.target.closest("dialog");
  if (dialog) setTimeout(() => dialog.close(), 300);
});

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

/** The elements of a part of a page. */
async function partOf(address) {
  const answer = await fetch(address, { headers: PART });
  if (!answer.ok) throw new Error(String(answer.status));
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  return parsed.body.childNodes;
}

/** Whether the reader has scrolled, or is at work in the rows: then nothing may move. */
function inUse(output) {
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

// The stream sends it when the run has ended; the link beside it is for a reader at work.
class OutputReload extends HTMLElement {
  async connectedCallback() {
    const output = document.querySelector("#run-output");
    if (!output || inUse(output)) return;
    try {
      const fresh = await partOf(location.href);
      if (!inUse(output)) output.replaceWith(...fresh);
    } catch {
      // the link is still there
    }
  }
}

customElements.define("output-reload", OutputReload);

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
