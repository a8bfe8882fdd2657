// The export form: in a dialog where scripts run, and fields that can be moved.

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
    const answer = await fetch(opener.href, {
      headers: { "hx-request": "true", "hx-request-type": "partial", accept: "text/html" },
    });
    if (!answer.ok) throw new Error(String(answer.status));
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    dialog.querySelector("#export-body").replaceChildren(...parsed.body.childNodes);
  } catch {
    location.href = opener.href;
    return;
  }
  dialog.addEventListener("close", () => opener.focus(), { once: true });
  dialog.showModal();
}

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
