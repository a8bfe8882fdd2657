// The live picture of a run's browser, and the mouse and keyboard of a user who has taken it over.

const SEND_MS = 50;
const MOST_INPUTS = 100;
const TAP_PIXELS = 8;
const LINE_PIXELS = 16;
const FAR = 5000;
const RETRY_MS = 5000;
const MAX_FAILURES = 8;
const BUTTONS = ["left", "middle", "right"];
const OLD_SECONDS = 5;
const NO_KEYS = new Set(["Dead", "Process", "Unidentified"]);

const NO_STATE = { pages: [], more: 0, shown: "", dialog: null, trouble: null, yours: false };

class LiveBrowser extends HTMLElement {
  connectedCallback() {
    this.panel = this.closest("section");
    this.piece = (name) => this.panel.querySelector(`[data-part="${name}"]`);
    this.stage = this.piece("stage");
    this.image = this.stage.querySelector("img");
    this.state = NO_STATE;
    this.failures = 0;
    this.inputs = [];
    this.sent = Promise.resolve();
    for (const name of ["attempts", "pages"]) {
      this.piece(name).addEventListener("change", (event) => this.choose(name, event.target.value));
    }
    this.image.addEventListener("load", () => this.drawn());
    this.piece("newer").querySelector("button").addEventListener("click", () => this.choose("pages", this.newer));
    this.piece("large").addEventListener("click", () => this.requestFullscreen());
    this.ticks = setInterval(() => this.showAge(), 1000);
    this.visibility = () => this.follow();
    document.addEventListener("visibilitychange", this.visibility);
    listen(this);
    this.follow();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.visibility);
    clearInterval(this.ticks);
    this.close();
  }

  // Pictures cost the browser of the run time: they come only while a user can see them.
  follow() {
    if (document.hidden && !this.state.yours) {
      this.close();
      this.say(this.dataset.paused);
    } else if (!this.source && !this.over) {
      this.open();
    }
  }

  open() {
    this.close();
    const query = new URLSearchParams({ attempt: this.dataset.attempt, page: this.dataset.page });
    const source = new EventSource(`${this.dataset.at}/live?${query}`);
    this.source = source;
    const on = (kind, take) =>
      source.addEventListener(kind, (event) => {
        this.failures = 0;
        take(JSON.parse(event.data));
      });
    on("state", (state) => this.showState(state));
    on("picture", (picture) => this.showPicture(picture));
    on("notice", (notice) => this.showNotice(notice.text));
    source.addEventListener("end", () => {
      this.over = true;
      this.close();
      this.showNotice(this.dataset.over);
      this.piece("hint").hidden = true;
    });
    source.addEventListener("error", () => this.failed(source));
  }

  close() {
    clearTimeout(this.again);
    this.source?.close();
    this.source = undefined;
  }

  failed(source) {
    this.failures += 1;
    const off = this.failures >= MAX_FAILURES;
    if (off) this.showNotice(this.dataset.off);
    else this.say(this.dataset.lost);
    if (!off && source.readyState !== EventSource.CLOSED) return;
    this.close();
    this.over = off;
    if (!off) this.again = setTimeout(() => this.follow(), RETRY_MS);
  }

  choose(name, value) {
    if (name === "attempts") this.dataset.attempt = value;
    this.dataset.page = name === "pages" ? value : "";
    const query = new URLSearchParams({ attempt: this.dataset.attempt, page: this.dataset.page });
    history.replaceState(history.state, "", `?${query}`); // for a reload
    if (name === "attempts") this.known = undefined;
    this.open();
  }

  // Input goes to the page that was shown when it was made, and names the picture of it.
  setState(state) {
    const { attempt, shown } = this.state;
    if (state.attempt !== attempt || state.shown !== shown) this.flush();
    this.state = state;
  }

  flush() {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.send();
  }

  showState(state) {
    this.setState(state);
    const page = state.pages.find((one) => one.id === state.shown);
    const attempts = state.attempts.map(([id, number]) => [id, number]);
    const pages = named(state.pages).reverse();
    fill(this.piece("attempts"), attempts, state.attempt);
    fill(this.piece("pages"), pages, state.shown, state.more && this.dataset.more.replace("%(count)s", state.more));
    this.querySelector(".live-choices").hidden = attempts.length < 2 && pages.length < 2;
    this.piece("address").textContent = page?.url ?? "";
    this.piece("address").hidden = !page;
    this.image.alt = page ? this.dataset.picture.replace("%(page)s", () => page.title || page.url) : "";
    if (!page) this.hidePicture();
    this.showControl();
    this.showDialog();
    this.showNewer();
    if (state.trouble) this.say(this.dataset[state.trouble]);
    else if (state.yours && state.windows > 1) {
      this.say(`${this.dataset.yours} ${this.dataset.windows.replace("%(count)s", state.windows)}`);
    } else if (state.yours) this.say(this.dataset.yours);
    else if (state.taken_by) this.say(this.dataset.taken.replace("%(name)s", () => state.taken_by));
    else this.say(page ? "" : this.dataset.noPage);
    this.follow();
  }

  showControl() {
    const { yours, taken_by: taken, attempt, shown } = this.state;
    const take = this.piece("take");
    if (take) {
      take.hidden = yours || Boolean(taken) || !attempt;
      this.piece("give").hidden = !yours;
      this.piece("text").hidden = !yours;
      for (const part of [take, this.piece("give")]) {
        part.querySelector("[name=attempt]").value = attempt ?? "";
        part.querySelector("[name=page]").value = shown;
      }
    }
    this.stage.classList.toggle("taken", yours);
    if (yours) {
      this.stage.tabIndex = 0;
      this.stage.setAttribute("role", "application");
      this.stage.setAttribute("aria-label", this.image.alt);
    } else {
      this.stage.removeAttribute("tabindex");
      this.stage.removeAttribute("role");
      this.stage.removeAttribute("aria-label");
    }
  }

  showDialog() {
    const { dialog, yours } = this.state;
    const form = this.piece("dialog");
    const isNew = dialog && form.hidden;
    form.hidden = !dialog;
    if (!dialog) return;
    const leaves = dialog.kind === "beforeunload";
    const heading = dialog.kind === "alert" ? this.dataset.says : this.dataset.asks;
    this.piece("dialog-kind").textContent = heading;
    form.setAttribute("aria-label", heading);
    this.piece("dialog-text").textContent = dialog.text || (leaves ? this.dataset.leave : "");
    if (!this.piece("dialog-buttons")) return;
    const field = this.piece("dialog-answer");
    field.hidden = !yours || dialog.kind !== "prompt";
    if (form.dataset.number !== `${dialog.number}`) form.elements.text.value = dialog.proposal;
    form.dataset.number = dialog.number;
    this.piece("dialog-buttons").hidden = !yours;
    form.querySelector("[value=cancel]").hidden = dialog.kind === "alert";
    this.piece("dialog-hint").hidden = yours;
    if (isNew && document.activeElement === this.stage) {
      (field.hidden ? form.querySelector(".primary") : form.elements.text).focus({ preventScroll: true });
    }
  }

  answer(accept) {
    const { attempt, shown, dialog } = this.state;
    if (!dialog) return;
    const text = dialog.kind === "prompt" && accept ? this.piece("dialog").elements.text.value : "";
    const inputs = [{ kind: "dialog", number: dialog.number, accept, text }];
    const body = JSON.stringify({ attempt, page: shown, picture: 0, inputs });
    this.sent = this.sent.then(() => this.post(body));
  }

  // The user who has taken over keeps their page when another one opens.
  showNewer() {
    const { pages, shown, yours } = this.state;
    if (!yours) this.known = undefined;
    else if (shown) {
      this.known ??= new Set(pages.map((one) => one.id));
      this.known.add(shown);
    }
    const newer = this.known && pages.findLast((one) => !this.known.has(one.id));
    this.newer = newer ? newer.id : "";
    this.piece("newer").hidden = !newer;
    const name = newer && (newer.title || newer.url);
    this.piece("newer").querySelector("span").textContent = newer ? this.dataset.newer.replace("%(page)s", () => name) : "";
  }

  showAge() {
    const seconds = Math.floor((Date.now() - this.pictureAt) / 1000);
    const age = this.piece("age");
    age.hidden = this.stage.hidden || !(seconds >= OLD_SECONDS);
    age.textContent = age.hidden ? "" : this.dataset.age.replace("%(seconds)s", seconds);
  }

  showPicture(picture) {
    if (picture.page !== this.state.shown) return;
    this.image.src = `data:image/jpeg;base64,${picture.jpeg}`;
    this.coming = { page: picture.page, number: picture.number };
    this.pictureAt = Date.now();
    this.stage.hidden = false;
    this.piece("large").hidden = !document.fullscreenEnabled;
    this.showAge();
  }

  drawn() {
    this.flush();
    this.seen = this.coming;
    if (!this.isDrawn && location.hash === `#${this.panel.id}`) this.panel.scrollIntoView();
    this.isDrawn = true;
    this.image.style.setProperty("--ratio", this.image.naturalWidth / this.image.naturalHeight);
  }

  hidePicture() {
    this.stage.hidden = true;
    this.piece("large").hidden = true;
    this.showAge();
    this.image.removeAttribute("src");
    this.seen = undefined;
  }

  showNotice(text) {
    this.setState(NO_STATE);
    this.piece("address").hidden = true;
    this.querySelector(".live-choices").hidden = true;
    this.hidePicture();
    this.showControl();
    this.showDialog();
    this.showNewer();
    this.say(text);
  }

  say(text) {
    const line = this.piece("status");
    if (line.textContent !== text) line.textContent = text;
  }

  // Inputs are sent together, in their order.
  add(input) {
    const { attempt, shown, yours } = this.state;
    if (!yours || this.seen?.page !== shown) return;
    this.target = { attempt, page: shown, picture: this.seen.number };
    const last = this.inputs.at(-1);
    if (input.action === "move" && last?.action === "move") this.inputs.pop();
    if (this.inputs.length >= MOST_INPUTS && !isRelease(input)) {
      const least = this.inputs.findIndex((one) => one.action === "move" || one.kind === "scroll");
      if (least < 0) {
        this.say(this.dataset.unsent);
        return;
      }
      this.inputs.splice(least, 1);
    }
    this.inputs.push(input);
    this.timer ??= setTimeout(() => this.send(), SEND_MS);
  }

  send() {
    this.timer = undefined;
    while (this.inputs.length) {
      const body = JSON.stringify({ ...this.target, inputs: this.inputs.splice(0, MOST_INPUTS) });
      this.sent = this.sent.then(() => this.post(body));
    }
  }

  async post(body) {
    const headers = { "content-type": "application/json" };
    let answer;
    try {
      answer = await fetch(`${this.dataset.at}/input`, { method: "POST", body, headers });
    } catch {
      // said below
    }
    if (answer?.status === 409) this.say(this.dataset.replaced);
    else if (!answer?.ok) this.say(this.dataset.unsent);
  }
}

/** A key or a button that stays pressed in the page if its release is not sent. */
const isRelease = (input) => input.action === "release" || (input.kind === "key" && !input.down);

/** Ids and names of pages; those of the same title have their address, and then a number. */
function named(pages) {
  const names = pages.map((one) => one.title || one.url || one.id);
  const isTwice = (all, name) => all.indexOf(name) !== all.lastIndexOf(name);
  const longer = names.map((name, i) => (isTwice(names, name) ? `${name} (${pages[i].url.replace(/^https?:\/\//, "")})` : name));
  return pages.map((one, i) => [one.id, isTwice(longer, longer[i]) ? `${i + 1}: ${longer[i]}` : longer[i]]);
}

/** Fill a choice; it is shown when there is one. ``more`` is said at its end. */
function fill(label, entries, chosen, more) {
  const select = label.querySelector("select");
  const options = entries.map(([value, text]) => new Option(text, value, false, value === chosen));
  if (more) {
    options.push(new Option(more, ""));
    options.at(-1).disabled = true;
  }
  const same = options.length === select.options.length && options.every((option, i) => isSame(option, select.options[i]));
  if (!same) select.replaceChildren(...options);
  label.hidden = entries.length < 2;
}

const isSame = (a, b) => a.value === b.value && a.text === b.text && a.selected === b.selected;

const modifiersOf = (event) =>
  (event.altKey ? 1 : 0) + (event.ctrlKey ? 2 : 0) + (event.metaKey ? 4 : 0) + (event.shiftKey ? 8 : 0);

const within = (value, low, high) => Math.min(high, Math.max(low, value));

/** Turn the events of the picture into inputs. */
function listen(live) {
  const { stage, image } = live;
  let touch;

  const place = (event) => {
    const shown = image.getBoundingClientRect();
    return {
      x: within((event.clientX - shown.left) / shown.width, 0, 1),
      y: within((event.clientY - shown.top) / shown.height, 0, 1),
    };
  };
  const pointer = (event, action, button) => {
    const clicks = action === "move" ? 0 : within(event.detail || 1, 1, 3);
    live.add({ kind: "pointer", action, ...place(event), button, clicks, modifiers: modifiersOf(event) });
  };
  const pressed = (event) => (event.buttons & 1 ? "left" : event.buttons & 2 ? "right" : "none");
  const on = (kind, take, options) =>
    stage.addEventListener(kind, (event) => live.state.yours && take(event), options);

  on("pointerdown", (event) => {
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId); // the release may be outside
    if (event.pointerType !== "touch") return;
    event.preventDefault(); // no mouse events for a tap, which is sent below
    touch = { x: event.clientX, y: event.clientY, moved: false };
  });
  on("pointermove", (event) => {
    if (event.pointerType !== "touch") {
      pointer(event, "move", pressed(event));
      return;
    }
    if (!touch) return;
    const [right, down] = [touch.x - event.clientX, touch.y - event.clientY];
    if (!touch.moved && Math.hypot(right, down) < TAP_PIXELS) return;
    touch = { x: event.clientX, y: event.clientY, moved: true };
    live.add({ kind: "scroll", ...place(event), right, down });
  });
  on("pointerup", (event) => {
    if (event.pointerType !== "touch" || !touch) return;
    if (!touch.moved) {
      pointer(event, "press", "left");
      pointer(event, "release", "left");
    }
    touch = undefined;
  });
  on("pointercancel", () => {
    touch = undefined;
  });
  for (const [kind, action] of [["mousedown", "press"], ["mouseup", "release"]]) {
    on(kind, (event) => {
      event.preventDefault();
      pointer(event, action, BUTTONS[event.button] ?? "none");
    });
  }
  on("contextmenu", (event) => event.preventDefault());
  on(
    "wheel",
    (event) => {
      event.preventDefault();
      const unit = event.deltaMode ? LINE_PIXELS : 1;
      const far = (delta) => within(delta * unit, -FAR, FAR);
      live.add({ kind: "scroll", ...place(event), right: far(event.deltaX), down: far(event.deltaY) });
    },
    { passive: false },
  );
  const key = (event, down) => {
    if (event.isComposing || NO_KEYS.has(event.key)) return;
    if (event.key === "Escape" && event.shiftKey) {
      stage.blur();
      return;
    }
    // a paste is an event of its own
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "v") return;
    event.preventDefault();
    const [name, code] = [event.key.slice(0, 32), event.code.slice(0, 32)];
    live.add({ kind: "key", down, key: name, code, modifiers: modifiersOf(event) });
  };
  on("keydown", (event) => key(event, true));
  on("keyup", (event) => key(event, false));
  on("paste", (event) => {
    event.preventDefault();
    const text = event.clipboardData.getData("text/plain").slice(0, 10_000);
    if (text) live.add({ kind: "text", text });
  });

  const dialog = live.piece("dialog");
  dialog.addEventListener("submit", (event) => {
    event.preventDefault();
    live.answer(true);
  });
  dialog.querySelector("[value=cancel]")?.addEventListener("click", () => live.answer(false));

  const form = live.piece("text");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const { text } = form.elements;
    if (text.value) live.add({ kind: "text", text: text.value });
    text.value = "";
    text.focus();
  });
  form?.addEventListener("click", (event) => {
    const name = event.target.closest("button[value]")?.value;
    if (!name) return;
    for (const down of [true, false]) live.add({ kind: "key", down, key: name, code: name, modifiers: 0 });
  });
}

customElements.define("live-browser", LiveBrowser);
