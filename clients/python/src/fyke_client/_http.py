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

    def seconds_for(self, request: Request) -> float:
        return min(self.timeout + request.extra_seconds, request.most_seconds)

    @contextlib.contextmanager
    def errors(self, seconds: float | None = None) -> Iterator[None]:
        """Turn the errors of ``httpx2`` into ours. ``seconds``: of the request, if not the usual
        number.
        """
        seconds = self.timeout if seconds is None else seconds
        import httpx2

        try:
            yield
        except (httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise self.too_slow(seconds, sent=False) from error
        except httpx2.TimeoutException as error:
            raise self.too_slow(seconds) from error
        except httpx2.ConnectError as error:
            raise self.unreachable(error, sent=False) from error
        except (
            httpx2.InvalidURL,
            httpx2.UnsupportedProtocol,
            httpx2.LocalProtocolError,
            httpx2.DecodingError,
        ) as error:
            raise self.unreachable(error, temporary=False) from error
        except httpx2.HTTPError as error:
            raise self.unreachable(error) from error

    def too_slow(self, seconds: float, *, sent: bool = True) -> Unreachable:
        return Unreachable(f"{self.url} did not answer within {seconds:.3g} s", sent=sent)

    def unreachable(
        self, error: BaseException, *, sent: bool = True, temporary: bool = True
    ) -> Unreachable:
        text = str(error) or type(error).__name__
        return Unreachable(f"{self.url} cannot be reached: {text}", sent=sent, temporary=temporary)

    def headers_of(self, request: Request) -> dict[str, str]:
        return {**self.headers, **request.headers}


def response_of(response: httpx2.Response) -> Response:
    return Response(response.status_code, response.headers, response.content)
