// For every page: time zone cookie, copying, focus after an error, announcements, forms that are sent once and
// not lost, failed requests, updates that wait for a click, and signing out.
// Larger features are custom elements in the other modules of this folder.

const root = document.documentElement;
root.classList.add("js");
// a press of a finger may begin to scroll: only that of a mouse fetches the page of a tab
root.classList.toggle("mouse", matchMedia("(hover: hover)").matches);

function rememberZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const cookie = `${root.dataset.zoneCookie}=${encodeURIComponent(zone)}`;
  if (!zone || document.cookie.split("; ").includes(cookie)) return;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${cookie}; path=/; max-age=31536000; samesite=lax${secure}`;
}

/** Have screen readers read out a short text. */
export function announce(text) {
  const notices = document.querySelector("#notices");
  if (!notices) return;
  const line = document.createElement("p");
  line.className = "visually-hidden";
  line.textContent = text;
  notices.append(line);
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
  within.querySelector?.("[data-focus]")?.focus();
}

document.addEventListener("click", (event) => {
  const copyButton = event.target.closest("[data-copy], [data-copy-from]");
  if (copyButton) copyFrom(copyButton);
  if (event.target.closest("[data-again]") && failed) retry();
  // only one menu is open at a time
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// a folded list of check boxes says how many are checked
document.addEventListener("change", ({ target }) => {
  const list = target.closest("details");
  const number = list?.querySelector(":scope > summary > [data-checked]");
  if (number) number.textContent = list.querySelectorAll(":checked").length || "";
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A form is sent once, even if its button is pressed repeatedly, by the browser or by htmx, which would queue a second
// request and send it after the first.
const sent = new WeakSet();

function sendLater(form) {
  addEventListener("pageshow", () => sent.delete(form), { once: true });
  setTimeout(() => sent.delete(form), 5000);
}

// Leaving asks first while a form has changes that were not sent. Forms are known by their address, because a swap
// replaces them. What was typed in a menu or popover was dropped when that was closed.
const changed = new Set();

function isChanged(form) {
  const isShown = [...form.elements].some((element) => element.checkVisibility());
  return isShown && changed.has(form.getAttribute("action"));
}

function hasChanges() {
  return [...document.forms].some(isChanged);
}

let leaving; // the form with which the page is left

function askFirst(event) {
  const form = leaving;
  leaving = undefined;
  if ([...document.forms].some((other) => other !== form && isChanged(other))) {
    event.preventDefault();
    if (form) setTimeout(() => sent.delete(form)); // the visitor may stay, and send it later
  } else if (form) changed.delete(form.getAttribute("action"));
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form");
  if (!form?.matches(".frame [method=post]:not([data-picks])")) return;
  changed.add(form.getAttribute("action"));
  if (form === leaving) leaving = undefined; // it was sent without leaving the page
  addEventListener("beforeunload", askFirst);
});
// the other buttons of a form that htmx sends, such as those of a view, only draw it again
document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  const form = formOf(ctx);
  if (!form || ctx.response.status >= 400) return;
  const saved = form === ctx.sourceElement || ctx.sourceElement.matches("[data-saves]");
  if (saved || ctx.hx.redirect) changed.delete(form.getAttribute("action"));
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented && !form.hasAttribute("hx-post")) changed.delete(form.getAttribute("action"));
  if (event.defaultPrevented || form.method !== "post") return;
  if (sent.has(form)) {
    event.preventDefault();
    return;
  }
  sent.add(form);
  sendLater(form);
  leaving = form;
});

/** The form that a request of htmx sends; undefined for requests of other elements, such as estimates while one types. */
function formOf({ sourceElement, request }) {
  if (request.method.toUpperCase() !== "POST" || !sourceElement?.matches?.("form, button")) return undefined;
  return sourceElement.closest("form") ?? sourceElement;
}

document.addEventListener("htmx:config:request", (event) => {
  const form = formOf(event.detail.ctx);
  if (!form) return;
  if (sent.has(form)) event.preventDefault();
  else sent.add(form);
});
document.addEventListener("htmx:finally:request", (event) => {
  const { ctx } = event.detail;
  const form = formOf(ctx);
  if (!form) return;
  if (ctx.keepIndicators) sendLater(form); // the next page is loading
  else sent.delete(form);
});

// the way back to a page that was kept: its forms ask for something new
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const field of document.querySelectorAll("input[name=once]")) {
    field.value = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  }
});

function reloadLater(within) {
  const reload = within.querySelector?.("[data-reload]");
  if (reload) setTimeout(() => location.reload(), Number(reload.dataset.reload) * 1000);
}

// after signing out no other tab shows data of the session: reloaded, it shows the sign-in page. A form with changes
// stays, and can be sent after signing in again.
const signOuts = new BroadcastChannel("fyke-sign-outs");
signOuts.addEventListener("message", () => {
  if (!hasChanges()) location.reload();
  else document.querySelector("#notices").replaceChildren(document.querySelector("#signed-out").content.cloneNode(true));
});
if (location.pathname === "/login" && location.search === "?signed-out") {
  signOuts.postMessage("");
  history.replaceState(null, "", "/login");
}

// a request without a response: show the notice once, and remove it at the next response
let failed = null;

function showUnreachable(ctx) {
  const notices = document.querySelector("#notices");
  const note = document.querySelector("#unreachable")?.content.cloneNode(true);
  if (!notices || !note) return;
  failed = ctx;
  notices.querySelector("[data-unreachable]")?.remove();
  note.firstElementChild.dataset.unreachable = "";
  note.querySelector("[data-again]").hidden = !canRetry(ctx);
  notices.append(note);
}

// forms with changes have their own button, and streams reconnect automatically
function canRetry({ sourceElement, sourceEvent, request }) {
  const stream = sourceElement?.hasAttribute("hx-sse:connect") ?? true;
  return !stream && sourceEvent && request?.method?.toUpperCase() === "GET";
}

function retry() {
  const { sourceElement, sourceEvent } = failed;
  if (sourceElement instanceof HTMLFormElement) sourceElement.requestSubmit();
  else sourceElement.dispatchEvent(new Event(sourceEvent.type, { bubbles: true, cancelable: true }));
}

document.addEventListener("htmx:error", (event) => {
  if (event.detail?.ctx) showUnreachable(event.detail.ctx);
});
// htmx reconnects an interrupted stream, but not one whose first request got no response
const MAX_FIRST_ATTEMPTS = 8;
document.addEventListener("htmx:error", (event) => {
  const stream = event.target;
  if (!(stream instanceof Element) || !stream.hasAttribute("hx-sse:connect")) return;
  const tries = Number(stream.dataset.tries ?? 0) + 1;
  stream.dataset.tries = tries;
  if (tries >= MAX_FIRST_ATTEMPTS) return;
  setTimeout(() => stream.isConnected && htmx.trigger(stream, "again"), 500 * 2 ** (tries - 1));
});

document.addEventListener("htmx:after:request", () => {
  document.querySelector("#notices [data-unreachable]")?.remove();
});

document.addEventListener("htmx:after:swap", (event) => focusFirst(event.target));

/** Remove the notice about an action, which says what is no longer so. */
export function dropNotice() {
  document.querySelector(".main-inner > .note[role=status]:first-child")?.remove();
}

// the notice about an action goes when the next action is answered in place
document.addEventListener("htmx:after:request", (event) => {
  if (event.detail?.ctx?.request?.method?.toUpperCase() === "POST") dropNotice();
});

// Updates wait while a control is pressed: a click needs the element that was pressed, in its place.
// The press of a select is not among them: its list takes the release.
const PRESSED = "a, button, summary, label, [type=checkbox], [type=radio], [role=option]";
const LONGEST_PRESS = 3000; // ms; the end of a press is not always reported
let waiting = null; // updates in their order, null while nothing is pressed
let pressEnd;

function press(event) {
  if (!event.isPrimary || event.button !== 0 || !event.target.closest?.(PRESSED)) return;
  waiting ??= [];
  clearTimeout(pressEnd);
  pressEnd = setTimeout(showWaiting, LONGEST_PRESS);
}

function showWaiting() {
  clearTimeout(pressEnd);
  const updates = waiting ?? [];
  waiting = null;
  for (const update of updates) htmx.swap(update);
}

addEventListener("pointerdown", press, true);
for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, () => setTimeout(showWaiting), true); // after the click
}
addEventListener("htmx:before:swap", (event) => {
  if (!waiting) return;
  event.preventDefault();
  waiting.push({ ...event.detail.ctx });
}, true);

// on a narrow screen the current tab may be outside the visible part of the row
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

rememberZone();
focusFirst(document);
reloadLater(document);
