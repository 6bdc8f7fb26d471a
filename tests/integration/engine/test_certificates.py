"""The watch over certificates: alerts at 60, 30 and 7 days, closed by the renewal; revocation lists fetched."""

import functools
import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import yaml
from click.testing import CliRunner

from connectors.sandbox.certificates import Certificates, Flaw, Usage
from connectors.sandbox.sandbox import Sandbox
from pfi.cli.main import cli
from pfi.engine.alerts import CERTIFICATE_EXPIRES, CERTIFICATE_FAULT, Alerts
from pfi.engine.certificates import CertificateWatch, nearest
from pfi.engine.connector import CertificateState
from pfi.engine.revocation import RevocationList
from pfi.engine.settings import CertificateSettings, CrlSettings
from pfi.model.errors import ConfigurationError
from pfi.store.alerts import Alert
from tests.integration.engine.fakes import House, eventually
from tests.integration.engine.fakes import house as opened

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Holder:
    """Holds one certificate, whatever a test says of it."""

    def __init__(self) -> None:
        self.states: tuple[CertificateState, ...] = (state(200),)

    async def certificates(self) -> tuple[CertificateState, ...]:
        return self.states


def state(days: float, fingerprint: str = "aa", fault: str = "", *, in_use: bool = True) -> CertificateState:
    return CertificateState(
        slot="1750000000/sign",
        subject="certificat de signature (ORG_SIGN)",
        name="CN=PFI",
        fingerprint=fingerprint * 32,
        not_after=NOW + timedelta(days=days),
        in_use=in_use,
        fault=fault,
        fault_text="Le certificat est faux." if fault else "",
    )


@pytest.fixture
async def house(store_url: str) -> AsyncIterator[House]:
    async with opened(store_url) as built:
        yield built


@pytest.mark.parametrize(
    ("days", "threshold"),
    [(61, None), (60, 60), (31, 60), (30, 30), (8, 30), (7, 7), (1, 7), (0, 7), (-3, 7)],
)
def test_the_nearest_threshold_counts(days: float, threshold: int | None) -> None:
    assert nearest(NOW + timedelta(days=days), NOW, (60, 30, 7)) == threshold


async def open_alerts(house: House) -> list[tuple[str, object]]:
    alerts = await Alerts(house.engine.database).current()
    return [(alert.kind, alert.detail.get("days", alert.detail.get("code"))) for alert in alerts]


async def closed(house: House) -> list[tuple[str, str]]:
    history: tuple[Alert, ...] = await Alerts(house.engine.database).history()
    return [(alert.kind, alert.ending) for alert in history if alert.closed_at is not None]


def watch_of(house: House, holder: Holder) -> CertificateWatch:
    context = replace(house.engine._parts.context, clock=lambda: NOW)
    return CertificateWatch(context, {"destination dmp": holder, "retour dpi": object()})


async def test_one_alert_follows_a_certificate_to_its_renewal(house: House) -> None:
    holder = Holder()
    watch = watch_of(house, holder)
    seen = []
    for days in (200, 60, 45, 30, 7, 1):
        holder.states = (state(days),)
        await watch.look()
        seen.append(await open_alerts(house))
    assert seen == [
        [],
        [(CERTIFICATE_EXPIRES, 60)],
        [(CERTIFICATE_EXPIRES, 60)],
        [(CERTIFICATE_EXPIRES, 30)],
        [(CERTIFICATE_EXPIRES, 7)],
        [(CERTIFICATE_EXPIRES, 7)],
    ]
    holder.states = (state(365, "bb"),)
    await watch.look()
    assert await open_alerts(house) == []
    assert [ending for _, ending in await closed(house)] == ["renewed", "nearer", "nearer"]


async def test_a_restarted_engine_opens_nothing_twice_and_closes_what_is_over(house: House) -> None:
    holder = Holder()
    holder.states = (state(20),)
    await watch_of(house, holder).look()
    await watch_of(house, holder).look()
    assert await open_alerts(house) == [(CERTIFICATE_EXPIRES, 30)]
    assert await closed(house) == []
    holder.states = (state(20, "bb"),)
    await watch_of(house, holder).look()
    assert await open_alerts(house) == [(CERTIFICATE_EXPIRES, 30)]
    assert await closed(house) == [(CERTIFICATE_EXPIRES, "renewed")]
    holder.states = ()
    await watch_of(house, holder).look()
    assert await open_alerts(house) == []
    assert await closed(house) == [(CERTIFICATE_EXPIRES, "gone"), (CERTIFICATE_EXPIRES, "renewed")]


async def test_a_fault_has_its_own_alert_until_it_is_mended(house: House) -> None:
    holder = Holder()
    watch = watch_of(house, holder)
    for fault in ("", "KEY_MISMATCH", "KEY_MISMATCH", "CERTIFICATE_REVOKED"):
        holder.states = (state(200, fault=fault),)
        await watch.look()
    assert await open_alerts(house) == [(CERTIFICATE_FAULT, "CERTIFICATE_REVOKED")]
    assert await closed(house) == [(CERTIFICATE_FAULT, "other_fault")]
    holder.states = (state(200),)
    await watch.look()
    assert await open_alerts(house) == []
    assert (await closed(house))[0] == (CERTIFICATE_FAULT, "repaired")


async def test_a_running_engine_looks_by_itself(store_url: str) -> None:
    house = House(store_url)
    watched = {"certificates": CertificateSettings(check_seconds=0.05)}
    house.settings = house.settings.model_copy(update=watched)
    house.engine = house.new_engine()
    holder = Holder()
    holder.states = (replace(state(0), not_after=datetime.now(UTC) + timedelta(days=20)),)
    house.dmp.certificates = holder.certificates  # type: ignore[attr-defined]  # a connector that holds certificates
    await house.engine.start()
    try:
        await eventually(lambda: open_alerts(house))
        assert await open_alerts(house) == [(CERTIFICATE_EXPIRES, 30)]
        holder.states = (replace(state(400, "bb"), not_after=datetime.now(UTC) + timedelta(days=400)),)

        async def over() -> bool:
            return not await open_alerts(house)

        await eventually(over)
        async with house.engine.database.connection() as connection:
            events = await connection.fetch("SELECT detail FROM events WHERE kind = 'certificate_renewed'")
        assert len(events) == 1
    finally:
        await house.engine.stop(grace=1)


# --- revocation lists ---


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@contextmanager
def published(folder: Path) -> Iterator[str]:
    """The folder over HTTP."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


async def test_a_newer_list_is_fetched_and_an_older_or_a_false_one_is_not(tmp_path: Path) -> None:
    made = Certificates(tmp_path / "pki")
    kept = tmp_path / "crl" / "igc.crl"
    with published(tmp_path / "pki") as url:
        wanted = RevocationList(CrlSettings(url=f"{url}/crl.pem", file=kept, authorities=made.ca))
        assert await wanted.download()
        assert not await wanted.download()
        first = made.crl.read_bytes()
        later = Certificates(tmp_path / "pki", clock=lambda: datetime.now(UTC) + timedelta(hours=1))
        later.revoke(made.sign)
        assert await wanted.download()
        newest = kept.read_bytes()
        assert newest == made.crl.read_bytes() != first
        stranger = Certificates(tmp_path / "stranger").crl.read_bytes()
        for content, code in (
            (first, ""),
            (stranger, "CRL_UNTRUSTED"),
            (b"<html>", "CRL_UNREADABLE"),
            (b"", "CRL_UNREADABLE"),
        ):
            made.crl.write_bytes(content)
            if code:
                with pytest.raises(ConfigurationError, match=code):
                    await wanted.download()
            else:
                assert not await wanted.download()
            assert kept.read_bytes() == newest
        made.crl.unlink()
        with pytest.raises(ConfigurationError, match="CRL_NOT_FETCHED"):
            await wanted.download()
    with pytest.raises(ConfigurationError, match="CRL_NOT_FETCHED"):
        await wanted.download()
    assert kept.read_bytes() == newest
    assert [path.name for path in kept.parent.iterdir()] == ["igc.crl"]


async def test_the_watch_fetches_when_it_is_time_and_a_failure_stops_nothing(house: House, tmp_path: Path) -> None:
    made = Certificates(tmp_path / "pki")
    kept = tmp_path / "igc.crl"
    with published(tmp_path / "pki") as url:
        lists = tuple(
            CrlSettings(url=f"{url}/{name}", file=tmp_path / file, authorities=made.ca)
            for name, file in (("absent.pem", "absent.crl"), ("crl.pem", "igc.crl"))
        )
        context = house.engine._parts.context
        settings = context.settings.model_copy(update={"certificates": CertificateSettings(crl=lists)})
        watch = CertificateWatch(replace(context, settings=settings), {"destination dmp": Holder()})
        await watch.download()
        assert kept.read_bytes() == made.crl.read_bytes()
        assert not (tmp_path / "absent.crl").exists()
        kept.unlink()
        await watch.download()
        assert not kept.exists()


# --- the command ---


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    sandbox = Sandbox(tmp_path / "sandbox")
    given = sandbox.configuration()
    path = tmp_path / "pfi.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "ins": {"environment": "test"},
                "destinations": {
                    "dmp": {"connector": "dmp", "channels": ["DMP"], "settings": given["dmp"]},
                    "mss": {
                        "connector": "mssante",
                        "channels": ["PRO", "CIT"],
                        "settings": {**given["mssante"], "port": 587},
                    },
                },
            }
        )
    )
    return path


def test_the_command_lists_every_certificate_the_soonest_first(configured: Path) -> None:
    certificates = Sandbox(configured.parent / "sandbox").certificates
    certificates.renew(certificates.sign, Usage.SIGN, days=20)
    result = CliRunner().invoke(cli, ["certificates", "--config", str(configured), "--json"])
    assert result.exit_code == 0, result.output
    rows = orjson.loads(result.output)
    assert [(row["place"], row["slot"]) for row in rows] == [
        ("destination dmp", "1990000025/sign"),
        ("destination dmp", "1990000025/tls"),
        ("destination mss", "client"),
    ]
    assert all(row["in_use"] and not row["fault"] for row in rows)
    table = CliRunner().invoke(cli, ["certificates", "--config", str(configured)])
    assert "20 j" in table.output or "19 j" in table.output
    assert "BAC-A-SABLE" not in result.output


def test_the_command_shows_what_cannot_serve_and_fails(configured: Path) -> None:
    certificates = Sandbox(configured.parent / "sandbox").certificates
    bad = certificates.flawed(Flaw.EXPIRED, Usage.SIGN)
    certificates.sign.certificate.write_bytes(bad.certificate.read_bytes())
    certificates.sign.key.write_bytes(bad.key.read_bytes())
    certificates.mssante.certificate.unlink()
    result = CliRunner().invoke(cli, ["certificates", "--config", str(configured), "--json"])
    assert result.exit_code == 1
    faults = {row["slot"]: row["fault"] for row in orjson.loads(result.output)}
    assert faults == {
        "1990000025/sign": "CERTIFICATE_EXPIRED",
        "1990000025/tls": "",
        "client": "CERTIFICATE_UNREADABLE",
    }
    checked = CliRunner().invoke(cli, ["check", "--offline", "--config", str(configured)])
    assert checked.exit_code == 1
    assert "a expiré" in " ".join(checked.output.split())
