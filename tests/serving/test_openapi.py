"""All that the OpenAPI document allows, and much that it does not, is answered as it says."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serving.conftest import running
from serving.stand_in import StandIn

OPERATIONS = [
    *("GET /healthz", "GET /readyz", "GET /metrics", "GET /v1/model", "POST /v1/detect"),
    *("GET /label-studio/health", "POST /label-studio/setup", "POST /label-studio/predict"),
]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
"""All but those that want every string to be an image."""


@pytest.fixture(scope="module")
def described():
    """All operations of a server, by what they are called."""
    with running(StandIn(), {"time_limit": 300}) as (host, port):
        schema = schemathesis.openapi.from_url(f"http://{host}:{port}/openapi.json")
        yield {found.ok().label: found.ok() for found in schema.get_all_operations()}


def check(operation, examples):
    takes_anything = operation.method != "get"
    for mode in (
        list(schemathesis.GenerationMode) if takes_anything else [schemathesis.GenerationMode.POSITIVE]
    ):

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
        def ask(case):
            case.call_and_validate(checks=CHECKS)

        ask()


def test_every_operation_is_described(described):
    assert set(described) == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_openapi_says(described, name):
    check(described[name], examples=15)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_what_openapi_says_at_length(described, name):
    check(described[name], examples=1000)
