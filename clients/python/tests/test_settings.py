"""Where Redis is said to be: an address, a file, or a folder as a secret is mounted."""

from pathlib import Path

import pytest

from igor.worker import Redis


def written(folder: Path, **parts: str) -> Redis:
    for name, text in parts.items():
        (folder / name).write_text(text)
    return Redis(url_file=folder)


def test_a_folder_holds_the_parts_of_an_address_and_parts_mean_tls(tmp_path: Path) -> None:
    settings = written(tmp_path, host="queue", port="6380", user="igor", password="p@ss/w:rd\n", db="3")
    assert settings.address() == "rediss://igor:p%40ss%2Fw%3Ard@queue:6380/3"
    connection = settings.client("test", 1.0).connection_pool.connection_kwargs
    assert (connection["username"], connection["password"], connection["host"], connection["db"]) == ("igor", "p@ss/w:rd", "queue", 3)
    assert Redis(url_file=tmp_path, tls_mode="disable").address().startswith("redis://")


def test_a_folder_with_an_address_needs_no_parts(tmp_path: Path) -> None:
    assert written(tmp_path, uri="redis://elsewhere\n", host="queue").address() == "redis://elsewhere"


def test_a_folder_with_neither_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"there is neither uri nor host in {tmp_path}"):
        written(tmp_path, password="hidden").address()


@pytest.mark.parametrize("tls", [{"tls_mode": "verify-full"}, {"ca_file": Path("/ca.crt")}])
def test_what_would_be_plaintext_against_the_wish_is_refused(tls: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="TLS is asked for") as refused:
        Redis(url="redis://:hidden@queue", **tls).address()  # type: ignore[arg-type]
    assert "hidden" not in str(refused.value)
