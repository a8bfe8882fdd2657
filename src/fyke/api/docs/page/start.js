// Opens the document of the version in the address; requests nothing from other hosts.
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
  validatorUrl: null, // the default sends the document to a server of the Swagger project
  presets: [SwaggerUIBundle.presets.apis],
});
