"""Datasets: upload, look up."""

from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request, Response

from equipoise_service.errors import NotFoundError
from equipoise_service.http.deps import ReaderDep, ResourcesDep, SubmitterDep
from equipoise_service.http.schemas import DatasetView, dataset_view
from equipoise_service.uploads.dataset_columns import LONGEST_CHOICE, Choice
from equipoise_service.uploads.dataset_upload import receive

router = APIRouter(prefix="/datasets", tags=["datasets"])

_MANY = ", or names with commas between them for vectors"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {"schema": {"type": "object", "required": ["file"], "properties": {"file": _BINARY["schema"]}}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": _FORM,
            "text/csv": {"schema": {"type": "string"}},
            "application/x-npz": _BINARY,
            "application/vnd.apache.parquet": _BINARY,
            "application/octet-stream": _BINARY,
        },
    }
}


@router.post(
    "",
    status_code=201,
    response_model=DatasetView,
    responses={200: {"model": DatasetView, "description": "The same numbers were uploaded before."}},
    openapi_extra=_BODY,
)
async def upload(
    request: Request,
    resources: ResourcesDep,
    caller: SubmitterDep,
    x: Annotated[
        str | None, Query(max_length=LONGEST_CHOICE, description=f"Name of the column of inputs{_MANY}.")
    ] = None,
    y: Annotated[
        str | None, Query(max_length=LONGEST_CHOICE, description=f"Name of the column of labels{_MANY}.")
    ] = None,
    format: Annotated[  # noqa: A002 - the name of the query parameter
        Literal["csv", "npz", "parquet"] | None,
        Query(description="Format of a body of type application/octet-stream."),
    ] = None,
) -> Response:
    """Upload pairs (x, y) as CSV, NPZ or Parquet; the same numbers are stored once."""
    columns = await receive(request, Choice(x, y), format, resources.settings)
    dataset, is_new = await to_thread.run_sync(resources.library.add, columns, caller)
    headers = {"Location": f"/v1/datasets/{dataset.id}"}
    body = dataset_view(dataset).model_dump_json()
    return Response(body, 201 if is_new else 200, headers, "application/json")


@router.get("/{dataset_id}")
def get_dataset(
    dataset_id: Annotated[str, Path(max_length=100, description="Id of the dataset.")],
    resources: ResourcesDep,
    caller: ReaderDep,
) -> DatasetView:
    """Show what is known of a dataset."""
    dataset = resources.library.get(dataset_id, caller)
    if dataset is None:
        raise NotFoundError(
            f"There is no dataset {dataset_id!r}: upload it to POST /v1/datasets.", code="dataset_not_found"
        )
    return dataset_view(dataset)
