// Passwords that can be shown, a button that says it is at work, and a secret that is shown once.

document.addEventListener("change", (event) => {
  const shows = event.target.dataset?.shows;
  const field = shows && document.getElementById(shows);
  if (field) field.type = event.target.checked ? "text" : "password";
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = form.dataset.busy && form.querySelector("button:not([type=button])");
  if (!button || event.defaultPrevented) return;
  // a password that is sent as text may be kept as one by the browser
  for (const field of form.querySelectorAll("[data-shows]")) {
    document.getElementById(field.dataset.shows).type = "password";
  }
  const before = button.textContent;
  button.textContent = form.dataset.busy;
  button.setAttribute("aria-disabled", "true");
  addEventListener("pageshow", () => {
    button.textContent = before;
    button.removeAttribute("aria-disabled");
  }, { once: true });
});

/** Asks once before the page is left while its secret was not copied. */
class OnceSecret extends HTMLElement {
  connectedCallback() {
    let asked = false;
    this.ask = (event) => {
      if (asked) return;
      asked = true;
      event.preventDefault();
      event.returnValue = this.dataset.question;
    };
    addEventListener("beforeunload", this.ask);
    this.addEventListener("click", (event) => {
      if (event.target.closest("[data-copy-from]")) this.settle();
    });
    // copying by hand counts too
    this.addEventListener("copy", () => this.settle());
  }

  settle() {
    removeEventListener("beforeunload", this.ask);
  }

  disconnectedCallback() {
    this.settle();
  }
}

customElements.define("once-secret", OnceSecret);
