"""REST: translate, authorize, call one domain service."""
