"""The trust space: whose domain is in, and who is left out of a mail."""

import pytest

from connectors.mssante.addressing import addressing, outcomes, outside
from pfi.model.decision import Channel
from pfi.model.delivery import OutcomeKind, RecipientOutcome
from pfi.model.errors import SenderDataError
from pfi.standards.mail.whitelist import WhiteList, WhiteListUnreadableError, read_white_list
from tests.unit.mssante.material import PATIENT_ADDRESS, delivery, professional, settings


def xml(*names: str, namespace: str = ' xmlns="https://listeblanche.mssante.fr/schema"') -> bytes:
    entries = "".join(f"<Domaine><Nom>{name}</Nom><Operateur>X</Operateur></Domaine>" for name in names)
    return f'<?xml version="1.0" encoding="UTF-8"?><L{namespace}>{entries}</L>'.encode()


@pytest.mark.parametrize("address", ["a@medecin.mssante.fr", "A@MEDECIN.mssante.FR", " a@medecin.mssante.fr "])
def test_a_domain_is_compared_without_case_nor_blanks(address: str) -> None:
    assert read_white_list(xml(" Medecin.MSSante.fr\n")).admits(address)


@pytest.mark.parametrize("listed", ["hôpital.mssante.fr", "xn--hpital-ixa.mssante.fr", "HÔPITAL.mssante.fr."])
@pytest.mark.parametrize(
    "address", ["a@hôpital.mssante.fr", "a@xn--hpital-ixa.mssante.fr", "a@XN--HPITAL-IXA.mssante.fr"]
)
def test_an_internationalised_domain_is_compared_in_a_labels(listed: str, address: str) -> None:
    assert read_white_list(xml(listed)).admits(address)


@pytest.mark.parametrize(
    "address",
    [
        "a@sub.medecin.mssante.fr",
        "a@mssante.fr",
        "a@medecin.mssante.fr.evil.example",
        "medecin.mssante.fr",
        "a@",
        "",
        f"a@{'x' * 70}.fr",
        "a@medecin..fr",
        "a@medecin.mssante.fr@evil.example",
    ],
)
def test_no_other_domain_is_admitted_not_even_below_or_beside_a_listed_one(address: str) -> None:
    assert not read_white_list(xml("medecin.mssante.fr"), ("", "a..b", "exemple.fr")).admits(address)


def test_patients_are_always_admitted() -> None:
    assert WhiteList(frozenset()).admits(PATIENT_ADDRESS)
    assert WhiteList(frozenset()).admits(PATIENT_ADDRESS.upper())


def test_the_site_s_own_domains_join_those_of_the_list() -> None:
    assert read_white_list(xml("x.fr"), ("Exemple.FR",)).admits("a@exemple.fr")


@pytest.mark.parametrize("namespace", ["", ' xmlns="urn:other"'])
def test_the_list_is_read_whatever_its_namespace(namespace: str) -> None:
    assert read_white_list(xml("x.fr", namespace=namespace)).domains == {"x.fr"}


def test_names_of_anything_but_domains_are_not_domains() -> None:
    data = b"<L><Operateur><Nom>evil.example</Nom></Operateur><Domaine><Nom>x.fr</Nom></Domaine></L>"
    assert read_white_list(data).domains == {"x.fr"}


@pytest.mark.parametrize("data", [xml(), xml(" "), b"<html><body>En maintenance</body></html>"])
def test_a_list_of_nothing_is_no_list(data: bytes) -> None:
    with pytest.raises(WhiteListUnreadableError):
        read_white_list(data, ("exemple.fr",))


@pytest.mark.parametrize("data", [b"", b"<L><Domaine>", b'<!DOCTYPE L [<!ENTITY x "y">]><L>&x;</L>', b"\xff\xfe"])
def test_hostile_or_cut_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(SenderDataError):
        read_white_list(data)


def listed(address: str) -> bool:
    return address.endswith("@in.fr")


def test_who_is_outside_gets_512_and_the_others_are_served() -> None:
    named = ("a@in.fr", "b@out.fr", "c@in.fr", "not an address")
    who = outside(addressing(delivery(recipients=tuple(map(professional, named))), settings()), listed)
    assert who.deliverable == who.shown == ("a@in.fr", "c@in.fr")
    told = outcomes(who, [RecipientOutcome(each, OutcomeKind.DELIVERED) for each in who.deliverable])
    assert {(each.address, each.kind, each.code) for each in told} == {
        ("a@in.fr", OutcomeKind.DELIVERED, ""),
        ("c@in.fr", OutcomeKind.DELIVERED, ""),
        ("b@out.fr", OutcomeKind.REFUSED, "512"),
        ("not an address", OutcomeKind.REFUSED, "510"),
    }


def test_a_mailbox_outside_that_is_named_twice_is_refused_twice() -> None:
    named = ("Dr.X@out.fr", "dr.x@OUT.fr", "a@in.fr")
    who = outside(addressing(delivery(recipients=tuple(map(professional, named))), settings()), listed)
    assert [(each.address, each.code) for each in who.refused] == [("Dr.X@out.fr", "512"), ("dr.x@OUT.fr", "512")]
    assert who.served == (("a@in.fr", "a@in.fr"),)


def test_everybody_outside_leaves_nobody_to_serve() -> None:
    who = outside(addressing(delivery(recipients=(professional("b@out.fr"),)), settings()), listed)
    assert (who.deliverable, who.shown, who.served) == ((), (), ())


def test_the_text_of_a_refusal_names_nobody() -> None:
    who = outside(addressing(delivery(recipients=(professional("b@out.fr"),)), settings()), listed)
    (told,) = who.refused
    assert told.text == "Domaine hors de l'espace de confiance MSSanté (liste blanche) : rien n'y est envoyé."


def test_a_patient_is_served_whatever_the_list() -> None:
    who = addressing(delivery(Channel.CIT), settings())
    assert outside(who, WhiteList(frozenset({"in.fr"})).admits) is who
