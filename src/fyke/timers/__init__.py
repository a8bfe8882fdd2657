"""The clock as an entrance: callbacks, leases, retention, keys of starts."""
