/** The ways in which a page can make its browser connect to `place`, a host with its port. */
const soon = (promise) =>
  Promise.race([
    Promise.resolve(promise).catch(() => 0),
    new Promise((done) => setTimeout(done, 2000)),
  ]);

const made = (name, attributes) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

const loaded = (name, attributes) =>
  new Promise((done) => {
    const element = made(name, attributes);
    element.onload = element.onerror = () => {
      element.remove();
      done();
    };
    document.body.append(element);
  });

const hinted = (rel, href) => document.head.append(made("link", { rel, href }));

const ended = (source) =>
  new Promise((done) => {
    source.onopen = source.onerror = source.onclose = () => {
      source.close();
      done();
    };
  });

const inWorker = (text) =>
  new Promise((done) => {
    const worker = new Worker(URL.createObjectURL(new Blob([text])));
    worker.onmessage = worker.onerror = () => {
      worker.terminate();
      done();
    };
  });

const submitted = (action) => {
  const frame = made("iframe", { name: `frame${Math.random()}` });
  const form = made("form", { action, method: "post", target: frame.name });
  document.body.append(frame, form);
  return new Promise((done) => {
    frame.onload = () => {
      frame.remove();
      form.remove();
      done();
    };
    form.submit();
  });
};

const refreshed = (url) =>
  new Promise((done) => {
    const frame = made("iframe", { srcdoc: `<meta http-equiv=refresh content="0;url=${url}">` });
    let loads = 0;
    frame.onload = () => {
      loads += 1;
      if (loads < 2) return; // the first one is that of the frame's own document
      frame.remove();
      done();
    };
    document.body.append(frame);
  });

const gathered = (...urls) =>
  new Promise((done) => {
    const servers = urls.map((url) => ({ urls: url, username: "a", credential: "b" }));
    const peer = new RTCPeerConnection({ iceServers: servers });
    peer.createDataChannel("x");
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done();
    peer.createOffer().then((offer) => peer.setLocalDescription(offer));
  }).catch(() => 0);

const to = (url) => `/to?${encodeURIComponent(url)}`;

const COMMON = {
  fetch: (place) => fetch(`http://${place}/fetch`, { mode: "no-cors" }),
  tls: (place) => fetch(`https://${place}/tls`, { mode: "no-cors" }),
  image: (place) => loaded("img", { src: `http://${place}/image` }),
  socket: (place) => ended(new WebSocket(`ws://${place}/socket`)),
  events: (place) => ended(new EventSource(`http://${place}/events`)),
  beacon: (place) => navigator.sendBeacon(`http://${place}/beacon`, "x"),
  redirect: (place) => fetch(to(`http://${place}/redirected`), { mode: "no-cors" }),
  prefetch: (place) => hinted("prefetch", `http://${place}/prefetch`),
  preconnect: (place) => hinted("preconnect", `http://${place}/`),
  "dns-prefetch": (place) => hinted("dns-prefetch", `//${place}/`),
};

const RARE = {
  frame: (place) => loaded("iframe", { src: `http://${place}/frame` }),
  script: (place) => loaded("script", { src: `http://${place}/script` }),
  module: (place) => hinted("modulepreload", `http://${place}/module`),
  style: (place) => loaded("link", { rel: "stylesheet", href: `http://${place}/style` }),
  object: (place) => loaded("object", { data: `http://${place}/object` }),
  sound: (place) => loaded("audio", { src: `http://${place}/sound` }),
  form: (place) => submitted(`http://${place}/form`),
  "redirected form": (place) => submitted(to(`http://${place}/form`)),
  "redirected frame": (place) => loaded("iframe", { src: to(`http://${place}/frame`) }),
  refresh: (place) => refreshed(`http://${place}/refresh`),
  worker: (place) => inWorker(`importScripts('http://${place}/worker'); postMessage(1)`),
  "fetch of a worker": (place) =>
    inWorker(`fetch('http://${place}/in-worker', {mode: 'no-cors'}).finally(() => postMessage(1))`),
  ping: (place) => made("a", { ping: `http://${place}/ping`, href: "#here" }).click(),
  popup: (place) => window.open(`http://${place}/popup`),
  rules: (place) => {
    const urls = [`http://${place}/speculation`];
    const rules = made("script", { type: "speculationrules" });
    rules.textContent = JSON.stringify({ prefetch: [{ urls }], prerender: [{ urls }] });
    document.head.append(rules);
  },
  transport: (place) => new WebTransport(`https://${place}/transport`).ready,
  "secure socket": (place) => ended(new WebSocket(`wss://${place}/socket`)),
  "stun by udp": (place) => gathered(`stun:${place}`),
  turn: (place) =>
    gathered(
      `turn:${place}?transport=udp`,
      `turn:${place}?transport=tcp`,
      `turns:${place}?transport=tcp`,
    ),
};

/** Try every place in each of the ways; return how many attempts were made. */
globalThis.tryAll = async (places, ways) => {
  const waiting = [...places];
  let tried = 0;
  const lane = async () => {
    while (waiting.length) {
      const place = waiting.shift();
      for (const way of Object.values(ways)) {
        try {
          await soon(way(place));
          tried += 1;
        } catch {} // no URL
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  return tried;
};

/** The same from a service worker, which also gets the requests of the page. */
globalThis.tryInServiceWorker = async (places) => {
  await navigator.serviceWorker.register("/service.js");
  const { active } = await navigator.serviceWorker.ready;
  return new Promise((done) => {
    navigator.serviceWorker.onmessage = (event) => done(event.data);
    active.postMessage(places);
  });
};
Object.assign(globalThis, { soon, COMMON, ALL: { ...COMMON, ...RARE } });
