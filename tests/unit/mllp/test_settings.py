"""What the MLLP settings refuse, and the faults of their files."""

import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors.mllp.settings import (
    ClientTlsSettings,
    MllpListenerSettings,
    MllpSettings,
)
from connectors.mllp.tls import client_context
from pfi.model.errors import ConfigurationError
from pfi.standards.x509.contexts import ClientCertificates, ListenerTlsSettings, listener_context
from tests.contract.mllp_peers import TlsFiles, tls_files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return tls_files(tmp_path_factory.mktemp("tls"))


def test_by_default_nothing_listens_beyond_this_machine() -> None:
    settings = MllpListenerSettings()

    assert (settings.host, settings.port, settings.tls) == ("127.0.0.1", 2575, None)
    assert settings.limits.max_frame_bytes == 64 * 1024 * 1024


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="prot"):
        MllpListenerSettings.model_validate({"prot": 2575})


@pytest.mark.parametrize("port", [0, 65536])
def test_a_neighbour_needs_a_real_port(port: int) -> None:
    with pytest.raises(ValidationError):
        MllpSettings(host="dpi", port=port)


def test_client_certificates_cannot_be_checked_without_authorities() -> None:
    with pytest.raises(ValidationError, match="« ca » est obligatoire avec « client_certificates: required »"):
        ListenerTlsSettings(certificate=Path("c.pem"), key=Path("k.pem"))


def test_a_key_without_its_certificate_makes_no_sense() -> None:
    with pytest.raises(ValidationError, match="sans « certificate »"):
        ClientTlsSettings(ca=Path("ca.pem"), key=Path("k.pem"))


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (ClientCertificates.NONE, ssl.CERT_NONE),
        (ClientCertificates.OPTIONAL, ssl.CERT_OPTIONAL),
        (ClientCertificates.REQUIRED, ssl.CERT_REQUIRED),
    ],
)
def test_the_listener_asks_for_client_certificates_as_told(
    files: TlsFiles, chosen: ClientCertificates, expected: ssl.VerifyMode
) -> None:
    settings = ListenerTlsSettings(
        certificate=files.server, key=files.server_key, ca=files.ca, client_certificates=chosen
    )

    context = listener_context(settings, "MLLP")

    assert context.verify_mode is expected
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_client_side_trusts_the_given_authorities_only(files: TlsFiles) -> None:
    context = client_context(ClientTlsSettings(ca=files.ca))

    assert len(context.get_ca_certs()) == 1
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_certificate_that_is_not_one_is_a_configuration_error(files: TlsFiles, tmp_path: Path) -> None:
    empty = tmp_path / "vide.pem"
    empty.write_text("")
    settings = ListenerTlsSettings(certificate=empty, key=files.server_key, client_certificates=ClientCertificates.NONE)

    with pytest.raises(ConfigurationError, match="MLLP_TLS_CERTIFICATE"):
        listener_context(settings, "MLLP")


def test_a_key_of_another_pair_is_a_configuration_error(files: TlsFiles) -> None:
    settings = ClientTlsSettings(ca=files.ca, certificate=files.client, key=files.server_key)

    with pytest.raises(ConfigurationError, match="MLLP_TLS_CERTIFICATE"):
        client_context(settings)


def test_missing_authorities_are_a_configuration_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.pem"):
        client_context(ClientTlsSettings(ca=tmp_path / "absent.pem"))
