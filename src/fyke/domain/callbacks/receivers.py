"""Switches off a receiver after five days of failures without one success."""

from __future__ import annotations

from dataclasses import replace

from fyke.model.callback import Receiver

DISABLE_AFTER_MS = 5 * 24 * 3600 * 1000
DISABLED = (
    "the receiver is switched off, because every call failed for 5 days; enable it to send again"
)


def after_attempt(receiver: Receiver, *, accepted: bool, now: int) -> Receiver:
    """Return the receiver after one more attempt; ``accepted``: whether the response was a 2xx."""
    if accepted:
        return replace(receiver, failing_since=0, disabled_at=0, last_success_at=now)
    since = receiver.failing_since or now
    disable = now - since >= DISABLE_AFTER_MS
    return replace(
        receiver,
        failing_since=since,
        last_failure_at=now,
        disabled_at=receiver.disabled_at or (now if disable else 0),
    )


def enable_receiver(receiver: Receiver) -> Receiver:
    """Return the receiver, enabled and without failures: the five days start anew."""
    return replace(receiver, failing_since=0, disabled_at=0)
