"""The command line. Nothing heavy is imported before a verb needs it, so that `bozzetto generate` starts at once."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 bad input or a machine that cannot, 130 interrupted
    by Ctrl-C, 141 its reader has gone. arguments: those of the process by default."""
    try:
        from bozzetto.cli.app import run

        return run(arguments)
    except KeyboardInterrupt:  # while all that is imported
        return 130
