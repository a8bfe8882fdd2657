"""The policy of Chromium in a sandbox, as the file that it reads for managed machines.

The isolation does not depend on it: only the proxy can be reached, and there are no files to read.
It keeps Chromium from trying, which would cost requests of the run, and makes refusals clear. The
headless shell reads no policies and has none of these services.
"""

from __future__ import annotations

import json

_POLICY = {
    "URLBlocklist": ["file://*", "chrome://*"],
    "URLAllowlist": ["chrome://version", "chrome://sandbox", "chrome://gpu"],
    # names are resolved by the proxy, and nothing but the proxy is connected to
    "BuiltInDnsClientEnabled": False,
    "DnsOverHttpsMode": "off",
    "QuicAllowed": False,
    "WebRtcIPHandling": "disable_non_proxied_udp",
    "NetworkPredictionOptions": 2,
    # calls home
    "AlternateErrorPagesEnabled": False,
    "BackgroundModeEnabled": False,
    "BrowserNetworkTimeQueriesEnabled": False,
    "BrowserSignin": 0,
    "ChromeVariations": 2,
    "ComponentUpdatesEnabled": False,
    "DomainReliabilityAllowed": False,
    "EnableMediaRouter": False,
    "MetricsReportingEnabled": False,
    "PromotionalTabsEnabled": False,
    "SafeBrowsingProtectionLevel": 0,
    "SearchSuggestEnabled": False,
    "SpellCheckServiceEnabled": False,
    "SyncDisabled": True,
    "TranslateEnabled": False,
    # what no scraper needs
    "AudioCaptureAllowed": False,
    "ExtensionInstallBlocklist": ["*"],
    "PrintingEnabled": False,
    "VideoCaptureAllowed": False,
}


def policy() -> bytes:
    """The content of the file."""
    return json.dumps(_POLICY).encode()
