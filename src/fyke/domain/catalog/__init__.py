"""The published Workers that people find (``/store`` on the wire)."""
