# The part of boto3 that the tests use; the package has no types of its own.

from typing import Any

def client(
    service_name: str,
    *,
    region_name: str | None = ...,
    endpoint_url: str | None = ...,
    aws_access_key_id: str | None = ...,
    aws_secret_access_key: str | None = ...,
) -> Any: ...
