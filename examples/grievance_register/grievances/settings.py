"""All that can be set, with its bounds."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

MEBIBYTE = 1 << 20
SHORTEST_TOKEN = 16


def long_enough(token: SecretStr) -> SecretStr:
    """Give a token that nobody guesses; `ValueError` for a shorter one."""
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"a token of the staff needs at least {SHORTEST_TOKEN} characters")
    return token


class Settings(BaseModel):
    """The settings of one register.

    Attributes:
        folder: where `register.sqlite` lies.
        detector_url: of `ssd serve`, without a slash at its end.
        detector_token: the bearer token that the detector asks for; empty if it asks for none.
        staff_token: what staff log in with. Whoever has it sees every report.
        categories: among which citizens choose.
        threshold: detections with a lower score are not kept.
        most_photo_bytes: of a photograph as it is sent.
        most_photo_pixels: of a photograph as it is sent; a few bytes may ask for gigabytes.
        kept_side: the longer side of a photograph as it is kept, in pixels.
        detector_timeout: seconds until the detector counts as too slow.
        first_pause: seconds until the detector is asked again after a failure; doubled with each further one.
        longest_pause: seconds that a pause never exceeds.
    """

    model_config = ConfigDict(frozen=True)

    folder: Path
    detector_url: str
    detector_token: SecretStr = SecretStr("")
    staff_token: Annotated[SecretStr, AfterValidator(long_enough)]
    categories: tuple[str, ...] = ("pothole", "rubbish", "broken sign", "street light", "graffiti", "other")
    threshold: float = Field(default=0.5, ge=0, le=1)
    most_photo_bytes: int = Field(default=15 * MEBIBYTE, gt=0)
    most_photo_pixels: int = Field(default=64_000_000, gt=0)
    kept_side: int = Field(default=2048, ge=64)
    detector_timeout: float = Field(default=60.0, gt=0)
    first_pause: float = Field(default=1.0, gt=0)
    longest_pause: float = Field(default=15.0, gt=0)
