import os


class OtherProxy:
    """Each repetition of a request leaves from another proxy of the region."""

    def __init__(self):
        self.user, self.password = os.environ["PROXY_AUTH"].split(":", 1)

    def process_request(self, request):
        word = request.meta.get("retry_times", 0)
        login = f"{self.user}-session-{word}:{self.password}"
        request.meta["proxy"] = f"http://{login}@{os.environ['PROXY_DOMAIN']}"
