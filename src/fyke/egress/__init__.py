"""The way out to the web: one metered, filtering proxy for all attempts of a machine.

Words of this package:

* a **grant** (``contracts.Pass``) says what one attempt may do; a **listener** is a listening
  socket inside that attempt's network namespace, and so its identity;
* a **handshake** is the conversation before bytes flow, SOCKS5 or HTTP, as a state machine that
  knows no sockets (``socks``, ``http``, chosen by ``handshake``);
* the **meter** counts what flows and cuts it off at the byte; the **book** of **sites** has the
  same counters by host name;
* the **proxy** has a **gate** for each attempt, and a gate a **link** for each connection: the
  only file that moves the users' bytes;
* a **pool** is the proxies of one region, and the **guard** spares the sites, over all attempts;
* the **control channel** is how a runner tells the egress process of attempts (``messages``,
  ``channel``, ``control``, ``process``), and ``client`` is the runner's end of it. ``local`` is
  the same proxy without the process border.

Layers, each knowing only those before it: rules, meter, sites, steps; socks, http; handshake;
upstream_talk, upstream, pools, guard, reach, link with its sides, gate, no_browser; proxy; local;
control, process; client, look.
"""
