"""``hounsfield query`` and ``hounsfield pull``: their options."""

from typing import Annotated, Literal

import typer

from hounsfield.db.errors import CannotStart
from hounsfield.server.options import DataDir, settings_of
from hounsfield.server.peers_cli import AETitle

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def query(
    ae_title: AETitle,
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEYWORD=VALUE…", help="As in PatientName='Doe*'."),
    ] = None,
    level: Annotated[str, typer.Option(help="study, series or instance.")] = "study",
    limit: Annotated[int, typer.Option(min=1, help="At most so many; the rest is canceled.")] = 100,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Ask a peer what it has (C-FIND); a line a match, as they come."""
    from hounsfield.server.retrieval_command import query as run  # noqa: PLC0415

    pairs = [key.partition("=") for key in keys or ()]
    if not all(separator for _, separator, _ in pairs):
        raise CannotStart("A key is KEYWORD=VALUE, as in PatientName='Doe*'.")
    named = {keyword: value for keyword, _, value in pairs}
    run(settings_of(data_dir), typer.echo, ae_title, level, named, limit, as_json=as_json)


def pull(
    ae_title: AETitle,
    study: Annotated[str, typer.Option(help="Study Instance UID.", show_default=False)],
    series: Annotated[str, typer.Option(help="Only this series.")] = "",
    instance: Annotated[str, typer.Option(help="Only this instance of the series.")] = "",
    way: Annotated[
        Literal["get", "move"] | None,
        typer.Option(help="Without: C-GET where the peer accepts it, else C-MOVE to us."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Fetch a study from a peer (C-GET, or C-MOVE to us)."""
    from hounsfield.dimse.pulling import Wanted  # noqa: PLC0415
    from hounsfield.server.retrieval_command import pull as run  # noqa: PLC0415

    if instance and not series:
        raise CannotStart("--instance needs the --series that it is in.")
    wanted = Wanted(study, series, instance)
    came = run(settings_of(data_dir), ae_title, wanted, way, as_json=as_json)
    raise typer.Exit(0 if came else 1)
