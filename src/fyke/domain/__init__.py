"""What the platform is: models, services and pure rules. No driver, no framework, no socket.

Every door out is a contract in ``contracts``; read that package first.
"""
