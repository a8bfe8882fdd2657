"""Queries over a run's rows: filters, sort orders, row forms and cursors."""
