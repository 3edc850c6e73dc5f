"""`python -m aigc`."""

from aigc.cli import main

main()
