"""`pfi send`, `messages`, `show`, `replay` and `check` beside an engine and a sandbox that really run."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from samples.generator import documents, world
from samples.generator.catalogue import biology, discharge
from samples.generator.request import Flags, write_request
from tests.acceptance.running import SAMPLES, Home, eventually, pfi, pfi_raw

pytestmark = pytest.mark.xdist_group("running")

NOBODY = "127.0.0.1:9"  # discard: nothing listens there


@pytest.fixture
def sent(home: Home, tmp_path: Path) -> Callable[[bytes], int]:
    """Sends a message made for the test and returns its number in the journal."""

    def send(raw: bytes) -> int:
        path = tmp_path / "message.hl7"
        path.write_bytes(raw)
        (answer,) = home.send(path)
        assert answer["code"] == "AA", answer
        control_id = raw.split(b"|")[9].decode()
        (line,) = home.run("messages", "--control-id", control_id, "--json").json
        number: int = line["id"]
        return number

    return send


def states(view: dict[str, Any]) -> dict[str, str]:
    return {row["channel"]: row["state"] for row in view["deliveries"]}


# send -----------------------------------------------------------------------------------------------------------------


def test_send_shows_each_acknowledgment(home: Home) -> None:
    target = f"127.0.0.1:{home.port}"
    good, bad = SAMPLES / "adt/a03-sortie.hl7", SAMPLES / "bad/segment-pid-absent.hl7"
    ran = pfi("send", str(good), str(bad), "--to", target)
    assert ran.code == 0
    assert "AA a03-sortie.hl7" in ran.out
    assert "AE segment-pid-absent.hl7 100 PID^1" in ran.out


def test_send_gives_machines_the_acknowledgment_itself(home: Home) -> None:
    (answer,) = home.send("bad/version-inconnue.hl7")
    assert (answer["file"], answer["code"]) == ("version-inconnue.hl7", "AE")
    assert answer["ack"].startswith("MSH|")
    assert "\rMSA|AE|DPI-0907" in answer["ack"]


def test_send_takes_a_folder(home: Home) -> None:
    answers = home.send("adt")
    assert [answer["file"] for answer in answers] == sorted(path.name for path in (SAMPLES / "adt").iterdir())
    assert {answer["code"] for answer in answers} == {"AA"}


def test_send_to_nobody_fails_and_says_what_to_check() -> None:
    ran = pfi("send", str(SAMPLES / "adt/a03-sortie.hl7"), "--to", NOBODY)
    assert ran.code == 1
    assert "injoignable" in ran.out
    assert "Vérifier" in ran.out


@pytest.mark.parametrize("target", ["ici", "hote:", ":2575", "hote:port"])
def test_send_wants_a_host_and_a_port(target: str) -> None:
    ran = pfi("send", str(SAMPLES / "adt/a03-sortie.hl7"), "--to", target)
    assert ran.code == 2
    assert "hôte:port" in ran.err


# messages and show ----------------------------------------------------------------------------------------------------


def test_a_sent_document_is_in_the_journal_until_its_reports(home: Home, sent: Callable[[bytes], int]) -> None:
    number = sent(write_request(biology("SGL-7001", documents.biology_report("recette-1"))))
    view = home.settled(number)
    assert states(view) == {"DMP": "delivered", "PRO": "delivered", "CIT": "delivered"}
    assert [(row["event"], row["success"]) for row in view["acks"]].count(("Z02", True)) == 2
    assert {row["kind"] for row in view["events"]} >= {"accepted"} or view["events"] is not None
    assert view["message"]["ack_code"] == "AA"
    assert {row["channel"] for row in view["decisions"]} == {"DMP", "PRO", "CIT"}
    unique_id = documents.biology_report("recette-1").document_id
    assert unique_id in {document["unique_id"] for document in home.state()["documents"]}


def test_show_tells_everything_in_french(home: Home, sent: Callable[[bytes], int]) -> None:
    number = sent(write_request(discharge("DPI-7002")))
    home.settled(number)
    ran = home.run("show", str(number))
    assert ran.code == 0
    for title in ("Décisions", "Livraisons", "Essais", "Boîtes aux lettres", "Accusés métier"):
        assert title in ran.out, title
    assert "MSSanté citoyenne" in ran.out
    assert "remis" in ran.out
    assert world.DOMINIQUE.family not in ran.out


def test_show_raw_gives_the_very_bytes_received(home: Home, sent: Callable[[bytes], int]) -> None:
    raw = write_request(discharge("DPI-7003").but(charset="8859/15", flags=Flags(dest_mss_pat=False)))
    number = sent(raw)
    assert pfi_raw("show", str(number), "--raw", "--config", str(home.config)) == raw


def test_show_of_an_unknown_number_says_where_to_look(home: Home) -> None:
    for options in ((), ("--json",), ("--raw",)):
        ran = home.run("show", "999999", *options)
        assert ran.code == 2
        assert "Aucun message n° 999999" in ran.err
        assert "pfi messages" in ran.err


def test_messages_are_listed_newest_first_and_filtered(home: Home, sent: Callable[[bytes], int]) -> None:
    number = sent(write_request(discharge("DPI-7004")))
    home.settled(number)
    home.send("bad/orc-incoherent.hl7", "adt/a03-sortie.hl7")
    everything = home.run("messages", "--limit", "1000", "--json").json
    assert [line["id"] for line in everything] == sorted((line["id"] for line in everything), reverse=True)
    for option, value, key in (("--sender", "gam", "sender"), ("--kind", "refused", "kind")):
        found = home.run("messages", option, value, "--json").json
        assert {line[key] for line in found} == {value}
    assert number in {line["id"] for line in home.run("messages", "--state", "delivered", "--json").json}
    assert home.run("messages", "--since", "2099-01-01", "--json").json == []
    assert len(home.run("messages", "--limit", "2", "--json").json) == 2
    table = home.run("messages", "--control-id", "DPI-7004").out
    assert "DPI-7004" in table
    assert "DMP remis" in table
    assert "Émetteur" in table


def test_a_state_that_is_none_is_a_wrong_use(home: Home) -> None:
    ran = home.run("messages", "--state", "perdu")
    assert ran.code == 2
    assert "n'est pas parmi" in ran.err


# replay ---------------------------------------------------------------------------------------------------------------


def test_replay_never_sends_again_what_was_delivered(home: Home, sent: Callable[[bytes], int]) -> None:
    number = sent(write_request(discharge("DPI-7005")))
    before = home.settled(number)
    ran = home.run("replay", str(number))
    assert ran.code == 0
    assert ran.out.strip() == "Message rejoué."
    after = home.settled(number)
    assert [row["number"] for row in after["attempts"]] == [row["number"] for row in before["attempts"]]


def test_replay_serves_the_mailbox_that_was_missing_and_no_other(home: Home, sent: Callable[[bytes], int]) -> None:
    doctor = world.Professional(
        "10999900086", "TARDIF", "Léon", "DR", world.FAMILY_DOCTOR.specialty, world.PRACTICE,
        "inconnu.tardif@medecin-exemple.mssante.fr",
    )  # fmt: skip
    letter = discharge("DPI-7006").but(
        recipients=(doctor, world.FAMILY_DOCTOR), flags=Flags(dest_dmp=False, dest_mss_pat=False)
    )
    number = sent(write_request(letter))
    assert states(home.settled(number)) == {"PRO": "refused"}
    known = home.state()["mailboxes"][world.FAMILY_DOCTOR.mailbox]
    home.open_mailbox(doctor.mailbox)
    report = home.run("replay", str(number), "--json").json
    assert report["done"] is True
    assert len(report["reopened"]) == 1
    eventually(lambda: states(home.shown(number)) == {"PRO": "delivered"})
    mailboxes = home.state()["mailboxes"]
    assert mailboxes[doctor.mailbox] == 1
    assert mailboxes[world.FAMILY_DOCTOR.mailbox] == known


def test_replay_of_a_refused_message_asks_for_another_one(home: Home) -> None:
    home.send("bad/document-absent.hl7")
    ran = home.run("replay", str(home.newest()["message"]["id"]))
    assert ran.code == 1
    assert "l'émetteur doit le renvoyer corrigé" in ran.out
    assert home.run("replay", "999999").code == 1


# check ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def spoilt(home: Home, tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], None]], str]:
    """The configuration of the running engine with something changed in it; returns its path."""

    def spoil(change: Callable[[dict[str, Any]], None]) -> str:
        content = yaml.safe_load(home.config.read_text())
        content["data_dir"] = str(home.directory / "data")
        change(content)
        path = tmp_path / "pfi.yaml"
        path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
        return str(path)

    return spoil


def failures(path: str, *options: str) -> dict[str, str]:
    """Subject -> text of what `pfi check --json` finds wrong."""
    ran = pfi("check", "--config", path, "--json", *options)
    found = {row["subject"]: row["text"] for row in ran.json if not row["ok"]}
    assert ran.code == (1 if found else 0)
    return found


def test_check_reaches_every_neighbour_of_a_sound_configuration(home: Home) -> None:
    ran = home.run("check", "--json")
    assert ran.code == 0, ran.out
    subjects = " ".join(row["subject"] for row in ran.json)
    for word in ("règles", "base", "écoute hopital", "destination dmp", "destination mssante", "retour dpi"):
        assert word in subjects
    assert all(row["ok"] and row["text"] for row in ran.json)
    shown = home.run("check").out
    assert "✔" in shown
    assert "✘" not in shown


def test_check_sends_nothing(home: Home) -> None:
    before = home.state()
    home.run("check")
    after = home.state()
    assert [len(after[key]) for key in ("documents", "mails", "zams")] == [
        len(before[key]) for key in ("documents", "mails", "zams")
    ]


def test_check_finds_neighbours_that_do_not_answer(spoilt: Callable[..., str]) -> None:
    def stop(content: dict[str, Any]) -> None:
        content["destinations"]["mssante"]["settings"]["port"] = 9
        urls = content["destinations"]["dmp"]["settings"]["urls"]
        for name, url in urls.items():
            urls[name] = re.sub(r":\d+/", ":9/", url)
        for sender in content["senders"]:
            sender["reply"]["settings"]["port"] = 9

    path = spoilt(stop)
    found = failures(path)
    assert {subject.split(" / ")[0] for subject in found} == {
        "destination dmp", "destination mssante", "retour dpi", "retour sgl", "retour ris", "retour gam",
    }  # fmt: skip
    assert all("Vérifier" in text or "vérifier" in text for text in found.values()), found
    assert failures(path, "--offline") == {}
    assert "✘" in pfi("check", "--config", path).out


@pytest.mark.parametrize(
    ("destination", "block", "key"),
    [("dmp", "signing", "key"), ("dmp", "tls", "key"), ("mssante", "", "client_key")],
)
def test_check_finds_a_key_that_is_not_that_of_its_certificate(
    spoilt: Callable[..., str], destination: str, block: str, key: str
) -> None:
    def swap(content: dict[str, Any]) -> None:
        settings = content["destinations"][destination]["settings"]
        other = content["destinations"]["dmp"]["settings"]["tls" if block == "signing" else "signing"]["key"]
        (settings[block] if block else settings)[key] = other

    found = failures(spoilt(swap), "--offline")
    assert list(found) == [f"destination {destination}"]
    assert re.search(r"cl[ée]|certificat", found[f"destination {destination}"], re.IGNORECASE)


def test_check_finds_a_certificate_that_the_neighbour_does_not_accept(spoilt: Callable[..., str], home: Home) -> None:
    def swap(content: dict[str, Any]) -> None:
        mails, dmp = (content["destinations"][name]["settings"] for name in ("mssante", "dmp"))
        mails["client_cert"], mails["client_key"] = dmp["signing"]["certificate"], dmp["signing"]["key"]

    (subject,) = failures(spoilt(swap))
    assert subject.startswith("destination mssante")


def test_check_finds_a_missing_file(spoilt: Callable[..., str]) -> None:
    def lose(content: dict[str, Any]) -> None:
        content["destinations"]["dmp"]["settings"]["tls"]["certificate"] = "nulle-part.pem"

    found = failures(spoilt(lose), "--offline")
    assert "nulle-part.pem" in found["destination dmp"]


def test_check_finds_rules_that_cannot_be_read(spoilt: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "regles.yaml").write_text("rows: bonjour\n")
    found = failures(spoilt(lambda content: content.update(rules=["regles.yaml"])), "--offline")
    assert "regles.yaml" in found["règles"]


def test_check_finds_a_store_that_does_not_answer(spoilt: Callable[..., str], tmp_path: Path) -> None:
    away = {"url": "postgresql://pfi:motdepasse@127.0.0.1:9/pfi"}
    found = failures(spoilt(lambda content: content.update(database=away, destinations={}, senders=[])))
    assert "PFI_DATABASE_URL" in found["base"]
    assert "motdepasse" not in found["base"]


def test_check_says_which_channels_go_nowhere(spoilt: Callable[..., str]) -> None:
    path = spoilt(lambda content: content["destinations"].pop("dmp"))
    ran = pfi("check", "--config", path, "--offline")
    assert ran.code == 0
    assert "canal DMP : aucune destination" in ran.out


@pytest.mark.parametrize("command", ["check", "run", "messages"])
def test_a_misspelt_key_is_told_with_its_place_and_its_remedy(
    command: str, tmp_path: Path, refusal: Callable[..., tuple[int, str]]
) -> None:
    path = tmp_path / "pfi.yaml"
    path.write_text("data_dir: data\nins:\n  environement: test\n")
    code, said = refusal(command, "--config", str(path))
    assert code == 2
    assert f"{path}:3:3 : clé inconnue « environement »" in said
    assert "environment" in said


def test_a_misspelt_key_of_a_connector_is_told_with_its_place_too(spoilt: Callable[..., str]) -> None:
    def misspell(content: dict[str, Any]) -> None:
        settings = content["destinations"]["mssante"]["settings"]
        settings["mailbocks"] = settings.pop("mailbox")

    path = spoilt(misspell)
    line = next(number for number, text in enumerate(Path(path).read_text().splitlines(), 1) if "mailbocks" in text)
    found = failures(path, "--offline")
    assert f"{path}:{line}:7 : clé inconnue « mailbocks »" in found["destination mssante"]
    assert "mailbox" in found["destination mssante"]


@pytest.mark.parametrize("content", ["data_dir: [", "\tx: 1", "- liste", "a: 1\na: 2\n"])
def test_a_file_that_is_no_configuration_is_told_so(
    content: str, tmp_path: Path, refusal: Callable[..., tuple[int, str]]
) -> None:
    path = tmp_path / "pfi.yaml"
    path.write_text(content)
    code, said = refusal("check", "--config", str(path))
    assert code == 2
    assert "pfi.yaml" in said
    assert "Traceback" not in said
