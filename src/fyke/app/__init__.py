"""The composition root: the only place that names concrete classes and wires them.

One module per role, so that a role loads only what it is made of:

* ``folder``: the data folder; ``state``: the state in it, migrations, the first account;
* ``house``: what server and runner both stand on;
* ``server``, ``runner``, ``egress``: the three roles of ``fyke serve --role``;
* ``outgoing``: the ways out for callbacks and mails; ``probe``, ``measuring``, ``pieces``,
  ``configuration``: what the operator is told of the installation;
* ``prepare``: a data folder made ready for all of them, as a short process of its own.
"""
