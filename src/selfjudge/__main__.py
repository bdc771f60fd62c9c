"""`python -m selfjudge`."""

from .cli import main

main()
