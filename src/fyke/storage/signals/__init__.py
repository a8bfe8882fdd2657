"""Signals between processes: datagram sockets on one machine, LISTEN/NOTIFY across machines."""
