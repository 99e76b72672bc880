"""``hounsfield peers``: its commands and their options."""

from typing import Annotated

import typer

from hounsfield.server.options import DataDir, settings_of

peers = typer.Typer(
    name="peers", help="The AE book: DICOM nodes that we know.", no_args_is_help=True
)

AETitle = Annotated[str, typer.Argument(metavar="AE_TITLE", show_default=False)]


@peers.command("add")
def peers_add(
    ae_title: AETitle,
    host: Annotated[str, typer.Option(help="Where we call it; none: it calls us alone.")] = "",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 104,
    tls: Annotated[bool, typer.Option("--tls", help="Call it with TLS.")] = False,
    may: Annotated[
        list[str] | None,
        typer.Option(help="store, find, get, move, commit, or all of these; receive: be sent to."),
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option(help="Address or network that it calls from. Without: that of its host."),
    ] = None,
    certificate: Annotated[
        str, typer.Option(help="sha256:… of its certificate, or a name in it.")
    ] = "",
    associations: Annotated[int | None, typer.Option(help="At most so many at once.")] = None,
    syntax: Annotated[
        list[str] | None, typer.Option(help="Transfer syntax that it likes to receive.")
    ] = None,
    description: Annotated[str, typer.Option(help="For people.")] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Change the peer of this AE title.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Add a peer, or change it; a running server knows within seconds."""
    from hounsfield.archive.peers import Peer  # noqa: PLC0415
    from hounsfield.server.peers_command import add  # noqa: PLC0415

    peer = Peer(
        ae_title,
        host,
        port,
        tls,
        addresses=tuple(address or ()),
        certificate=certificate,
        max_associations=associations,
        preferred_transfer_syntaxes=tuple(syntax or ()),
        description=description,
    )
    bind = address is None and not certificate
    add(settings_of(data_dir), typer.echo, peer, may or (), bind=bind, replace=replace)


@peers.command("list")
def peers_list(data_dir: DataDir = None) -> None:
    """Say which peers there are, and what they may do."""
    from hounsfield.server.peers_command import show  # noqa: PLC0415

    show(settings_of(data_dir), typer.echo)


@peers.command("remove")
def peers_remove(ae_title: AETitle, data_dir: DataDir = None) -> None:
    """Take a peer out of the AE book."""
    from hounsfield.server.peers_command import remove  # noqa: PLC0415

    remove(settings_of(data_dir), typer.echo, ae_title)


@peers.command("echo")
def peers_echo(ae_title: AETitle, data_dir: DataDir = None) -> None:
    """Ask whether a peer is there (C-ECHO)."""
    from hounsfield.server.peers_command import echo  # noqa: PLC0415

    raise typer.Exit(0 if echo(settings_of(data_dir), typer.echo, ae_title) else 1)


@peers.command("test")
def peers_test(ae_title: AETitle, data_dir: DataDir = None) -> None:
    """Ask whether a peer is there, and which services it accepts from us."""
    from hounsfield.server.peers_command import examine  # noqa: PLC0415

    raise typer.Exit(0 if examine(settings_of(data_dir), typer.echo, ae_title) else 1)
