"""Who may call is settled before the first call: a service that trusts nobody, or anybody, does not start."""

from pathlib import Path
from typing import Any

import pytest

from cds_service.cli import settings_from
from cds_service.errors import StartRefusedError
from cds_service.settings import Settings
from cds_service.trust.start import tenants_of

TENANT = (
    '[[tenant]]\nname = "north"\niss = "https://ehr.example"\njku = "https://ehr.example/jwks"\n'
)
PUBLIC = "https://readmit.example"
KEY = "c2VjcmV0IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXMhISE="


def settings(folder: Path, **other: Any) -> Settings:
    file = folder / "tenants.toml"
    file.write_text(TENANT)
    whole = {"tenants": file, "public_url": PUBLIC, "storage_keys": (KEY,)}
    return Settings(**{key: value for key, value in (whole | other).items() if value is not None})


def test_tenants_with_all_that_they_need_are_served(tmp_path: Path) -> None:
    assert [each.name for each in tenants_of(settings(tmp_path))] == ["north"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104
def test_with_tenants_it_may_listen_anywhere(host: str, tmp_path: Path) -> None:
    assert tenants_of(settings(tmp_path, host=host))


def test_under_dev_this_machine_is_served() -> None:
    assert [each.name for each in tenants_of(Settings(dev=True))] == ["dev"]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"tenants": None}, "nobody is trusted"),
        ({"dev": True}, "Choose one of the two"),
        ({"public_url": None}, "READMIT_PUBLIC_URL is needed"),
        ({"storage_keys": None}, "READMIT_STORAGE_KEYS is needed"),
        ({"tenants": None, "dev": True, "host": "0.0.0.0"}, "listens on loopback only"),  # noqa: S104
        ({"tenants": None, "dev": True, "host": "ehr.example"}, "listens on loopback only"),
    ],
)
def test_it_does_not_start(other: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(StartRefusedError, match=words):
        tenants_of(settings(tmp_path, **other))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("algorithms", ["none"]),
        ("algorithms", ["ES384", "HS256"]),
        ("algorithms", ["HS384"]),
        ("algorithms", []),
        ("token_lifetime_s", 0),
        ("clock_skew_s", -1),
        ("public_url", "http://readmit.example"),
        ("public_url", "https://user:word@readmit.example"),
        ("public_url", "https://readmit.example?a=b"),
        ("public_url", "readmit.example"),
        ("cors_origins", ["*"]),
        ("cors_origins", ["null"]),
        ("cors_origins", ["http://ehr.example"]),
        ("cors_origins", ["https://ehr.example/"]),
        ("cors_origins", ["https://ehr.example/app"]),
        ("cors_origins", ["https://EHR.example"]),
    ],
)
def test_a_setting_that_would_open_the_door_is_refused(name: str, value: object) -> None:
    with pytest.raises(StartRefusedError, match=f"READMIT_{name.upper()}"):
        settings_from({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("public_url", "https://readmit.example/at/a/path"),
        ("public_url", "http://127.0.0.1:8000"),
        ("cors_origins", ("https://ehr.example:8443", "http://localhost:3000")),
        ("algorithms", ("PS384",)),
    ],
)
def test_a_setting_that_is_safe_is_kept(name: str, value: object) -> None:
    assert getattr(settings_from({name: value}), name) == value
