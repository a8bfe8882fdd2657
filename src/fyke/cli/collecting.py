"""When Python collects garbage, as it was before a command changed it (``fyke.cli.entry``).

It is a module of its own, because ``fyke.cli.entry`` may be the main program. Then an import of it
would load it a second time, after the change.
"""

from __future__ import annotations

import gc

USUAL_COLLECTIONS = gc.get_threshold()
