"""``python -m render_fit``: the command line, for what starts modules (``accelerate launch -m render_fit train``)."""

from render_fit.cli import main

if __name__ == "__main__":  # a process that draws people imports this file again
    main()
