"""What both halves need to send requests by ``httpx2``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from fyke_client._requests import Request, Response
from fyke_client.errors import Unreachable

if TYPE_CHECKING:
    import httpx2


class Server(NamedTuple):
    """The address of a server, the headers with the key, and seconds for each request."""

    url: str
    headers: Mapping[str, str]
    timeout: float

    def __repr__(self) -> str:  # without the key, which must not be logged
        return f"Server({self.url!r})"

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the errors of ``httpx2`` into ours."""
        import httpx2

        try:
            yield
        except (httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise self.too_slow(sent=False) from error
        except httpx2.TimeoutException as error:
            raise self.too_slow() from error
        except httpx2.ConnectError as error:
            raise self.unreachable(error, sent=False) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self.unreachable(error) from error

    def too_slow(self, *, sent: bool = True) -> Unreachable:
        return Unreachable(f"{self.url} did not answer within {self.timeout:g} s", sent=sent)

    def unreachable(self, error: BaseException, *, sent: bool = True) -> Unreachable:
        text = str(error) or type(error).__name__
        return Unreachable(f"{self.url} cannot be reached: {text}", sent=sent)

    def headers_of(self, request: Request) -> dict[str, str]:
        return {**self.headers, **request.headers}


def response_of(response: httpx2.Response) -> Response:
    return Response(response.status_code, response.headers, response.content)
