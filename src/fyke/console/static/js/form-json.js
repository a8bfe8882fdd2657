// JSON fields in an editor that numbers lines and marks errors. It is loaded when a field gets the
// focus. The form sends the textarea below it, which also works without the editor.

const vendor = new URL("../vendor/ace/", import.meta.url).href;
// commands that need parts of Ace that are not here; Ctrl+F is the search of the browser again
const UNUSED = ["find", "replace", "gotoline", "openCommandPalette", "openCommandPallete", "showSettingsMenu"];
let loading;

function load() {
  loading ??= new Promise((resolve, reject) => {
    for (const sheet of ["ace.css", "github_light_default.css", "github_dark.css"]) {
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = vendor + sheet;
      document.head.append(link);
    }
    const script = document.createElement("script");
    script.src = `${vendor}ace.js`;
    script.onload = () => resolve(window.ace);
    script.onerror = reject;
    document.head.append(script);
  }).then((ace) => {
    ace.config.set("useStrictCSP", true);
    for (const name of ["basePath", "modePath", "themePath", "workerPath"]) ace.config.set(name, vendor);
    ace.config.set("loadWorkerFromBlob", false);
    return ace;
  });
  return loading;
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");

function theme() {
  const chosen = document.documentElement.dataset.theme;
  const dark = chosen ? chosen === "dark" : systemDark.matches;
  return `ace/theme/${dark ? "github_dark" : "github_light_default"}`;
}

class FormJson extends HTMLElement {
  connectedCallback() {
    if (this.area) return;
    this.area = this.querySelector("textarea");
    this.gone = new AbortController();
    this.bar();
    const start = () => this.edit().catch(() => {}); // without the editor the textarea is used
    if ("tall" in this.dataset) requestIdleCallback?.(start) ?? setTimeout(start, 200);
    else this.area.addEventListener("focus", start, { once: true });
  }

  disconnectedCallback() {
    this.gone.abort();
    this.editor?.destroy();
  }

  bar() {
    const bar = document.createElement("div");
    bar.className = "row small";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small";
    button.textContent = this.closest("form").dataset.format ?? "Format";
    button.addEventListener("click", () => this.format());
    this.status = document.createElement("span");
    this.status.setAttribute("role", "status");
    bar.append(button, this.status);
    this.append(bar);
  }

  /** Have the server format the JSON; a browser would round long numbers. */
  async format() {
    const form = this.closest("form");
    const body = new URLSearchParams({ text: this.area.value });
    const response = await fetch(`${form.getAttribute("action")}/format`, { method: "POST", body });
    if (!response.ok) return;
    const { text, fault } = await response.json();
    this.status.textContent = fault || "✓";
    this.status.className = fault ? "bad-text" : "good-text";
    if (!fault) this.put(text);
  }

  put(text) {
    this.area.value = text;
    this.editor?.setValue(text, -1);
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  async edit() {
    const ace = await load();
    if (!this.isConnected || this.editor) return;
    // read only now: a user may have typed, selected or moved on while the editor was loaded
    const focused = document.activeElement === this.area;
    const { selectionStart, selectionEnd } = this.area;
    const holder = document.createElement("div");
    holder.className = "json-editor";
    this.area.before(holder);
    const editor = ace.edit(holder, {
      mode: "ace/mode/json",
      theme: theme(),
      minLines: "tall" in this.dataset ? 16 : 6,
      maxLines: 40,
      tabSize: 2,
      useSoftTabs: true,
      wrap: true,
      showPrintMargin: false,
      wrapBehavioursEnabled: false, // a typed bracket or quote replaces the selection, as in other fields
      fontSize: "0.85rem",
      useWorker: true,
    });
    this.editor = editor;
    systemDark.addEventListener("change", () => editor.setTheme(theme()), { signal: this.gone.signal });
    for (const name of UNUSED) editor.commands.removeCommand(name);
    editor.commands.bindKeys({ Tab: null, "Shift-Tab": null }); // Tab leaves the editor, as in other fields
    editor.setValue(this.area.value, -1);
    if (focused) {
      const [start, end] = [selectionStart, selectionEnd].map((at) => editor.session.doc.indexToPosition(at));
      editor.selection.setRange({ start, end });
    }
    editor.session.getUndoManager().reset(); // the first undo must not empty the field
    const input = editor.textInput.getElement();
    const label = document.querySelector(`label[for="${this.area.id}"]`);
    input.setAttribute("aria-label", (label?.textContent ?? "JSON").trim());
    editor.session.on("change", () => {
      this.area.value = editor.getValue();
      this.area.dispatchEvent(new Event("input", { bubbles: true }));
    });
    label?.addEventListener("click", () => editor.focus());
    this.toggleAttribute("data-edited", true); // not on the textarea: a swap would restore its attributes
    if (focused) editor.focus();
  }
}
customElements.define("form-json", FormJson);
