"""The command ``hounsfield``. Each command imports what it needs when it runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hounsfield.db.errors import CannotStart
from hounsfield.server.options import DataDir, settings_of
from hounsfield.server.peers_cli import peers
from hounsfield.server.retrieval_cli import pull, query

app = typer.Typer(
    name="hounsfield",
    help="A DICOMweb imaging server that reads what it stores.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
database = typer.Typer(name="db", help="The index database.", no_args_is_help=True)
app.add_typer(database)
index = typer.Typer(name="index", help="Attributes to search for.", no_args_is_help=True)
app.add_typer(index)
app.add_typer(peers)
app.command()(query)
app.command()(pull)


@app.command()
def serve(data_dir: DataDir = None) -> None:
    """Run everything on this machine: PostgreSQL, web, DIMSE and inference workers."""
    from hounsfield.server.supervisor import Supervisor  # noqa: PLC0415 - each command its own

    Supervisor(settings_of(data_dir), typer.echo).run()


@app.command()
def web(data_dir: DataDir = None) -> None:
    """Run one web process: DICOMweb, the JSON API, the web app and OHIF."""
    _alone("web", data_dir)


@app.command()
def dimse(data_dir: DataDir = None) -> None:
    """Run the DIMSE process: our DICOM services, and what is sent to peers."""
    _alone("dimse", data_dir)


@app.command()
def worker(data_dir: DataDir = None) -> None:
    """Run one inference worker."""
    _alone("worker", data_dir)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Print one line of JSON and end.")] = False,
    limit: Annotated[
        float, typer.Option(help="Seconds that the result may take after the last image.")
    ] = 300,
    data_dir: DataDir = None,
) -> None:
    """Send a study with a known truth, wait for the model, and compare."""
    from hounsfield.server.demo.command import demo as run  # noqa: PLC0415
    from hounsfield.server.demo.phantom import DemoUnavailable  # noqa: PLC0415

    try:
        right = run(settings_of(data_dir), once, limit)
    except DemoUnavailable as error:
        raise CannotStart(str(error)) from None
    raise typer.Exit(0 if right else 1)


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FOLDER|ZIP", show_default=False)],
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Requests side by side.")] = 4,
    again: Annotated[
        bool, typer.Option("--again", help="Send also what an earlier run has stored.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Store a folder or a ZIP of DICOM files in the server that runs; says what was refused."""
    from hounsfield.server.importing.command import import_files  # noqa: PLC0415

    complete = import_files(
        settings_of(data_dir), path, parallel=parallel, again=again, as_json=as_json
    )
    raise typer.Exit(0 if complete else 1)


@app.command()
def push(
    ae_title: Annotated[str, typer.Argument(metavar="PEER", show_default=False)],
    study: Annotated[str, typer.Option(help="Study Instance UID.", show_default=False)],
    series: Annotated[str | None, typer.Option(help="Series Instance UID; none: all.")] = None,
    commit: Annotated[
        bool | None,
        typer.Option(help="Ask for storage commitment. Without: as the AE book has it."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Say how far it is until it has ended.")] = True,
    data_dir: DataDir = None,
) -> None:
    """Send a study or series to a peer of the AE book."""
    from hounsfield.server.push_command import push as run  # noqa: PLC0415

    settings = settings_of(data_dir)
    right = run(settings, typer.echo, ae_title, study, series, commit=commit, wait=wait)
    raise typer.Exit(0 if right else 1)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed  # noqa: PLC0415

    typer.echo(installed("hounsfield"))


@database.command("status")
def database_status(data_dir: DataDir = None) -> None:
    """Say whether the database answers, and which schema it has."""
    from hounsfield.db.schema import revision  # noqa: PLC0415
    from hounsfield.server.startup import await_database, database_url  # noqa: PLC0415

    url = database_url(settings_of(data_dir))
    server = await_database(url, give_up=lambda: True)
    typer.echo(f"PostgreSQL {server}, schema {revision(url) or 'not made yet'}")


@database.command("upgrade-schema")
def database_upgrade_schema(data_dir: DataDir = None) -> None:
    """Bring the schema up to date; `serve` does it by itself."""
    from hounsfield.db import schema  # noqa: PLC0415
    from hounsfield.server.startup import await_database, database_url  # noqa: PLC0415

    url = database_url(settings_of(data_dir))
    await_database(url)
    schema.upgrade(url)
    typer.echo(f"Schema {schema.revision(url)}")


@index.command("add")
def index_add(
    attribute: Annotated[str, typer.Argument(help="Keyword or tag, or a path of them with dots.")],
    level: Annotated[str, typer.Option(help="study, series or instance.")] = "instance",
    vr: Annotated[str | None, typer.Option(help="Of a private attribute.")] = None,
    creator: Annotated[str, typer.Option(help="Of a private attribute.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Index an attribute; a running server indexes what is stored."""
    from hounsfield.server.index_command import add  # noqa: PLC0415

    add(settings_of(data_dir), typer.echo, attribute, level, vr, creator)


@index.command("list")
def index_list(data_dir: DataDir = None) -> None:
    """Say which attributes are indexed, and how far."""
    from hounsfield.server.index_command import show  # noqa: PLC0415

    show(settings_of(data_dir), typer.echo)


@index.command("remove")
def index_remove(
    attribute: Annotated[str, typer.Argument(help="As it was added.")],
    level: Annotated[str, typer.Option(help="study, series or instance.")] = "instance",
    data_dir: DataDir = None,
) -> None:
    """Take an attribute out of the index."""
    from hounsfield.server.index_command import remove  # noqa: PLC0415

    remove(settings_of(data_dir), typer.echo, attribute, level)


def main() -> None:
    """Run the command line; what cannot start is said in a sentence, with exit status 1."""
    _keep_logs_apart()
    try:
        app()
    except CannotStart as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


def _keep_logs_apart() -> None:
    """Standard output is for what a command says; a process of the tree has its own way to log."""
    from hounsfield.conf.logging import configure_logging  # noqa: PLC0415

    configure_logging("warning", as_json=False, process="hounsfield")


def _alone(kind: str, data_dir: Path | None) -> None:
    from hounsfield.server.children.alone import run_alone  # noqa: PLC0415

    run_alone(kind, settings_of(data_dir), typer.echo)


if __name__ == "__main__":
    main()
