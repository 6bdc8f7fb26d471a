"""A case with everything that may bear on it, and what a plain model knows of it: no code shared with the engine."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from hypothesis import strategies as st

from pfi.model.decision import Channel, Decision
from pfi.model.patient import IdentityStatus, Ins, PatientState
from pfi.model.profile import NoDmp, Opposed, SenderProfile
from pfi.model.submission import Orders
from pfi.routing.decide import decide
from pfi.routing.rulefile import Given, Parameters, VectorFlags
from pfi.routing.rules import RuleBook
from pfi.routing.specimen import TEST_INS, Specimen, specimen
from tests.unit.routing.cases import shipped_rules
from tests.unit.routing.strategies import GIVEN

OTHER_INS: Final = Ins("260058815400233", "1.2.250.1.213.1.4.10")


@dataclass(frozen=True)
class World:
    """A case and everything that the rule tests cannot say."""

    given: Given
    facts: PatientState
    """The facts that `given` does not set."""
    switches: SenderProfile
    parameters: Parameters
    released: frozenset[Channel]

    @property
    def specimen(self) -> Specimen:
        one = specimen(self.given)
        state = replace(
            self.facts,
            feeding=one.state.feeding,
            dmp_status=one.state.dmp_status,
            consultation=one.state.consultation,
        )
        profile = replace(
            self.switches,
            name=one.profile.name,
            environment=one.profile.environment,
            policy=one.profile.policy,
            information_missing=one.profile.information_missing,
        )
        return replace(one, state=state, profile=profile)

    def decided(
        self, rules: RuleBook | None = None, released: frozenset[Channel] | None = None
    ) -> dict[Channel, Decision]:
        one = self.specimen
        rules = replace(rules or shipped_rules(), parameters=self._parameters())
        let_go = self.released if released is None else released
        decisions = decide(one.submission, one.state, one.identity, rules, one.profile, one.now, released=let_go)
        return {decision.channel: decision for decision in decisions}

    def _parameters(self) -> Parameters:
        return self.parameters.model_copy(update={"sensitive_types": shipped_rules().parameters.sensitive_types})

    # What the model knows of the case, in plain words.

    @property
    def orders(self) -> Orders:
        return Orders(**self.given.flags.model_dump())

    @property
    def qualified(self) -> bool:
        return self.given.identity is IdentityStatus.QUALIFIED

    @property
    def cda_ins(self) -> bool:
        told = self.given.ins_in_cda
        return self.given.identity is not IdentityStatus.NOT_QUALIFIED if told is None else told

    @property
    def pid_ins(self) -> bool:
        return self.given.identity is not IdentityStatus.NOT_QUALIFIED

    @property
    def attributes(self) -> set[str]:
        return {*self.given.reliability, *self.facts.reliability}

    @property
    def anonymous(self) -> bool:
        return bool(self.attributes & {"ANOM", "CACH"})

    @property
    def retired(self) -> bool:
        return self.facts.ins_withdrawn or TEST_INS in self.facts.retired_ins

    @property
    def deceased(self) -> bool:
        return self.facts.deceased or "deceased" in self.tags

    @property
    def cit_opposed(self) -> bool:
        return self.facts.cit_opposed or "cit_opposed" in self.tags

    @property
    def tags(self) -> set[str]:
        own = {"psychiatry"} if self.given.type == "68599-0" else set()
        return {str(tag) for tag in self.given.tags} | own

    @property
    def genetics(self) -> bool:
        return self.given.type == "51969-4" or "constitutional_genetics" in self.tags

    @property
    def adult(self) -> bool:
        """Known as one."""
        if not self.given.birth_date:
            return False
        born, today = self.given.birth_date, f"{self.given.date:%Y%m%d}"
        return int(today) - int(born) >= self.parameters.age_of_majority * 10_000

    @property
    def child(self) -> bool:
        return bool(self.given.birth_date) and not self.adult

    @property
    def secret(self) -> bool:
        return not self.adult and (self.orders.connexion_secrete is True or self.orders.invisible_rep_legaux is True)

    @property
    def silent_sender(self) -> bool:
        return (self.orders.dest_dmp, self.orders.dest_mss_ps, self.orders.dest_mss_pat) == (None, None, None)

    @property
    def flags_missing(self) -> bool:
        orders = self.orders
        told = (orders.masque_ps, orders.invisible_patient, orders.invisible_rep_legaux, orders.connexion_secrete)
        return None in (*told, orders.dest_dmp, orders.dest_mss_ps, orders.dest_mss_pat)

    def order(self, channel: Channel) -> bool | None:
        orders = self.orders
        return {Channel.DMP: orders.dest_dmp, Channel.PRO: orders.dest_mss_ps, Channel.CIT: orders.dest_mss_pat}[
            channel
        ]

    @property
    def named(self) -> set[str]:
        return {each.address for each in self.specimen.submission.recipients}


FACTS = st.builds(
    PatientState,
    reliability=st.sampled_from([(), (), (), ("VALI",), ("VALI", "USUR"), ("VALI", "ANOM")]),
    ins_withdrawn=st.sampled_from([False, False, False, True]),
    retired_ins=st.sampled_from([(), (), (), (OTHER_INS,), (TEST_INS,), (OTHER_INS, TEST_INS)]),
    deceased=st.sampled_from([False, False, False, True]),
    pro_opposed=st.sampled_from([False, False, False, True]),
    cit_opposed=st.sampled_from([False, False, False, True]),
    ins_impossible=st.sampled_from([False, False, False, True]),
)

WILD = st.builds(
    World,
    given=GIVEN,
    facts=FACTS,
    switches=st.builds(
        SenderProfile,
        opposed=st.sampled_from(Opposed),
        no_dmp=st.sampled_from(NoDmp),
        masked_ps_blocks_pro=st.booleans(),
        require_patient_prt=st.sampled_from([False, False, True]),
    ),
    parameters=st.builds(
        Parameters,
        age_of_majority=st.sampled_from([16, 18, 21]),
        minors_management=st.booleans(),
        invisible_and_masked_allowed=st.booleans(),
    ),
    released=st.frozensets(st.sampled_from(Channel)),
)
"""Anything at all: most such cases are closed for several reasons at once."""

SOUND: Final = World(
    given=Given.model_validate(
        {
            "type": "11490-0",
            "date": date(2026, 1, 15),
            "patient_class": "I",
            "professionals": 1,
            "feeding": "INO",
            "flags": {
                "masque_ps": False,
                "invisible_patient": False,
                "invisible_rep_legaux": False,
                "connexion_secrete": False,
                "dest_dmp": True,
                "dest_mss_ps": True,
                "dest_mss_pat": True,
            },
        }
    ),
    facts=PatientState(),
    switches=SenderProfile(),
    parameters=Parameters(),
    released=frozenset(),
)

_FACTS: Final = (
    "reliability",
    "ins_withdrawn",
    "retired_ins",
    "deceased",
    "pro_opposed",
    "cit_opposed",
    "ins_impossible",
)


@st.composite
def _near_sound(draw: st.DrawFn) -> World:
    """The sound case, but for a few things: where one reason alone decides."""
    wild = draw(WILD)
    given, facts, flags = SOUND.given, SOUND.facts, SOUND.given.flags
    for name in draw(st.sets(st.sampled_from(sorted(set(Given.model_fields) - {"at"})), max_size=3)):
        given = given.model_copy(update={name: getattr(wild.given, name)})
    for name in draw(st.sets(st.sampled_from(sorted(VectorFlags.model_fields)), max_size=3)):
        flags = flags.model_copy(update={name: getattr(wild.given.flags, name)})
    for name in draw(st.sets(st.sampled_from(_FACTS), max_size=1)):
        facts = replace(facts, **{name: getattr(wild.facts, name)})
    if flags != SOUND.given.flags:
        given = given.model_copy(update={"flags": flags})
    return replace(wild, given=given, facts=facts)


WORLDS = WILD | _near_sound() | _near_sound()
