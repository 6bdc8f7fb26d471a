"""What is done with received mails: the section `reception` of the configuration."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pfi.standards.mail import address


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ConsumerSettings(_Model):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Stable name, shown in the journal."""
    connector: str = "mllp"
    """Entry point of the message connector (`pfi.connectors`)."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of that connector: where the application listens for documents (MDM)."""
    application: str = ""
    """MSH-5 of the messages."""
    facility: str = ""
    """MSH-6 of the messages."""


class RouteSettings(_Model):
    mailboxes: tuple[str, ...] = ()
    """Mailboxes that this route is for; empty = all."""
    types: tuple[str, ...] = ()
    """Document type codes (LOINC, TRE_A05) that it is for; empty = all."""
    consumer: str
    """Name of the consumer that gets the documents."""
    unit: str = ""
    """Identifier of the unit that the mailbox stands for (PRT-8 of the addressee); empty = none."""
    unit_name: str = ""
    """Its name."""

    @field_validator("mailboxes")
    @classmethod
    def _addresses(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        known = tuple(address.normalize(value) for value in values)
        for value, normalized in zip(values, known, strict=True):
            if normalized is None:
                raise ValueError(f"« {value} » n'est pas une adresse de messagerie")
        return tuple(value for value in known if value is not None)

    def serves(self, mailbox: str, type_code: str) -> bool:
        """Whether a document of a mail is this route's."""
        return (not self.mailboxes or mailbox.lower() in {each.lower() for each in self.mailboxes}) and (
            not self.types or type_code in self.types
        )


class ReceptionSettings(_Model):
    consumers: tuple[ConsumerSettings, ...] = ()
    """Applications of the hospital that get documents (DPI, RIS, SGL)."""
    routes: tuple[RouteSettings, ...] = ()
    """Which consumer gets which document: the first route that serves it."""
    masked: Literal["hold", "deliver"] = "hold"
    """A received document masked to professionals waits for a person (`pfi mail release`), or is handed on."""
    mdn_form: Literal["rfc8098_error_field", "volet_1_1_2"] = "rfc8098_error_field"
    """How an error is written in the notifications (MDN) that we send; both forms are read."""
    mdn_deleted: Literal["error", "success"] = "error"
    """What a notification « deleted » (removed without being read) tells the creator: Z03 = N with 906, or Z03 = Y."""
    mdn_elsewhere: Literal["person", "send"] = "person"
    """A notification asked for at another address than that of the envelope (RFC 8098 §2.1): left to a person, or sent
    all the same."""
    error_mailbox: str = ""
    """Where the failure of a mail that asked for no notification is told (« courriel standard »); empty = only in the
    journal."""
    max_mail_bytes: int = Field(default=40_000_000, ge=10_000)
    """Larger mails are left to a person."""
    first_seconds: float = Field(default=30.0, gt=0)
    """Wait before the second try of a hand-over; each later one is twice the one before."""
    longest_seconds: float = Field(default=3600.0, gt=0)
    """No wait is longer."""
    max_attempts: int = Field(default=60, ge=1)
    """Then a hand-over is given up, with its last reason."""

    @model_validator(mode="after")
    def _coherent(self) -> "ReceptionSettings":
        names = [consumer.name for consumer in self.consumers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"reception.consumers : le nom « {name} » est utilisé deux fois")
        for route in self.routes:
            if route.consumer not in names:
                raise ValueError(
                    f"reception.routes : « {route.consumer} » n'est pas un destinataire connu "
                    f"(reception.consumers : {', '.join(names) or 'aucun'})"
                )
        if self.error_mailbox and address.normalize(self.error_mailbox) is None:
            raise ValueError("reception.error_mailbox : adresse de messagerie attendue")
        return self

    def route_of(self, mailbox: str, type_code: str) -> RouteSettings | None:
        """The route of a document; `None` when nobody wants it."""
        return next((route for route in self.routes if route.serves(mailbox, type_code)), None)

    def consumer(self, name: str) -> ConsumerSettings:
        """A consumer by its name, which a route gave."""
        return next(each for each in self.consumers if each.name == name)
