"""`import equipoise`: sync and async client of Equipoise, solutions with plots, command line.

    from equipoise import Client, specs
    spec = specs.Stationary(model=specs.Diagonal(), data=specs.GaussianData(), temperature=0.05)
    with Client("http://lab:8000") as lab:
        solution = lab.solve(spec)
        solution.plot()

`Client.local()` solves in this process, without a server.
"""

from equipoise.async_client import AsyncClient, AsyncJob
from equipoise.client import Client, Job
from equipoise.errors import (
    AccessDeniedError,
    ApiError,
    ClientError,
    ClosedClientError,
    ConflictError,
    FieldError,
    InvalidArgumentError,
    InvalidSpecError,
    JobFailedError,
    MissingExtraError,
    NotFoundError,
    OverloadedError,
    TransportError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from equipoise.records import Cost, Dataset, Estimate, JobRecord
from equipoise.retries import RetryPolicy
from equipoise.solutions import (
    CompareSolution,
    DiffusionSolution,
    EquilibriumSolution,
    SimulateNetworkSolution,
    SimulateSolution,
    StationarySolution,
    SweepSolution,
    SymmetriesSolution,
)
from equipoise_solver import specs

__all__ = [
    "AccessDeniedError",
    "ApiError",
    "AsyncClient",
    "AsyncJob",
    "Client",
    "ClientError",
    "ClosedClientError",
    "CompareSolution",
    "ConflictError",
    "Cost",
    "Dataset",
    "DiffusionSolution",
    "EquilibriumSolution",
    "Estimate",
    "FieldError",
    "InvalidArgumentError",
    "InvalidSpecError",
    "Job",
    "JobFailedError",
    "JobRecord",
    "MissingExtraError",
    "NotFoundError",
    "OverloadedError",
    "RetryPolicy",
    "SimulateNetworkSolution",
    "SimulateSolution",
    "StationarySolution",
    "SweepSolution",
    "SymmetriesSolution",
    "TransportError",
    "UnexpectedAnswerError",
    "WaitTimeoutError",
    "specs",
]
