"""`python -m dataplane`: the commands that `./lab p4` starts."""

from dataplane.cli import main

if __name__ == "__main__":
    main(prog_name="./lab p4")
