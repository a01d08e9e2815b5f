"""Rate limits: a burst, then a steady rate, for each user and for each address without a valid token."""

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.service.users import Lab, User, lab

from equipoise_service.settings import Settings
from equipoise_service.users.rate_limits import RateLimiter, network_of, rate_limited


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(
    per_second=st.floats(0.01, 1e4),
    burst=st.integers(1, 200),
    pauses=st.lists(st.floats(0, 30), min_size=1, max_size=200),
)
def test_no_window_holds_more_than_burst_and_rate(per_second: float, burst: int, pauses: list[float]) -> None:
    """Between any two moments at most burst + rate * time requests pass, whatever their times."""
    clock = Clock()
    limiter = RateLimiter(per_second, burst, clock=clock)
    passed: list[float] = []
    for pause_s in pauses:
        clock.now += pause_s
        expected = limiter.wait_s("ana")
        wait_s = limiter.take("ana")
        assert wait_s == expected
        if wait_s == 0:
            passed.append(clock.now)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + per_second * (passed[last] - start) + 1e-3


@given(per_second=st.floats(0.01, 1e4), burst=st.integers(1, 500))
def test_a_burst_passes_and_the_wait_is_true(per_second: float, burst: int) -> None:
    """Exactly `burst` pass at once; after the wait that is said, and not before, the next one does."""
    clock = Clock()
    limiter = RateLimiter(per_second, burst, clock=clock)
    assert [limiter.take("ana") for _ in range(burst)] == [0.0] * burst
    wait_s = limiter.take("ana")
    assert wait_s == pytest.approx(1 / per_second, rel=1e-3)
    assert limiter.take("olga") == 0.0
    clock.now += 0.9 * wait_s
    assert limiter.take("ana") > 0
    clock.now += 0.1001 * wait_s
    assert limiter.take("ana") == 0.0


def test_memory_is_bounded() -> None:
    """However many keys come, so many are kept: those used last."""
    limiter = RateLimiter(0.001, 1, clock=Clock(), most_keys=100)
    for number in range(10_000):
        assert limiter.take(f"10.{number}") == 0.0
    assert len(limiter) == 100
    assert limiter.take("10.9999") > 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("", ""),
        ("a-socket", "a-socket"),
    ],
)
def test_an_address_counts_with_its_network(address: str, network: str) -> None:
    """One host may have a whole IPv6 network: it counts as one."""
    assert network_of(address) == network


@pytest.mark.parametrize(("wait_s", "said"), [(0.001, "1"), (1.0, "1"), (1.2, "2"), (59.9, "60")])
def test_the_wait_is_said_in_whole_seconds(wait_s: float, said: str) -> None:
    assert rate_limited("Too fast.", wait_s).headers == {"Retry-After": said}


@pytest.fixture
def service(settings: Settings) -> Iterator[Lab]:
    with lab(settings, max_requests_per_second=0.01, max_request_burst=20) as running:
        yield running


def statuses(user: User, n_requests: int) -> list[int]:
    return [user.get("/v1/limits").status_code for _ in range(n_requests)]


def test_a_user_who_sends_too_much_is_told_when_to_come_back(service: Lab) -> None:
    """The burst passes, then it is 429 with Retry-After; another user and the health routes go on."""
    ana, same, olga = service.user("ana"), service.user("ana"), service.user("olga")
    assert statuses(ana, 15) + statuses(same, 5) == [200] * 20
    refused = ana.get("/v1/limits")
    assert refused.status_code == 429
    assert refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 100
    assert statuses(same, 1) == [429]
    assert statuses(olga, 1) == [200]
    assert {service.api.get(path).status_code for path in ("/healthz", "/readyz")} == {200}


def test_an_address_that_guesses_tokens_is_slowed_down(service: Lab) -> None:
    """After some failures strangers from that address are refused unseen; a user known before is not."""
    ana, stranger = service.user("ana"), service.user("olga")
    assert statuses(ana, 1) == [200]
    forged = f"eq_{'0' * 16}_{'x' * 43}"
    answers = [service.api.get("/v1/limits", headers={"Authorization": f"Bearer {forged}"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert statuses(stranger, 1) == [429]
    assert statuses(ana, 1) == [200]


def test_nobody_is_limited_where_nobody_is_asked(settings: Settings) -> None:
    """With auth=none there is one user, and nobody to be fair to."""
    with lab(settings, auth="none", max_requests_per_second=0.01, max_request_burst=1) as running:
        assert {running.api.get("/v1/limits").status_code for _ in range(5)} == {200}


def test_a_limiter_of_one_key_is_one_number() -> None:
    """A refused request changes nothing, so hammering does not postpone the end of the wait."""
    clock = Clock()
    limiter = RateLimiter(1.0, 1, clock=clock)
    limiter.take("ana")
    waits = [limiter.take("ana") for _ in range(100)]
    assert len(set(waits)) == 1
    assert math.isclose(waits[0], 1.0, rel_tol=1e-3)
