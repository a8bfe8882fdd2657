// Show passwords, mark the button of a submitted form as busy, and warn before a one-time secret is lost.

document.addEventListener("change", (event) => {
  const shows = event.target.dataset?.shows;
  const field = shows && document.getElementById(shows);
  if (field) field.type = event.target.checked ? "text" : "password";
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = form.dataset.busy && form.querySelector("button:not([type=button])");
  if (!button || event.defaultPrevented) return;
  // the browser may store a password as text if its field is a text field when it is sent
  for (const field of form.querySelectorAll("[data-shows]")) {
    document.getElementById(field.dataset.shows).type = "password";
  }
  const label = button.textContent;
  button.textContent = form.dataset.busy;
  button.setAttribute("aria-disabled", "true");
  addEventListener("pageshow", () => {
    button.textContent = label;
    button.removeAttribute("aria-disabled");
  }, { once: true });
});

// a form whose user has just confirmed their password
document.querySelector("form[data-submit]")?.requestSubmit();

/** Asks once for confirmation if the visitor leaves the page before copying its secret. */
class OnceSecret extends HTMLElement {
  connectedCallback() {
    let warned = false;
    this.warn = (event) => {
      if (warned) return;
      warned = true;
      event.preventDefault();
      event.returnValue = this.dataset.question;
    };
    addEventListener("beforeunload", this.warn);
    this.addEventListener("click", (event) => {
      if (event.target.closest("[data-copy-from]")) this.stopWarning();
    });
    // copying by hand counts too
    this.addEventListener("copy", () => this.stopWarning());
  }

  stopWarning() {
    removeEventListener("beforeunload", this.warn);
  }

  disconnectedCallback() {
    this.stopWarning();
  }
}

customElements.define("once-secret", OnceSecret);
