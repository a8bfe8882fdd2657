"""The shapes of version 2."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fyke.wire.v2 import account as account
    from fyke.wire.v2 import fields as fields
    from fyke.wire.v2 import queue as queue
    from fyke.wire.v2 import runs as runs
    from fyke.wire.v2 import status as status
    from fyke.wire.v2 import tasks as tasks
    from fyke.wire.v2 import workers as workers
else:
    from fyke.kit.lazy import submodules_of

    __getattr__ = submodules_of(__name__)
