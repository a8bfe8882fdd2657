"""The way out to the web: proxy, rules, metering."""
