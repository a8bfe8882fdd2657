// The documentation: choose a page from the select on a phone, and copy a page as Markdown.

import { announce } from "./app.js";

class DocsJump extends HTMLElement {
  connectedCallback() {
    this.querySelector("select").addEventListener("change", (event) => {
      location.href = event.target.value;
    });
  }
}
customElements.define("docs-jump", DocsJump);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy-address]");
  if (!button) return;
  const address = button.dataset.copyAddress;
  try {
    const response = await fetch(address);
    if (!response.ok) throw new Error(String(response.status));
    await navigator.clipboard.writeText(await response.text());
  } catch {
    location.href = address; // without access to the clipboard: show the text
    return;
  }
  announce("✓");
});
