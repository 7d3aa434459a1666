"""Record: a frozen value that travels as JSON on S3 (plans, manifests, certificates)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict

# Seconds that something took, to the microsecond: more digits are noise.
Elapsed = Annotated[float, AfterValidator(lambda seconds: round(seconds, 6))]


class Record(BaseModel):
    """Base of everything that we write as JSON. An unknown field is refused: another version wrote it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_json(self) -> bytes:
        """UTF-8 JSON, indented for the person who opens it in a browser."""
        return self.model_dump_json(indent=2).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """The record in `data`.

        :raises pydantic.ValidationError: where it is not one.
        """
        return cls.model_validate_json(data)
