"""The PDF pages of the samples: invented reports, letters and prescriptions."""

from . import world
from .pdf import Page
from .world import Person


def _traits(patient: Person) -> str:
    born = f"{patient.birth_date[6:]}/{patient.birth_date[4:6]}/{patient.birth_date[:4]}"
    return f"{patient.family} {patient.first_given}, {patient.sex}, {born}"


_BIOLOGY_ROWS = (
    ("Examen", "Résultat", "Unité", "Valeurs de référence"),
    ("Hémoglobine", "13.4", "g/dL", "12.0 - 16.0"),
    ("Créatinine", "74", "µmol/L", "50 - 98"),
    ("Potassium", "4.1", "mmol/L", "3.5 - 5.1"),
    ("Thyréostimuline (TSH)", "5.600", "mUI/L", "0.270 - 4.200"),
)

IMAGING = Page(
    file="imagerie.pdf",
    title="Radiographie du poignet gauche",
    sender="CH Exemple - Service d'imagerie médicale",
    patient=_traits(world.JEANNE),
    paragraphs=(
        "*Indication* : douleur après une chute à vélo, sans déformation.",
        "*Technique* : deux incidences, face et profil.",
        "*Résultat* : pas de trait de fracture visible. Rapports articulaires conservés.",
        "*Conclusion* : radiographie normale ; à contrôler à dix jours si la douleur persiste.",
    ),
    picture=80,
)
BIOLOGY = Page(
    file="biologie.pdf",
    title="Compte rendu d'examens biologiques",
    sender="Laboratoire de biologie Exemple",
    patient=_traits(world.PAUL),
    paragraphs=("Prélèvement du 04/03/2026 à 8 h 10. Validation par le Dr Victor Charme.",),
    rows=_BIOLOGY_ROWS,
)
OPERATION = Page(
    file="compte-rendu-operatoire.pdf",
    title="Compte rendu opératoire",
    sender="CH Exemple - Chirurgie générale",
    patient=_traits(world.DOMINIQUE),
    paragraphs=(
        "*Intervention* : cure de hernie inguinale droite par cœlioscopie, sous anesthésie générale.",
        "*Déroulement* : réduction du sac, mise en place d'une prothèse, fermeture sans drainage. Aucun incident.",
        "*Suites* : lever le soir même, sortie prévue le lendemain.",
    ),
)
PRESCRIPTION = Page(
    file="ordonnance.pdf",
    title="Ordonnance",
    sender="CH Exemple - Consultation de cardiologie",
    patient=_traits(world.JEANNE),
    paragraphs=(
        "Antalgique de palier 1, un comprimé matin et soir pendant cinq jours, si douleur. À ne pas renouveler.",
    ),
)
LETTER = Page(
    file="lettre-de-consultation.pdf",
    title="Lettre d'adressage",
    sender="CH Exemple - Consultation de cardiologie",
    patient=_traits(world.JEANNE),
    paragraphs=(
        "Cher confrère, j'ai vu ce jour votre patiente pour des palpitations brèves survenant au repos.",
        "L'examen et l'électrocardiogramme sont normaux. Un enregistrement de 24 heures est programmé.",
        "Je la reverrai avec les résultats dans trois semaines.",
    ),
)
SYNTHESIS = Page(
    file="synthese-medicale.pdf",
    title="Synthèse médicale",
    sender="Maison de santé des Acacias",
    patient=_traits(world.DOMINIQUE),
    paragraphs=(
        "*Antécédents* : appendicectomie dans l'enfance. Pas d'allergie connue.",
        "*Problèmes suivis* : hypertension artérielle équilibrée.",
        "*Prévention* : vaccinations à jour ; dépistages proposés selon le calendrier.",
    ),
)
BENCH_IMAGING = Page(
    file="banc-imagerie.pdf",
    title="Radiographie du thorax",
    sender="CH Exemple - Service d'imagerie médicale",
    patient=_traits(world.JEANNE),
    paragraphs=(
        "*Résultat* : parenchyme clair, silhouette cardiaque de taille normale. Document produit pour le banc.",
    ),
    picture=330,
)
BENCH_BIOLOGY = Page(
    file="banc-biologie.pdf",
    title="Compte rendu d'examens biologiques",
    sender="Laboratoire de biologie Exemple",
    patient=_traits(world.PAUL),
    paragraphs=("Bilan étendu produit pour le banc.",),
    rows=_BIOLOGY_ROWS,
    picture=170,
)

PAGES = (
    IMAGING,
    BIOLOGY,
    OPERATION,
    PRESCRIPTION,
    LETTER,
    SYNTHESIS,
)
"""The pages whose PDF is committed; those of the bench are compiled when its messages are made."""
