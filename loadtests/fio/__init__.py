"""fio as a program: where it reads and writes, what it is told, and its figures while it runs."""
