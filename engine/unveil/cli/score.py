"""The command `unveil score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unveil.cli.options import DEFAULTS, Json
from unveil.cli.reporting import exit_codes, print_json
from unveil.cli.tables import print_score, print_truth_score
from unveil.errors import InvalidParameter
from unveil.interruption import stoppable
from unveil.video.metric import Metric


def score(
    context: typer.Context,
    recovery_path: Annotated[
        Path,
        typer.Argument(
            metavar="RECOVERY", help="A recovered room.png, or the folder that contains it."
        ),
    ],
    truth_path: Annotated[
        Path,
        typer.Option(
            "--truth",
            metavar="PHOTO|TRUTH.npz",
            help="A photo of the room of the same size, or the exact truth of a simulated call.",
        ),
    ],
    metric: Annotated[
        Metric, typer.Option(help="How colours are compared with those of a photo.")
    ] = DEFAULTS.metric,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            show_default="5.06, or 0.99 for cosine",
            help="A pixel matches the photo if its CIEDE2000 distance is below X (0 to 100), or "
            "its cosine similarity above X (0 to 1).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a recovery against a photo of the room or the exact truth of a simulated call.

    A photo gives zoomg's verification and the metrics of background initialisation. The exact
    truth gives leak score, precision, recall and calibration as well.
    """
    with exit_codes(context) as stop, stoppable(stop):
        from unveil.scoring.leak import room_file, score_truth
        from unveil.scoring.photo import score_room

        if truth_path.suffix.lower() == ".npz":
            if threshold is not None or metric != DEFAULTS.metric:
                name = "metric" if threshold is None else "threshold"
                raise InvalidParameter(f"{name}: applies to photos; leave it out with a truth.npz")
            measured = score_truth(recovery_path, truth_path)
            if as_json:
                print_json(measured.as_dict())
            else:
                print_truth_score(measured)
            return
        result = score_room(room_file(recovery_path), truth_path, metric, threshold)
        if as_json:
            print_json(result.as_dict())
        else:
            print_score(result)
