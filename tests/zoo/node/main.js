/** Many behaviours in one Worker: the input names the one that runs. */
"use strict";

const coresdk = require("./sdk");
const behaviours = { ...require("./processes"), ...require("./resources"), ...require("./talk") };

(async () => {
  const given = await coresdk.parameter.getInputJSONObject();
  const row = await behaviours[given.behaviour]();
  if (row !== undefined) await coresdk.result.pushData(row);
})();
