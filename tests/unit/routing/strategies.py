"""Hypothesis strategies of the routing tests: any case that a rule test may describe."""

from datetime import date

from hypothesis import strategies as st

from pfi.model.patient import DmpStatus, Feeding, IdentityStatus
from pfi.model.profile import Environment, InformationMissing, Policy
from pfi.model.submission import Request
from pfi.routing.rulefile import Given, Tag, VectorFlags
from tests.unit.routing.cases import shipped_rules

TYPES = sorted(
    {code for row in shipped_rules().rows for code in row.types} | {"51969-4", "68599-0", "FEUILLE-DE-STYLE", "?"}
)
FLAG = st.sampled_from([True, False, None])
LIKELY = st.sampled_from([True, True, True, False, None])
RARELY = st.sampled_from([False, False, True, None])

FLAGS = st.builds(
    VectorFlags,
    masque_ps=RARELY,
    invisible_patient=RARELY,
    invisible_rep_legaux=FLAG,
    connexion_secrete=RARELY,
    modif_conf_code=FLAG,
    dest_dmp=LIKELY,
    dest_mss_ps=LIKELY,
    dest_mss_pat=LIKELY,
) | st.builds(VectorFlags, masque_ps=FLAG, invisible_patient=FLAG)
"""Every combination, and senders that give no destination flag."""

ATTRIBUTES = ("DOUT", "FICT", "USUR", "COLP", "COLV", "DOUA", "INVA", "CACH", "ANOM", "HOMA", "HOMD", "DPOT")
RELIABILITY = st.sampled_from([(), (), ("VALI",), ("VALI",), ("PROV",), ("VIDE",)]) | st.sampled_from(
    [("VALI", attribute) for attribute in ATTRIBUTES]
)

GIVEN = st.builds(
    Given,
    type=st.sampled_from(TYPES),
    date=st.dates(date(2015, 1, 1), date(2030, 12, 31)),
    encounter=st.sampled_from(["", "IMP", "EXTERNE", "SEANCE", "AUTRE"]),
    patient_class=st.sampled_from(["", "I", "O", "E", "R", "N", "V"]),
    request=st.sampled_from(Request),
    tags=st.frozensets(st.sampled_from(Tag), max_size=2),
    professionals=st.integers(0, 2),
    prescriber=st.booleans(),
    author_is_mt=st.booleans(),
    flags=FLAGS,
    identity=st.sampled_from([IdentityStatus.QUALIFIED, *IdentityStatus]),
    reliability=RELIABILITY,
    ins_in_cda=st.sampled_from([True, False, None, None]),
    feeding=st.sampled_from([*Feeding, None, Feeding.NOT_OPPOSED]),
    consultation=st.sampled_from(["", "IC", "INC", "NA"]),
    dmp_status=st.sampled_from([*DmpStatus, None, None]),
    confidentiality=st.sampled_from(["N", "N", "R", "V"]),
    birth_date=st.sampled_from(["19790328", "19790328", "20150101", "20080229", ""]),
    policy=st.sampled_from(Policy),
    information_missing=st.sampled_from(InformationMissing),
    environment=st.sampled_from([Environment.TEST, Environment.TEST, Environment.TEST, Environment.PRODUCTION]),
)
