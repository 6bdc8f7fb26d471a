"""A wrong file is refused with its place and a remedy."""

from pathlib import Path

import pytest

from pfi.engine.configuration import Configuration, anchor
from pfi.engine.settings import Settings
from pfi.model.decision import Channel
from pfi.model.errors import ConfigurationError
from pfi.model.profile import Mode
from pfi.model.submission import MessageHeader


def read(folder: Path, text: str) -> Configuration:
    path = folder / "pfi.yaml"
    path.write_text(text, encoding="utf-8")
    return Configuration.read(path)


def refused(folder: Path, text: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text)
    return caught.value


def header(application: str, facility: str = "") -> MessageHeader:
    return MessageHeader(application, facility, "PFI", "CH", "ORU", "R01", "ORU_R01", "1", "P", "2.5", "UNICODE UTF-8")


def test_a_misspelt_key_is_refused_with_line_column_and_the_closest_key(tmp_path: Path) -> None:
    error = refused(tmp_path, "ins: {}\nsite:\n  oid_rot: 1.2\n")
    assert "pfi.yaml:3:3" in error.text
    assert "clé inconnue" in error.text
    assert "oid_root" in error.next_step


def test_a_wrong_value_says_which_ones_are_possible(tmp_path: Path) -> None:
    error = refused(tmp_path, "ins:\n  environment: prod\n")
    assert "pfi.yaml:2:3" in error.text
    assert "production" in error.next_step


def test_every_fault_of_the_file_is_told_in_its_order(tmp_path: Path) -> None:
    error = refused(tmp_path, "senders:\n  - {name: sgl}\nsite:\n  nom: CH\ndatabase: {pool: 1}\n")
    places = [line.split(" : ")[0].rpartition("pfi.yaml:")[2] for line in error.text.splitlines()]
    assert places == ["2:5", "4:3", "5:12"]


def test_a_key_misspelt_in_a_named_block_is_compared_with_the_keys_of_that_block(tmp_path: Path) -> None:
    error = refused(tmp_path, "destinations:\n  dmp: {connector: dmp, channels: [DMP], retry: {max_atempts: 3}}\n")
    assert error.next_step == "Vouliez-vous écrire « max_attempts » ?"


def test_a_key_misspelt_in_an_optional_block_is_compared_with_the_keys_of_that_block(tmp_path: Path) -> None:
    error = refused(tmp_path, "senders:\n  - {name: a, match: {application: A}, reply: {conector: mllp}}\n")
    assert error.next_step == "Vouliez-vous écrire « connector » ?"


def test_an_empty_file_means_all_the_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, "# rien encore\n").settings
    assert settings == anchor(Settings(), tmp_path)


def test_a_file_that_is_no_block_is_refused(tmp_path: Path) -> None:
    assert "pfi.yaml:1:1" in refused(tmp_path, "- site\n").text


def test_a_channel_has_one_destination_only(tmp_path: Path) -> None:
    error = refused(
        tmp_path,
        "destinations:\n  a: {connector: dmp, channels: [DMP]}\n  b: {connector: dmp, channels: [DMP]}\n",
    )
    assert "DMP" in error.text


def test_two_senders_cannot_share_a_name(tmp_path: Path) -> None:
    one = "{name: sgl, match: {application: SGL}}"
    error = refused(tmp_path, f"senders: [{one}, {one}]\n")
    assert "sgl" in error.text


def test_paths_start_from_the_folder_of_the_file(tmp_path: Path) -> None:
    settings = read(tmp_path, "data_dir: data\nrules: [rules/site.yaml]\nvalidation: {pack: pack}\n").settings
    assert settings.data_dir == tmp_path / "data"
    assert settings.rules == (tmp_path / "rules/site.yaml",)
    assert settings.validation.pack == tmp_path / "pack"


def test_anchoring_keeps_absolute_paths() -> None:
    settings = Settings(data_dir=Path("/var/lib/pfi"))
    assert anchor(settings, Path("/etc/pfi")).data_dir == Path("/var/lib/pfi")


def test_the_most_precise_sender_wins(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "senders:\n"
        "  - {name: any, match: {application: SGL}}\n"
        "  - {name: labo, match: {application: SGL, facility: LABO}, hl7: {mode: strict}}\n",
    ).settings
    assert settings.profile_of(header("SGL", "LABO")).mode is Mode.STRICT
    assert settings.profile_of(header("SGL", "AUTRE")).name == "any"
    assert settings.profile_of(header("RIS")).name == "default"
    assert settings.sender_of(header("RIS")) is None


def test_a_channel_finds_its_destination(tmp_path: Path) -> None:
    settings = read(tmp_path, "destinations: {mss: {connector: mssante, channels: [PRO, CIT]}}\n").settings
    assert settings.destination_of(Channel.CIT) == "mss"
    assert settings.destination_of(Channel.DMP) is None


def test_an_unknown_connector_names_the_known_ones(tmp_path: Path) -> None:
    configuration = read(tmp_path, "destinations:\n  dmp: {connector: dpm, channels: [DMP]}\n")
    with pytest.raises(ConfigurationError) as caught:
        configuration.connector("dpm", {}, ("destinations", "dmp"))
    assert "pfi.yaml:2:3" in caught.value.text
    assert "mssante" in caught.value.next_step


def test_a_fault_in_the_settings_of_a_source_is_placed(tmp_path: Path) -> None:
    configuration = read(tmp_path, "listeners:\n  - name: dpi\n    settings:\n      prot: 2575\n")
    listener = configuration.settings.listeners[0]
    with pytest.raises(ConfigurationError) as caught:
        configuration.source(listener.source, listener.settings, ("listeners", 0))
    assert "pfi.yaml:4:7" in caught.value.text
    assert "port" in caught.value.next_step


def test_every_fault_in_the_settings_of_a_connector_is_told(tmp_path: Path) -> None:
    reply = "{connector: mllp, settings: {host: h, port: 0, tsl: {}}}"
    configuration = read(tmp_path, f"senders:\n  - name: a\n    match: {{application: A}}\n    reply: {reply}\n")
    settings = configuration.settings.senders[0].reply
    assert settings is not None
    with pytest.raises(ConfigurationError) as caught:
        configuration.connector(settings.connector, settings.settings, ("senders", 0, "reply"))
    first, second = caught.value.text.splitlines()
    assert ":4:50 : « port » est trop petit : au moins 1 attendu" in first
    assert ":4:59 : clé inconnue « tsl ». Vouliez-vous écrire « tls » ?" in second


def test_settings_given_without_a_file_are_refused_without_quoting_them() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Configuration(Settings()).connector("mllp", {"host": "h", "port": "secret"}, ("destinations", "x"))
    assert caught.value.text == "« port » n'est pas un nombre entier."


def test_an_unknown_connector_is_refused_without_a_file_too() -> None:
    with pytest.raises(ConfigurationError, match=r"Connecteurs installés : .*mllp"):
        Configuration(Settings()).connector("dpm", {}, ("destinations", "x"))
