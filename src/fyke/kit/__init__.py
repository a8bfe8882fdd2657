"""General helpers: ids, clocks, backoff, host names. Imports no other package of Fyke."""
