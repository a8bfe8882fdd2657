"""Asking for some of a run's rows, in another order or another shape, and walking through them."""
