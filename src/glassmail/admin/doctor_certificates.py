"""When the certificates of a site end."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509

from glassmail.settings.place import Place
from glassmail.stations.certificates import DEFAULT, DIRECTORY

SOON = timedelta(days=14)
CERTIFICATES_MAX = 1_000  # files of ssl/ that are looked at
FILE_BYTES_MAX = 1_048_576


def certificate_ends(place: Place) -> Iterator[tuple[bool, str]]:
    """Tell of certificates that ended (True) or end within SOON (False); raises OSError."""
    now = datetime.now(UTC)
    for name in _names(place):
        path = place.path(name)
        if not os.path.exists(path):
            continue
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES_MAX)
        try:
            chain = x509.load_pem_x509_certificates(data)
        except ValueError:
            yield True, f"{name}: it holds no certificate: put key and certificates in PEM there"
            continue
        end = min(each.not_valid_after_utc for each in chain)
        if end <= now:
            yield True, f"{name}: the certificate ended on {end:%Y-%m-%d}: put a new one there"
        elif end - now <= SOON:
            yield False, f"{name}: the certificate ends on {end:%Y-%m-%d}: put a new one there"


def _names(place: Place) -> list[str]:
    try:
        files = sorted(os.listdir(place.path(DIRECTORY)))
    except FileNotFoundError:
        files = []
    found = [f"{DIRECTORY}/{name}" for name in files if name.endswith(".pem")]
    return [DEFAULT, *found[:CERTIFICATES_MAX]]
