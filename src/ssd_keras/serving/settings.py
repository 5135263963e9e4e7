"""What the operator of a server decides."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from ssd_keras.data.pixel_limit import MOST_PIXELS


def _checked_token(token: SecretStr) -> SecretStr:
    """Check a token, without the line break at its end that files with secrets have."""
    text = token.get_secret_value().strip()
    if not text or not all("!" <= letter <= "~" for letter in text):
        raise ValueError("a token is one word of ASCII letters, digits and signs, as HTTP headers carry it")
    return SecretStr(text)


Token = Annotated[SecretStr, AfterValidator(_checked_token)]


class ServerSettings(BaseModel):
    """The limits of a server, and who may ask it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    threshold: float = Field(
        0.5, ge=0, le=1, description="Lowest score of an object, for requests that name none."
    )
    max_batch: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Images that go through the network at once; by default what suits the machine.",
    )
    max_wait_ms: float = Field(
        5.0, ge=0, le=1000, description="Milliseconds that a batch waits for images that are being decoded."
    )
    max_queue: int = Field(
        64, ge=1, le=100_000, description="Most images taken in at a time; requests beyond get status 429."
    )
    time_limit: float = Field(30.0, gt=0, le=3600, description="Seconds for a request, from its first byte.")
    stop_limit: float = Field(
        30.0, ge=0, le=3600, description="Seconds to answer what was taken in when the server is to stop."
    )
    max_images: int = Field(16, ge=1, le=10_000, description="Most images of a request.")
    max_image_bytes: int = Field(16 << 20, ge=1, description="Most bytes of an image, as it is sent.")
    max_image_pixels: int = Field(
        50_000_000, ge=1, le=MOST_PIXELS, description="Most pixels of an image, as its header declares them."
    )
    token: Token | None = Field(
        None, description="Secret that requests have to send; better in the environment: SSD_KERAS_TOKEN."
    )
    label_studio_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        description="Address of Label Studio, from which its images are fetched.",
    )
    label_studio_token: Token | None = Field(
        None, description="API token of Label Studio; better in the environment: LABEL_STUDIO_TOKEN."
    )

    @model_validator(mode="after")
    def _whole_request_fits(self) -> ServerSettings:
        if self.max_images > self.max_queue:
            raise ValueError(
                f"max_images {self.max_images} is more than max_queue {self.max_queue}, and a request of so "
                "many would never be taken: lower max_images or raise max_queue"
            )
        return self

    @property
    def most_body_bytes(self) -> int:
        """The most that the body of a request may have, with what stands between its images."""
        return self.max_images * (self.max_image_bytes + PART_BYTES)

    @property
    def most_held_bytes(self) -> int:
        """The most that the bodies of all requests may have that are in memory at a time."""
        return self.max_queue * (self.max_image_bytes + PART_BYTES)


PART_BYTES = 16 << 10
"""What one part of a multipart body may have beside the image: headers, boundary."""
