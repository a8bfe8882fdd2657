"""Waking another process by event: datagram sockets on one machine, LISTEN/NOTIFY beyond it."""
