"""`python -m experiments`: the command line that `./lab` starts."""

from experiments.commands import main

if __name__ == "__main__":
    main(prog_name="./lab")
