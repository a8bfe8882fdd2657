"""Egress to the web: one metered, filtering proxy for all attempts of a machine.

Terms of this package:

* a **grant** (``contracts.EgressGrant``) defines what one attempt may do; a **listener** is a
  listening socket inside that attempt's network namespace, which identifies the attempt;
* a **handshake** is the exchange before bytes flow, SOCKS5 or HTTP, as a state machine without
  sockets (``socks``, ``http``, chosen by ``handshake``);
* the **meter** counts the bytes and cuts the attempt off at its limit; the **site counters** are
  the same counters by host name;
* the **proxy** has an **attempt proxy** for each attempt, which has a **proxied connection** for
  each connection: the only module that moves the users' bytes;
* a **pool** is the proxies of one region, and the **throttle** limits the rate of connections to
  each site, across all attempts;
* the **control channel** is how a runner opens and closes attempts in the egress process
  (``messages``, ``control``, ``process``; over ``fyke.kit.channel``), and ``client`` is the
  runner's end of it. ``local`` is the same proxy in the runner's process.

Layers, each of which imports only those before it: actions, meter, site_counters, rules; socks,
http; handshake; upstream_handshake, upstream, pools, throttle, dialer, attempt_proxy, protocols,
proxied_connection, no_browser; proxy; local; control, process; client, live_check.
"""
