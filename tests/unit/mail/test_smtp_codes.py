import pytest

from pfi.standards.mail.smtp_codes import LABELS, code_of, enhanced_status, label_of, reply_code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("5.1.1", "550"),
        ("5.1.2", "512"),
        ("5.1.3", "513"),
        ("5.1.0", "510"),
        ("5.1.6", "510"),
        ("5.2.0", "550"),
        ("4.2.0", "450"),
        ("4.2.1", "450"),
        ("4.2.2", "422"),
        ("5.2.2", "552"),
        ("5.2.3", "523"),
        ("5.3.4", "523"),
        ("4.3.1", "431"),
        ("4.3.2", "421"),
        ("4.4.1", "441"),
        ("4.4.2", "442"),
        ("5.4.4", "512"),
        ("5.4.6", "554"),
        ("5.4.7", "420"),
        ("5.5.1", "500"),
        ("5.5.4", "504"),
        ("5.6.1", "554"),
        ("5.7.1", "541"),
        ("5.7.8", "530"),
        ("4.9.9", "451"),
        ("5.9.9", "554"),
    ],
)
def test_an_enhanced_status_decides_first(status: str, code: str) -> None:
    assert code_of(status, "599 whatever") == code


@pytest.mark.parametrize(
    ("diagnostic", "code"),
    [
        ("550 no such user", "550"),
        ("452 try later", "452"),
        ("499 unheard of", "451"),
        ("599 unheard of", "554"),
        ("250 odd", "554"),
        ("La messagerie est fermée", "550"),
        ("Patient introuvable", "550"),
        ("l'adresse est invalide", "510"),
        ("Message too big", "523"),
        ("Le message dépasse la taille maximale de 25 Mo", "523"),
        ("Pièces jointes de plus de 25 Mo", "523"),
        ("Votre message est trop volumineux", "523"),
        ("La messagerie de l’usager a été clôturée", "550"),
        ("L'usager a fermé sa messagerie", "550"),
        ("Aucun usager à cette adresse", "550"),
        ("Address does not exist", "550"),
        ("La boîte aux lettres du destinataire est pleine", "552"),
        ("Sorry, I couldn't find any host named x.fr", "512"),
        ("Connection timed out", "420"),
        ("connect to mx: Connection refused", "111"),
        ("blocked as spam", "541"),
        ("", "554"),
    ],
)
def test_without_a_status_the_server_text_decides(diagnostic: str, code: str) -> None:
    assert code_of("", diagnostic) == code


def test_nothing_at_all_is_as_final_as_the_failure() -> None:
    assert code_of("", "", temporary=True) == "451"
    assert code_of("", "") == "554"


def test_codes_are_found_in_the_middle_of_a_text() -> None:
    assert enhanced_status("smtp; 550 5.1.01 User unknown") == "5.1.1"
    assert enhanced_status("version 3.2.1 of 10.5.1.1") == ""
    assert reply_code("host said: 452-4.2.2 full") == "452"
    assert reply_code("port 2500 at 10.0.550.1") == ""


def test_every_code_that_can_come_out_has_a_french_label() -> None:
    for status in ("5.1.1", "4.2.2", "5.7.8", "5.3.4", "4.4.7", "5.5.2", "5.5.3"):
        assert code_of(status) in LABELS
    assert label_of("523") == "Taille maximale du message dépassée"
    assert label_of("999") == LABELS["554"]
