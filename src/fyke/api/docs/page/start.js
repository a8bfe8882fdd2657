// Opens the document that the address names; nothing is asked of any other host.
"use strict";

const version = new URLSearchParams(location.search).get("version");
const known = { v1: "../api/v1/openapi.json", v2: "../api/v2/openapi.json" };

for (const link of document.querySelectorAll("nav a[href^='api']:not([download])")) {
  if (new URL(link.href).search === location.search) link.setAttribute("aria-current", "page");
}

SwaggerUIBundle({
  url: new URL(Object.hasOwn(known, version) ? known[version] : "../openapi.json", location.href).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayOperationId: true,
  displayRequestDuration: true,
  docExpansion: "list",
  filter: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null, // the default asks a server of its makers
  presets: [SwaggerUIBundle.presets.apis],
});
