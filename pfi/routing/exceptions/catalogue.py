"""Every situation that a rule file may name."""

from collections.abc import Mapping

from pfi.routing.exceptions import consent, document, identity, minors, register, sensitive, visibility
from pfi.routing.exceptions.situation import Predicate

SITUATIONS: Mapping[str, Predicate] = {
    predicate.__name__: predicate
    for predicate in (
        identity.ins_oid_not_allowed,
        identity.ins_retired,
        identity.ins_in_cda_not_qualified,
        identity.ins_not_in_document,
        identity.ins_absent_not_qualified,
        identity.ins_not_validated,
        identity.ins_impossible,
        identity.identity_doubtful,
        identity.identity_fictitious_in_production,
        identity.identity_anonymous,
        identity.ins_incomplete,
        consent.feeding_opposed,
        consent.feeding_opposed_held,
        consent.feeding_not_opposed,
        consent.information_missing,
        consent.information_missing_held,
        consent.consultation_refused,
        consent.dmp_closed,
        consent.dmp_closed_held,
        consent.dmp_absent,
        consent.dmp_absent_held,
        visibility.invisible_yet_mailed_to_patient,
        visibility.invisible_to_patient,
        visibility.masked_to_professionals,
        visibility.masked_on_dmp,
        visibility.invisible_and_masked,
        sensitive.constitutional_genetics,
        sensitive.constitutional_genetics_not_ordered,
        minors.secret_without_hidden_document,
        minors.secret_minor,
        minors.hidden_from_representatives,
        minors.secrecy_not_managed,
        minors.minor_visibility_not_stated,
        minors.secret_adult,
        sensitive.ivg_without_flags,
        sensitive.psychiatry_without_flags,
        sensitive.admission_without_consent,
        sensitive.admission_without_consent_without_flags,
        sensitive.sensitive_care_without_flags,
        document.confidentiality_reinforced,
        document.type_not_accepted_by_dmp,
        document.cda_id_with_extension,
        register.professional_mail_opposed,
        register.citizen_mail_opposed,
        register.patient_deceased,
    )
}
"""Name to predicate."""
