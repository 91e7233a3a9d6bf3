"""k6 as a program: its versions, its command line, its points while it runs, and the scripts that it is given."""
