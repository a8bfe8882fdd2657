"""What the platform is: models, services and pure rules. No driver, no framework, no socket.

All access to the outside is by the interfaces in ``contracts``; read that package first.
"""
