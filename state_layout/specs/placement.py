"""The keys of the specs that say what starts an agent, and what it needs of the machine found for it."""

from __future__ import annotations

from state_layout.records import LOCAL
from state_layout.shapes.shape import Field, Flag, Number, Shape, Text

_word = Text(pattern=r"[^-\s\0][^\s\0]*", wish="one word, without blanks")
PLACEMENT = {
    "launcher": Field(
        Text(pattern=r"[a-z][a-z0-9_-]{0,63}", wish="the name of a launcher, like local or slurm"),
        "what starts it, and where: this machine (local), a cluster (slurm), or one that is installed",
        default=LOCAL,
        example="slurm",
    ),
    "place": Field(
        Shape(
            fields={
                "partition": Field(_word, "the partition, or several: short,long", example="short"),
                "account": Field(_word, "who pays", example="lab42"),
                "qos": Field(_word, "the quality of service", example="normal"),
                "cpus": Field(Number(least=1, most=100_000, whole=True), "processors"),
                "mem_gib": Field(Number(above=0, most=1e6), "memory"),
                "gpus": Field(Number(least=0, most=1024, whole=True), "graphics processors"),
                "time": Field(
                    Text(
                        pattern=r"[1-9]\d*(:\d\d){0,2}|0?\d+:\d\d(:\d\d)?|\d+-\d\d?(:\d\d){0,2}",
                        wish="the longest time as Slurm writes it: minutes, 'h:mm:ss' or 'days-hours'",
                    ),
                    "wall time; it is asked to stop at a safe point two minutes before",
                    example="4:00:00",
                ),
                "features": Field(_word, "what its node must have", example="bigmem&ssd"),
                "array": Field(Flag(), "agents that want the same are submitted as one job array"),
            },
            instead={
                "mem": "use 'mem_gib'",
                "memory": "use 'mem_gib'",
                "gres": "use 'gpus'",
                "constraint": "use 'features'",
                "walltime": "use 'time'",
                "queue": "use 'partition'",
                "launcher": "write launcher = ... beside 'place'",
            },
        ),
        "what it needs of the machine that its launcher finds for it",
        example={"cpus": 4, "mem_gib": 8, "time": "4:00:00"},
    ),
}
