"""The run form on its page: what each control shows, and what a request asks for."""
