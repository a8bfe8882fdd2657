"""Small tools without any notion of the platform: ids, clock, backoff. Imports nothing of ours."""
