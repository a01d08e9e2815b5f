"""`python -m equipoise_service`."""

import sys

if __name__ == "__main__":
    from equipoise_service.command_line.commands import main

    sys.exit(main(sys.argv[1:]))
