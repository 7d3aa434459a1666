"""S3Access: how to reach the store, spelt for each library that does (boto3 takes it from the connection by itself)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

# Arrow gives a request 3 s by default; a busy store or a full uplink needs longer.
REQUEST_TIMEOUT_S = 60
CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class S3Access:
    """Endpoint and key. The secrets stay out of `repr`, and so out of logs and tracebacks."""

    endpoint_url: str | None  # None: AWS itself
    region: str
    path_style: bool
    access_key: str | None
    secret_key: str | None = field(repr=False)
    session_token: str | None = field(repr=False, default=None)

    def filesystem(self) -> S3FileSystem:
        """For Arrow. Small objects go in one PUT, larger ones in a multipart upload in the background."""
        from pyarrow.fs import S3FileSystem

        url = urlsplit(self.endpoint_url or "")
        return S3FileSystem(
            access_key=self.access_key,
            secret_key=self.secret_key,
            session_token=self.session_token,
            region=self.region,
            scheme=url.scheme or "https",
            endpoint_override=url.netloc or None,
            force_virtual_addressing=not self.path_style,
            request_timeout=REQUEST_TIMEOUT_S,
            connect_timeout=CONNECT_TIMEOUT_S,
            allow_delayed_open=True,
        )

    def storage_options(self) -> dict[str, str]:
        """For delta-rs. `aws_conditional_put=etag`: a commit is a PUT with If-None-Match, so that of two equal versions one fails."""
        options = {
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "aws_session_token": self.session_token,
            "aws_region": self.region,
            "aws_endpoint_url": self.endpoint_url,
            "aws_allow_http": "true" if (self.endpoint_url or "").startswith("http://") else "false",
            "aws_virtual_hosted_style_request": "false" if self.path_style else "true",
            "aws_conditional_put": "etag",
        }
        return {name: value for name, value in options.items() if value}
