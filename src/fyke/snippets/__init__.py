"""Programs in six languages that start one run with one input. Knows no domain and no request."""
