"""A wrong site file is refused with its place and the remedy."""

import pytest

from pfi.model.errors import ConfigurationError
from pfi.routing.rules import load_texts

SITE = """\
kind: site
directory:
  - {identifier: "10100000017", address: "cabinet@medecin.mssante.fr"}
rules:
  - id: UNE
    text: "Une règle."
    when:
      types: ["11490-0"]
      channels: [PRO]
    then:
      priority: high
  - id: DEUX
    text: "Une autre."
    when: {recipients: ["@ch-voisin.mssante.fr"]}
    then:
      hold: {code: ATTENTE}
"""


def refusal(text: str, *others: tuple[str, str]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_texts([*others, ("site.yaml", text)])
    return caught.value


def test_the_sound_file_of_these_tests_loads() -> None:
    assert [rule.id for rule in load_texts([("site.yaml", SITE)]).site.rules] == ["UNE", "DEUX"]


@pytest.mark.parametrize(
    ("written", "changed", "place", "what", "hint"),
    [
        # Words
        ("      types:", "      typs:", "8:7", "clé inconnue « typs »", "« types »"),
        ("      priority: high", "      priorite: high", "11:7", "clé inconnue « priorite »", "« priority »"),
        ("priority: high", "priority: haute", "11:7", "« haute » non admise", "Valeurs admises : high"),
        ("channels: [PRO]", "channels: [PR]", "9:18", "« PR » non admise", "« PRO »"),
        ("channels: [PRO]", "settings: [in_sty]", "9:18", "« in_sty » non admise", "« in_stay »"),
        ("channels: [PRO]", "patient_classes: [X]", "9:25", "« X » non admise", "Valeurs admises : I"),
        ("channels: [PRO]", "tags: [psychiatri]", "9:14", "« psychiatri » non admise", "« psychiatry »"),
        ("priority: high", "derive_recipients: [medecin]", "11:27", "« medecin » non admise", "« medecin_traitant »"),
        ("priority: high", "policy: repect", "11:7", "« repect » non admise", "« respect »"),
        ("code: ATTENTE", "code: ATTENTE, until: dmp_actif", "16:29", "« dmp_actif » non admise", "« dmp_active »"),
        ('types: ["11490-0"]', 'types: ["11490-1"]', "8:7", "type de document inconnu « 11490-1 »", "« 11490-0 »"),
        ('types: ["11490-0"]', 'units: ["4*"]\n      typ: 1', "9:7", "clé inconnue", ""),
        # Never
        ("channels: [PRO]", "channels: []", "9:7", "« channels » est vide", ""),
        ("channels: [PRO]", "from: 2026-02-01\n      until: 2026-01-31", "7:5", "ne s'applique jamais", ""),
        ("when: {rec", "when: {channels: [CIT], rec", "12:5", "ne concerne que le canal PRO", ""),
        # Shapes
        ('text: "Une règle."', "text: ''", "6:5", "une phrase attendue", ""),
        ('identifier: "10100000017"', "identifier: 10100000017", "3:6", "mettre des guillemets", ""),
        ('["11490-0"]', "11490-0", "8:7", "n'est pas une liste", ""),
        ("id: UNE", "id: une-règle", "5:5", "forme attendue", ""),
        # Addresses
        ("cabinet@medecin", "cabinet medecin", "3:33", "adresse de messagerie attendue", ""),
        ("cabinet@medecin.mssante.fr", "279035121518989@patient.mssante.fr", "3:33", "adresse de patient", ""),
        ("@ch-voisin.mssante.fr", "@patient.mssante.fr", "14:25", "domaine des patients", ""),
        ("@ch-voisin.mssante.fr", "@ch voisin", "14:25", "domaine attendu", ""),
        ("@ch-voisin.mssante.fr", "ch-voisin.mssante.fr", "14:25", "« @domaine »", ""),
        ("@ch-voisin.mssante.fr", "279035121518989@patient.mssante.fr", "14:25", "adresse de patient", ""),
        # Effects
        ("code: ATTENTE}", "code: ATTENTE}\n      deny: {code: NON}", "12:5", "« deny » et « hold »", ""),
        (
            "priority: high",
            "priority: high\n      deny: {code: NON}",
            "5:5",
            "ferme le canal, « priority » ne servirait jamais",
            "",
        ),
        ("    then:\n      priority: high\n", "    then: {}\n", "5:5", "aucun effet", ""),
        ("code: ATTENTE", "code: ATTENTE, expiry_days: 0", "16:29", "trop petit", ""),
    ],
)
def test_an_error_names_file_line_column_and_remedy(
    written: str, changed: str, place: str, what: str, hint: str
) -> None:
    assert written in SITE
    error = refusal(SITE.replace(written, changed, 1))

    assert f"site.yaml:{place} : " in error.text
    assert what in error.text
    assert hint in str(error)


@pytest.mark.parametrize(
    ("effect", "channel", "reach"),
    [
        ("mailbox: labo", "DMP", "PRO et CIT"),
        ("derive_recipients: [prescriber]", "CIT", "PRO"),
        ("derive_recipients: [prescriber]", "DMP", "PRO"),
        ("add_recipients: [{address: a@exemple.mssante.fr, kind: professional}]", "CIT", "PRO"),
    ],
)
def test_an_effect_that_the_channels_of_the_rule_cannot_have_is_refused(effect: str, channel: str, reach: str) -> None:
    text = SITE.replace("priority: high", effect).replace("channels: [PRO]", f"channels: [{channel}]")

    assert f"ne sert jamais ici : cet effet ne concerne que {reach}." in refusal(text).text


def test_only_professionals_are_added() -> None:
    added = "add_recipients: [{address: a@exemple.mssante.fr, kind: patient}]"
    error = refusal(SITE.replace("priority: high", added))
    assert "site.yaml:11:" in error.text
    assert "« patient » non admise pour « kind »" in error.text

    added = "add_recipients: [{address: 279035121518989@Patient.MSSante.fr, kind: professional}]"
    assert "adresse de patient" in refusal(SITE.replace("priority: high", added)).text


@pytest.mark.parametrize(
    ("schedule", "what"),
    [
        ("{days: [], from: '08:00', to: '18:00'}", "« days » est vide"),
        ("{days: [lundi], from: '08:00', to: '18:00'}", "« lundi » non admise"),
        ("{days: [mon], from: '8h', to: '18:00'}", "« from » n'a pas la forme attendue"),
        ("{days: [mon], from: '24:00', to: '18:00'}", "« from » n'a pas la forme attendue"),
        ("{days: [mon], from: '08:00', to: '25:00'}", "« to » n'a pas la forme attendue"),
        ("{days: [mon], from: '08:00', to: 18:00}", "« to » n'est pas un texte (mettre des guillemets)"),
        ("{days: [mon], from: '08:00', to: '08:00'}", "la plage est vide"),
        ("{days: [mon], from: '08:00'}", "« to » manque"),
    ],
)
def test_hours_that_never_open_or_cannot_be_read_are_refused(schedule: str, what: str) -> None:
    error = refusal(SITE.replace("priority: high", f"schedule: {schedule}"))

    assert "site.yaml:11:" in error.text
    assert what in error.text


def test_two_rules_of_one_name_are_refused_wherever_they_are() -> None:
    error = refusal(SITE.replace("id: DEUX", "id: UNE"))
    assert "site.yaml:12:5 : le nom « UNE » est déjà celui d'une règle du site (site.yaml, ligne 5)" in error.text
    assert error.next_step == "Choisir un autre nom."

    error = refusal(SITE, ("premier.yaml", 'kind: site\ntags: [{id: DEUX, units: ["1"], add: [ivg]}]\n'))
    assert "site.yaml:12:5 : le nom « DEUX » est déjà celui d'une étiquette (premier.yaml, ligne 2)" in error.text


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("R02", "est déjà celui d'une ligne de la table (l1111-15.yaml, ligne"),
        ("E05", "est déjà celui d'une exception (exceptions.yaml, ligne"),
        ("ORDER_NO", "est réservé aux explications de la PFI"),
        ("TAG_1", "est déjà celui d'une étiquette"),
    ],
)
def test_a_rule_of_the_site_does_not_bear_a_name_of_the_law_nor_of_the_engine(name: str, owner: str) -> None:
    tag = 'tags: [{units: ["1"], add: [ivg]}]\n'
    error = refusal(SITE.replace("directory:", f"{tag}directory:").replace("id: DEUX", f"id: {name}"))

    assert f"le nom « {name} » {owner}" in error.text


def test_one_professional_has_one_address() -> None:
    twice = SITE.replace("rules:", '  - {identifier: "810100000017", address: "autre@medecin.mssante.fr"}\nrules:')
    error = refusal(twice)

    assert "site.yaml:4:34 : « 810100000017 » a déjà une autre adresse" in error.text
    load_texts([("site.yaml", twice.replace("autre@", "Cabinet@"))])  # the same one, said again


def test_the_types_of_tags_must_exist_too() -> None:
    error = refusal('kind: site\ntags: [{types: ["11502-3"], add: [ivg]}]\n')

    assert "type de document inconnu « 11502-3 »" in error.text
    assert "« 11502-2 »" in error.next_step


@pytest.mark.parametrize("key", ["because", "not_because"])
def test_a_test_that_expects_an_unknown_rule_is_refused_in_any_of_its_steps(key: str) -> None:
    test = (
        "tests:\n"
        '  - name: "x"\n'
        '    given: {type: "11490-0", date: 2026-01-15}\n'
        f"    expect: {{{key}: [UNE, RELEASED, E05]}}\n"
        "    then:\n"
        f"      - {{given: {{}}, expect: {{{key}: [DEUXX]}}}}\n"
    )
    error = refusal(SITE + test)

    assert "règle inconnue « DEUXX »" in error.text
    assert "site.yaml:22:" in error.text
    assert "« DEUX »" in error.next_step


def test_all_faults_of_a_file_are_told_in_its_order() -> None:
    error = refusal(SITE.replace("11490-0", "11490-1").replace("id: DEUX", "id: R02"))

    first, second = error.text.splitlines()
    assert first.startswith("site.yaml:8:7 : ")
    assert second.startswith("site.yaml:12:5 : ")
