"""The app that the verbs join, each a thin layer over the front door or the training side, and how a command ends.

Bad input is exactly one line on stderr, `bozzetto: ...`, and exit code 2, with nothing written; so is what the machine
cannot do, for want of space, rights or a file. A bug is one line and exit code 1; `bozzetto --debug ...` or
BOZZETTO_DEBUG=1 shows the traceback of either. Verbs save their files before they print, so that a closed pipe costs
no work.
"""

import os
import re
import sys
from typing import Annotated, Any

import typer

from bozzetto.cli import course, data, draw, models, runs, search, serve, training, words, world
from bozzetto.cli.shell import close_streams, fail, flags, open_streams
from bozzetto.errors import BozzettoError, InvalidInput
from bozzetto.progress import speaks

app = typer.Typer(
    help="Generative AI in small scale: real models that draw and name pictures on a laptop.",
    rich_markup_mode=None,  # plain help, and a quicker start
    pretty_exceptions_enable=False,
    add_completion=False,
)
for verbs in (draw.verbs, words.verbs, course.verbs, serve.verbs, training.verbs, models.verbs, runs.verbs):
    app.add_typer(verbs)
app.add_typer(world.verbs, name="world")
app.add_typer(data.verbs, name="data")
app.add_typer(search.verbs, name="search")


def _show_version(wanted: bool) -> None:
    if wanted:
        import bozzetto

        print(f"bozzetto {bozzetto.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


def run(arguments: list[str] | None) -> int:
    """Run one command and return its exit code, see `bozzetto.cli.main`."""
    open_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    command: Any = typer.main.get_command(app)
    try:
        with command.make_context("bozzetto", list(arguments), obj=tuple(arguments)) as context:
            command.invoke(context)
        sys.stdout.flush()
        return 0
    except typer.Exit as done:  # after --help, for example
        return done.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        return 141
    except Exception as error:
        if os.environ.get("BOZZETTO_DEBUG") or "--debug" in arguments:
            raise
        root = group = command
        for word in arguments:  # down to the verb
            if word in getattr(command, "commands", {}):
                group, command = command, command.commands[word]
        group = None if group is root else group
        if not speaks() and isinstance(error, BozzettoError):
            return 2
        return _report(error, command, group)
    finally:
        close_streams()


def _report(error: Exception, command: Any, group: Any) -> int:
    """Say in one line what is wrong with a call of this verb of a group."""
    if hasattr(error, "format_message"):  # what the parser of the command line raises
        place = getattr(getattr(error, "ctx", None), "command_path", "bozzetto")
        return fail(f"{error.format_message().rstrip('.')}: see `{place} --help`", 2)
    if isinstance(error, InvalidInput):
        return fail(error.text(flags(command, group)), 2)
    if number := re.search(r"\(os error (\d+)\)", str(error)):  # so the engines in Rust say what the machine told them
        return fail(os.strerror(int(number[1])), 2)
    if isinstance(error, OSError) and error.strerror:
        return fail(f"{error.filename}: {error.strerror}" if error.filename else error.strerror, 2)
    if isinstance(error, BozzettoError | OSError):
        return fail(str(error), 2)
    return fail(f"failed, {type(error).__name__}: {error}: `bozzetto --debug ...` shows where", 1)
