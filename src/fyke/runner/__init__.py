"""The process that carries out attempts."""
