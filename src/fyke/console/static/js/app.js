// What every page needs: the visitor's zone, copying, focus after an error, announcements.
// Larger behaviours are elements of their own in the modules beside this one.

const root = document.documentElement;
root.classList.add("js");

function rememberZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || document.cookie.includes(`fyke_zone=${encodeURIComponent(zone)}`)) return;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie =
    `fyke_zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax${secure}`;
}

/** Put a short sentence where assistive technology reads it out. */
export function announce(text) {
  const place = document.querySelector("#notices");
  if (!place) return;
  const line = document.createElement("p");
  line.className = "visually-hidden";
  line.textContent = text;
  place.append(line);
  setTimeout(() => line.remove(), 4000);
}

async function copyFrom(button) {
  const source = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
  const text = source ? source.textContent : button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    selectText(source ?? button.previousElementSibling);
    return;
  }
  button.dataset.copied = "";
  announce(button.dataset.copiedText ?? "✓");
  setTimeout(() => delete button.dataset.copied, 1500);
}

function selectText(element) {
  if (!element) return;
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

function focusFirst(within) {
  const wanted = within.querySelector?.("[data-focus]");
  if (wanted) wanted.focus();
}

document.addEventListener("click", (event) => {
  const copier = event.target.closest("[data-copy], [data-copy-from]");
  if (copier) copyFrom(copier);
  if (event.target.closest("[data-again]") && failed) sendAgain();
  // one menu at a time
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// a form is sent once, however often its button is pressed
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "";
  addEventListener("pageshow", () => delete form.dataset.sent, { once: true });
  setTimeout(() => delete form.dataset.sent, 5000);
});

function reloadLater(within) {
  const reload = within.querySelector?.("[data-reload]");
  if (reload) setTimeout(() => location.reload(), Number(reload.dataset.reload) * 1000);
}

// a request without a response: show the notice once, and remove it at the next response
let failed = null;

function sayUnreachable(ctx) {
  const place = document.querySelector("#notices");
  const note = document.querySelector("#unreachable")?.content.cloneNode(true);
  if (!place || !note) return;
  failed = ctx;
  place.querySelector("[data-unreachable]")?.remove();
  note.firstElementChild.dataset.unreachable = "";
  note.querySelector("[data-again]").hidden = !mayGoAgain(ctx);
  place.append(note);
}

// a form that changes something has its own button, and a stream comes back by itself
function mayGoAgain({ sourceElement, sourceEvent, request }) {
  const stream = sourceElement?.hasAttribute("hx-sse:connect") ?? true;
  return !stream && sourceEvent && request?.method?.toUpperCase() === "GET";
}

function sendAgain() {
  const { sourceElement, sourceEvent } = failed;
  if (sourceElement instanceof HTMLFormElement) sourceElement.requestSubmit();
  else sourceElement.dispatchEvent(new Event(sourceEvent.type, { bubbles: true, cancelable: true }));
}

document.addEventListener("htmx:error", (event) => {
  if (event.detail?.ctx) sayUnreachable(event.detail.ctx);
});
// htmx comes back when a stream breaks, but not when its first request got no response
const FIRST_TRIES = 8;
document.addEventListener("htmx:error", (event) => {
  const stream = event.target;
  if (!(stream instanceof Element) || !stream.hasAttribute("hx-sse:connect")) return;
  const tries = Number(stream.dataset.tries ?? 0) + 1;
  stream.dataset.tries = tries;
  if (tries >= FIRST_TRIES) return;
  setTimeout(() => stream.isConnected && htmx.trigger(stream, "again"), 500 * 2 ** (tries - 1));
});

document.addEventListener("htmx:after:request", () => {
  document.querySelector("#notices [data-unreachable]")?.remove();
});

document.addEventListener("htmx:after:swap", (event) => focusFirst(event.target));

// on a narrow screen the open tab may lie outside of its row
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

rememberZone();
focusFirst(document);
reloadLater(document);
