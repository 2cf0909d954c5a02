"""Which errors say that the account has no credit left, and which only ask to slow down."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optillm.engine.upstream.credit import out_of_credit
from optillm.engine.upstream.errors import failure_in, refused

QUOTA = "You exceeded your current quota, please check your plan and billing details."

EXHAUSTED: list[tuple[str, dict[str, Any]]] = [
    (QUOTA, {"type": "insufficient_quota", "code": "insufficient_quota"}),
    (QUOTA, {}),
    (
        "You exceeded your current token quota: ep-1, check your balance",
        {"type": "exceeded_current_quota_error"},
    ),
    ("Billing hard limit has been reached", {"code": "billing_hard_limit_reached"}),
    ("Your account is not active, please check your billing details.", {"code": "billing_not_active"}),
    ("Insufficient Balance", {"code": "invalid_request_error"}),
    ("Insufficient credits. Add more on the settings page.", {"code": 429}),
    ("Your credit balance is too low to access the API. Go to Plans & Billing.", {}),
    ("Your team has either used all available credits or reached its monthly spending limit.", {}),
    ("You have exceeded your monthly included credits for inference providers.", {}),
    ("You have depleted your monthly included credits.", {}),
    ("Account x is suspended, possibly due to failure to pay past invoices", {}),
    ("The request failed because your account has an overdue balance.", {"code": "AccountOverdueError"}),
    ("Access denied, please make sure your account is in good standing.", {"code": "Arrearage"}),
    ("Budget has been exceeded! Current cost: 10.1, max budget: 10.0", {"type": "budget_exceeded"}),
    ("No credits left", {}),
    ("You ran out of credits", {}),
    ("Sorry, your account balance is insufficient", {"code": 30001}),
    ("Not enough balance", {"type": "NOT_ENOUGH_BALANCE"}),
    ("您的账户已欠费，请充值后重试", {"code": "1113"}),
    ("Please wait 10 s", {"status": "INSUFFICIENT_FUNDS"}),
    ("Credit limit exceeded, please add funds", {"type": "credit_limit"}),
]
PACED: list[tuple[str, dict[str, Any]]] = [
    (
        "Rate limit reached for m on tokens per min (TPM): limit 30000, used 29000",
        {"code": "rate_limit_exceeded"},
    ),
    ("Rate limit reached for m. Please add a payment method to your account at /account/billing.", {}),
    (
        f"{QUOTA} Quota exceeded for metric: generate_requests, limit: 10. Please retry in 23.4s.",
        {"code": 429},
    ),
    (f"{QUOTA} See /docs/rate-limits.", {"status": "RESOURCE_EXHAUSTED"}),
    ("Requests have exceeded the token rate limit of your pricing tier. Please retry after 6 seconds.", {}),
    ("Too Many Requests", {}),
    ("The engine is currently overloaded, please try again later", {"type": "engine_overloaded_error"}),
    ("You reached the limit of 20 requests per day on free credits per minute", {}),
    ("Quota exceeded for requests_per_minute_per_project", {}),
    ("Slow down: credits used up for this second", {}),
    ("no", {"type": "requests"}),
]


@pytest.mark.parametrize(("message", "fields"), EXHAUSTED)
@pytest.mark.parametrize("status", [402, 403, 429, 500])
def test_an_account_without_credit_is_not_asked_again(
    message: str, fields: dict[str, Any], status: int
) -> None:
    error = refused(status, {}, json.dumps({"error": {"message": message, **fields}}).encode(), bytes)
    assert (error.status, error.message, error.retryable) == (status, message, False)
    flat = refused(status, {}, json.dumps({"message": message, **fields}).encode(), bytes)
    assert not flat.retryable
    inside = failure_in(
        {"error": {"message": message, **fields, "code": fields.get("code"), "status_code": status}}
    )
    assert inside is not None
    assert not inside.retryable


@pytest.mark.parametrize(("message", "fields"), PACED)
def test_a_rate_limit_is_waited_for(message: str, fields: dict[str, Any]) -> None:
    error = refused(429, {}, json.dumps({"error": {"message": message, **fields}}).encode(), bytes)
    assert error.retryable


def test_a_plain_text_is_read_alike() -> None:
    assert not refused(429, {}, b"Insufficient balance", bytes).retryable
    assert refused(429, {}, b"", bytes).retryable
    assert refused(429, {}, b"[1, 2]", bytes).retryable


def test_a_long_message_is_read_quickly() -> None:
    assert not out_of_credit("no " * 700 + "exceeded " * 200)
