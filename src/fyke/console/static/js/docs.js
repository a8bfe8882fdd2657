// The documentation: choosing a page from the list on a phone, and copying one as Markdown.

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
  const answer = await fetch(button.dataset.copyAddress);
  await navigator.clipboard.writeText(await answer.text());
  announce("✓");
});
