"""The core of the platform: pure rules, and services that apply them.

It has no drivers, frameworks or sockets: everything outside is reached through the interfaces in
``contracts``; read that package first.
"""
