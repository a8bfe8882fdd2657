"""The catalog of published Workers (``/store`` on the wire)."""
