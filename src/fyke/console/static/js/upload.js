// An area to drop a file on, beside the native file input, and the progress of the upload.
// Without this script the form is sent normally.

class UploadDrop extends HTMLElement {
  connectedCallback() {
    this.input = this.querySelector("input[type=file]");
    this.progress = this.querySelector("[data-progress]");
    for (const name of ["dragenter", "dragover"]) this.addEventListener(name, (event) => this.over(event));
    for (const name of ["dragleave", "drop"]) this.addEventListener(name, () => this.removeAttribute("data-over"));
    this.addEventListener("drop", (event) => this.drop(event));
    this.closest("form").addEventListener("submit", (event) => this.send(event));
  }

  over(event) {
    event.preventDefault();
    this.setAttribute("data-over", "");
  }

  drop(event) {
    event.preventDefault();
    if (event.dataTransfer.files.length) this.input.files = event.dataTransfer.files;
  }

  showProgress(text) {
    this.progress.hidden = false;
    this.progress.textContent = text;
  }

  // XMLHttpRequest, because only it reports upload progress
  send(event) {
    if (!this.input.files.length) return;
    event.preventDefault();
    const form = event.target, button = form.querySelector("button");
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("HX-Request", "true");
    request.upload.addEventListener("progress", (sent) => {
      if (sent.lengthComputable) this.showProgress(this.dataset.sending.replace("#", `${Math.round((100 * sent.loaded) / sent.total)} %`));
    });
    request.addEventListener("load", () => {
      const target = request.getResponseHeader("hx-redirect");
      if (target) { location.assign(target); return; }
      button.disabled = false;
      // an error response is a page that shows the errors at the fields: let the browser load it
      form.submit();
    });
    request.addEventListener("error", () => {
      button.disabled = false;
      this.showProgress(this.dataset.broken);
    });
    button.disabled = true;
    this.showProgress(this.dataset.sending.replace("#", "0%"));
    request.send(new FormData(form));
  }
}

customElements.define("upload-drop", UploadDrop);
