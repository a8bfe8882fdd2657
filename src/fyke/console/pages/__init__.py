"""The pages by area. Each module declares its own; ``compose.py`` collects them."""
