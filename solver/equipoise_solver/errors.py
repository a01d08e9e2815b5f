"""Errors of the solver: refused requests, each naming the field, what was given and what is allowed.

SolverError (a ValueError)
├── InvalidModelError             a value or combination that describes no model
├── UnstableStepError             a step size beyond stability
├── UnsupportedCombinationError   each part is valid, together they are not offered
└── LimitExceededError            valid, but larger than this service computes
"""


class SolverError(ValueError):
    """A request that makes no sense.

    Attributes:
        field: dotted path of the offending field in the spec, for example "data.noise_std".
        given: what was given, JSON-able.
        allowed: what would be accepted.
        remedy: what to do, "" if `allowed` says it.
    """

    code = "invalid_spec"

    def __init__(self, field: str, *, given: object, allowed: str, remedy: str = "") -> None:
        self.field = field
        self.given = given
        self.allowed = allowed
        self.remedy = remedy
        message = f"{field}={given!r}: need {allowed}."
        super().__init__(f"{message} {remedy}" if remedy else message)


class InvalidModelError(SolverError):
    """A value or combination that describes no model."""

    code = "invalid_model"


class UnstableStepError(SolverError):
    """A step size or learning rate beyond stability."""

    code = "unstable_step"


class UnsupportedCombinationError(SolverError):
    """Each part is valid, together they are not offered."""

    code = "unsupported_combination"


class LimitExceededError(SolverError):
    """Valid, but larger than this service computes."""

    code = "limit_exceeded"
