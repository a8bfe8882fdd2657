BOT_NAME = "quotes"
SPIDER_MODULES = ["quotes.spiders"]
LOG_LEVEL = "INFO"
RETRY_HTTP_CODES = [403, 429, 500, 502, 503, 504]
RETRY_TIMES = 4
COOKIES_ENABLED = False  # a visit that was refused leaves none
AUTOTHROTTLE_ENABLED = True
DOWNLOADER_MIDDLEWARES = {"quotes.middlewares.OtherProxy": 740}  # before HttpProxyMiddleware
