"""The clock as an entrance: callbacks, hosts of callbacks, leases, retention, keys of starts."""
