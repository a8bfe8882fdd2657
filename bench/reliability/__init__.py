"""Parts of ``bench/torture.py``."""
