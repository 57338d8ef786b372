"""Who asks: Google's application default credentials, found without a long wait where there are none."""

from __future__ import annotations

import os
import warnings
from typing import Any

from tfrecord_io.cloud_errors import NOT_INSTALLED, as_os_error

STORAGE = "https://www.googleapis.com/auth/devstorage.read_write"
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"


def check_login() -> None:
    """Looks for credentials, in 3 s at most; a storage server of one's own (STORAGE_EMULATOR_HOST) wants none.

    Raises:
      OSError: there are none, or the library is not there; says what to do.
    """
    if os.environ.get("STORAGE_EMULATOR_HOST"):
        return
    try:
        find_credentials()
    except ImportError as error:
        raise OSError(NOT_INSTALLED) from error
    except Exception as error:
        told = as_os_error(error, "gs://")
        if told is None:
            raise
        raise told from error


def find_credentials(scope: str = STORAGE) -> tuple[Any, str | None]:
    """google-auth's credentials of this environment, and the project that it or they name, if any.

    Where there is neither a key file nor a login, google-auth asks a Google machine's metadata server,
    three times, with pauses: seconds lost anywhere else. Here one answer or none decides, and google-auth
    still looks at the machine's name, so on Google's machines nothing changes.

    Raises:
      google.auth.exceptions.DefaultCredentialsError: there are none.
    """
    import google.auth
    from google.auth.exceptions import TransportError
    from google.auth.transport.requests import Request

    class Asked(Request):
        """Takes silence of the metadata server for the answer that it is not there."""

        def __call__(self, url: str, *args: Any, **options: Any) -> Any:
            try:
                return super().__call__(url, *args, **options)
            except TransportError:
                if "computeMetadata" in url or not url.startswith("http://"):
                    raise  # no mere question whether it is there
                return _Silence()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a login without a quota project: none is asked for
        credentials, project = google.auth.default(scopes=[scope], request=Asked())
    return credentials, project


class _Silence:
    """What no server would answer."""

    status = 0
    headers: dict[str, str] = {}  # noqa: RUF012 - an answer's, never written to
    data = b""
